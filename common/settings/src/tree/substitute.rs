//! `${env:X}`, `${env:X:-default}`, `${X}`, `${file:path}` and `$$` in values; keys are left alone.
//!
//! A value that is one expression alone takes the type that the setting wants (`${env:PORT}` may be a number) and may
//! be a whole list or map; inside other text it is text. What a variable holds is taken literally; what a file holds
//! is configuration and may have expressions of its own.
//!
//! *Invariant:* an unset variable is an empty text and a warning, never another setting's default.

use super::{Budget, Fault, MAX_DEPTH, Node, Place, Scalar, Value, join, levels, yaml};
use crate::environment::Environment;
use crate::load::read_file;
use std::path::Path;
use std::sync::Arc;

/// Most files that include each other.
const MAX_INCLUDES: usize = 8;

/// Replaces every expression in the tree; returns what deserves a warning.
pub(crate) fn substitute(
    tree: &mut Node,
    environment: &Environment,
    budget: &mut Budget,
) -> Result<Vec<Fault>, Fault> {
    let mut substitution = Substitution {
        environment,
        budget,
        warnings: Vec::new(),
        includes: 0,
    };
    substitution.node(tree, "")?;
    if levels(tree) > MAX_DEPTH {
        let message =
            format!("nested deeper than {MAX_DEPTH} levels, with what expressions stand for");
        return Err(Fault {
            place: tree.place.clone(),
            key: String::new(),
            message,
        });
    }
    Ok(substitution.warnings)
}

struct Substitution<'a> {
    environment: &'a Environment,
    budget: &'a mut Budget,
    warnings: Vec<Fault>,
    includes: usize,
}

/// A part of a text.
#[derive(Debug, PartialEq, Eq)]
enum Part<'t> {
    Literal(&'t str),
    Dollar,
    Expression(&'t str),
}

impl Substitution<'_> {
    fn node(&mut self, node: &mut Node, path: &str) -> Result<(), Fault> {
        match &mut node.value {
            Value::Null => Ok(()),
            Value::List(items) => items.iter_mut().try_for_each(|item| self.node(item, path)),
            Value::Map(entries) => entries
                .iter_mut()
                .try_for_each(|entry| self.node(&mut entry.value, &join(path, &entry.key))),
            Value::Scalar(scalar) => {
                if !scalar.text.contains('$') {
                    return Ok(());
                }
                let place = node.place.clone();
                let fault = |message| Fault {
                    place: place.clone(),
                    key: path.to_owned(),
                    message,
                };
                let parts = split(&scalar.text).map_err(fault)?;
                if let [Part::Expression(expression)] = parts.as_slice() {
                    let expression = (*expression).to_owned();
                    *node = self.whole(&expression, &place, path)?;
                    return Ok(());
                }
                let mut text = String::new();
                for part in parts {
                    match part {
                        Part::Literal(literal) => text.push_str(literal),
                        Part::Dollar => text.push('$'),
                        Part::Expression(expression) => {
                            text.push_str(&self.text(expression, &place, path)?);
                        }
                    }
                }
                scalar.text = text;
                Ok(())
            }
        }
    }

    /// The value of an expression that stands alone.
    fn whole(&mut self, expression: &str, place: &Place, path: &str) -> Result<Node, Fault> {
        let expression = self.inner(expression, place, path)?;
        if let Some(file) = expression.strip_prefix("file:") {
            if self.includes == MAX_INCLUDES {
                let message = format!("files include each other more than {MAX_INCLUDES} times");
                return Err(Fault {
                    place: place.clone(),
                    key: path.to_owned(),
                    message,
                });
            }
            let content = self.file(file, place, path)?;
            let mut node = yaml::parse(&Arc::from(file), &content, self.budget)?;
            if let Value::Scalar(scalar) = &mut node.value {
                // A secret in a file is the file's text, however YAML would read it, without its last line break.
                *scalar = Scalar {
                    text: content.trim_end_matches(['\r', '\n']).to_owned(),
                    plain: scalar.plain,
                };
                node.place = place.clone();
                return Ok(node);
            }
            self.includes += 1;
            self.node(&mut node, path)?;
            self.includes -= 1;
            return Ok(node);
        }
        let text = self.variable(&expression, place, path)?;
        if text.starts_with(['{', '[']) || text.contains('\n') {
            let parsed = yaml::parse(&place.file, &text, self.budget);
            if let Ok(mut node) = parsed
                && !matches!(node.value, Value::Scalar(_))
            {
                put_at(&mut node, place);
                return Ok(node);
            }
        }
        let plain = !text.is_empty();
        Ok(Node {
            place: place.clone(),
            value: Value::Scalar(Scalar { text, plain }),
        })
    }

    /// The value of an expression inside a text.
    fn text(&mut self, expression: &str, place: &Place, path: &str) -> Result<String, Fault> {
        let expression = self.inner(expression, place, path)?;
        match expression.strip_prefix("file:") {
            Some(file) => Ok(self
                .file(file, place, path)?
                .trim_end_matches(['\r', '\n'])
                .to_owned()),
            None => self.variable(&expression, place, path),
        }
    }

    /// Expressions inside an expression come first: `${env:${NAME}}`.
    fn inner(&mut self, expression: &str, place: &Place, path: &str) -> Result<String, Fault> {
        if !expression.contains("${") {
            return Ok(expression.to_owned());
        }
        let fault = |message| Fault {
            place: place.clone(),
            key: path.to_owned(),
            message,
        };
        let mut text = String::new();
        for part in split(expression).map_err(fault)? {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Dollar => text.push('$'),
                Part::Expression(inner) => text.push_str(&self.text(inner, place, path)?),
            }
        }
        Ok(text)
    }

    fn variable(&mut self, expression: &str, place: &Place, path: &str) -> Result<String, Fault> {
        let fault = |message| Fault {
            place: place.clone(),
            key: path.to_owned(),
            message,
        };
        let scheme = expression.split_once(':').map_or("", |(scheme, _)| scheme);
        let expression = match scheme {
            "env" => &expression["env:".len()..],
            "yaml" | "http" | "https" => {
                return Err(fault(format!(
                    "`${{{scheme}:...}}` is not available; use ${{env:X}} or ${{file:path}}"
                )));
            }
            _ => expression,
        };
        let (name, default) = match expression.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (expression, None),
        };
        let valid = |name: &str| {
            name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
                && name
                    .chars()
                    .all(|rest| rest.is_ascii_alphanumeric() || rest == '_')
        };
        if !valid(name) {
            return Err(fault(format!(
                "`${{{expression}}}` names no environment variable; write ${{env:NAME}}, ${{env:NAME:-default}}, \
                 ${{file:path}}, or $$ for a dollar sign"
            )));
        }
        if let Some(value) = self.environment.variables.get(name) {
            if value.contains("${") {
                let message = format!(
                    "what environment variable {name} holds is taken literally, `${{` included"
                );
                self.warnings.push(fault(message));
            }
            self.budget.spend(0, value.len()).map_err(fault)?;
            return Ok(value.clone());
        }
        Ok(default.map_or_else(
            || {
                self.warnings.push(fault(format!(
                    "environment variable {name} is not set; taken as empty"
                )));
                String::new()
            },
            str::to_owned,
        ))
    }

    fn file(&mut self, file: &str, place: &Place, path: &str) -> Result<String, Fault> {
        let read = read_file(Path::new(file)).and_then(|text| {
            self.budget.spend(0, text.len())?;
            Ok(text)
        });
        read.map_err(|message| Fault {
            place: place.clone(),
            key: path.to_owned(),
            message: format!("`${{file:{file}}}`: {message}"),
        })
    }
}

/// Splits a text at its expressions; nested ones stay inside the outer one.
fn split(text: &str) -> Result<Vec<Part<'_>>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        if dollar > 0 {
            parts.push(Part::Literal(&rest[..dollar]));
        }
        let after = &rest[dollar + 1..];
        if let Some(next) = after.strip_prefix('$') {
            parts.push(Part::Dollar);
            rest = next;
        } else if let Some(body) = after.strip_prefix('{') {
            let end =
                closing(body).ok_or("`${` without `}`; write `$${` if it is meant literally")?;
            parts.push(Part::Expression(&body[..end]));
            rest = &body[end + 1..];
        } else {
            parts.push(Part::Dollar);
            rest = after;
        }
    }
    if !rest.is_empty() {
        parts.push(Part::Literal(rest));
    }
    Ok(parts)
}

/// Where the `}` is that ends an expression.
fn closing(body: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let mut previous = ' ';
    for (index, character) in body.char_indices() {
        match character {
            '{' if previous == '$' => depth += 1,
            '}' if depth == 0 => return Some(index),
            '}' => depth -= 1,
            _ => {}
        }
        previous = character;
    }
    None
}

/// A variable's content has no place of its own: it gets the place of the expression.
fn put_at(node: &mut Node, place: &Place) {
    node.place = place.clone();
    match &mut node.value {
        Value::Null | Value::Scalar(_) => {}
        Value::List(items) => items.iter_mut().for_each(|item| put_at(item, place)),
        Value::Map(entries) => {
            for entry in entries {
                entry.place = place.clone();
                put_at(&mut entry.value, place);
            }
        }
    }
}
