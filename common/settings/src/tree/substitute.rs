//! `${env:X}`, `${env:X:-default}`, `${X}`, `${file:path}`, `${yaml:text}` and `$$` in values; keys are left alone.
//!
//! A value that is one expression alone takes the type that the setting wants (`${env:PORT}` may be a number) and may
//! be a whole list or map; inside other text it is text. As in the Collector, what an expression stands for may have
//! expressions of its own, and `$$` in it is one dollar sign.
//!
//! *Invariant:* an unset variable is an empty text and a warning, never another setting's default. What is wrong stays
//! as it is written, so that the rest can be looked at.

use super::{Budget, Fault, MAX_DEPTH, Node, Place, Scalar, Value, join, levels, yaml};
use crate::environment::{Environment, is_name};
use crate::load::read_file;
use std::path::Path;
use std::sync::Arc;

/// How deep expressions may stand in what other expressions stand for.
const MAX_NESTED: usize = 16;

/// What came of it.
#[derive(Debug, Default)]
pub(crate) struct Substituted {
    /// What deserves a warning.
    pub(crate) warnings: Vec<Fault>,
    /// What is wrong.
    pub(crate) faults: Vec<Fault>,
    /// Files that were included, with their texts.
    pub(crate) included: Vec<(String, String)>,
}

/// Replaces every expression in the tree.
pub(crate) fn substitute(
    tree: &mut Node,
    environment: &Environment,
    budget: &mut Budget,
) -> Substituted {
    let mut substitution = Substitution {
        environment,
        budget,
        nested: 0,
        came: Substituted::default(),
    };
    substitution.node(tree, "");
    let mut came = substitution.came;
    if levels(tree) > MAX_DEPTH {
        let message =
            format!("nested deeper than {MAX_DEPTH} levels, with what expressions stand for");
        came.faults.push(Fault {
            place: tree.place.clone(),
            key: String::new(),
            message,
        });
        // Nobody behind has to be able to walk it.
        tree.value = Value::Null;
    }
    came
}

struct Substitution<'a> {
    environment: &'a Environment,
    budget: &'a mut Budget,
    nested: usize,
    came: Substituted,
}

/// A part of a text.
#[derive(Debug, PartialEq, Eq)]
enum Part<'t> {
    Literal(&'t str),
    Dollar,
    Expression(&'t str),
}

/// Where an expression stands.
#[derive(Clone, Copy)]
struct Where<'a> {
    place: &'a Place,
    path: &'a str,
}

impl Where<'_> {
    fn fault(self, message: impl Into<String>) -> Fault {
        Fault {
            place: self.place.clone(),
            key: self.path.to_owned(),
            message: message.into(),
        }
    }
}

impl Substitution<'_> {
    fn node(&mut self, node: &mut Node, path: &str) {
        match &mut node.value {
            Value::Null => {}
            Value::List(items) => items.iter_mut().for_each(|item| self.node(item, path)),
            Value::Map(entries) => entries
                .iter_mut()
                .for_each(|entry| self.node(&mut entry.value, &join(path, &entry.key))),
            Value::Scalar(scalar) => match self.scalar(scalar, &node.place, path) {
                Ok(None) => {}
                Ok(Some(other)) => *node = other,
                Err(fault) => self.came.faults.push(fault),
            },
        }
    }

    /// What a single value becomes, if it does not stay as it is.
    fn scalar(
        &mut self,
        scalar: &Scalar,
        place: &Place,
        path: &str,
    ) -> Result<Option<Node>, Fault> {
        if !scalar.text.contains('$') {
            return Ok(None);
        }
        let at = Where { place, path };
        let parts = split(&scalar.text).map_err(|message| at.fault(message))?;
        if let [Part::Expression(expression)] = parts.as_slice() {
            return self.whole(expression, at).map(Some);
        }
        let text = self.parts(parts, at)?;
        let value = Value::Scalar(Scalar {
            text,
            plain: scalar.plain,
        });
        Ok(Some(Node {
            place: place.clone(),
            value,
        }))
    }

    /// The value of an expression that stands alone.
    fn whole(&mut self, expression: &str, at: Where<'_>) -> Result<Node, Fault> {
        let expression = self.inner(expression, at)?;
        let (name, content) = self.content(&expression, at)?;
        let included = name.is_some();
        let looks_structured = content.starts_with(['{', '[']) || content.contains('\n');
        let mut node = None;
        if included || looks_structured {
            let file = name.map_or_else(|| Arc::clone(&at.place.file), Arc::from);
            let mut faults = Vec::new();
            let parsed = yaml::parse(&file, &content, self.budget, &mut faults);
            let structured = |node: &Node| !matches!(node.value, Value::Scalar(_));
            node = parsed.filter(|node| faults.is_empty() && structured(node));
            if included && !faults.is_empty() && content.contains(": ") {
                // Meant as configuration, as a secret on several lines has no keys.
                self.came.faults.append(&mut faults);
            }
        }
        let mut node = match node {
            Some(mut node) => {
                if !included {
                    put_at(&mut node, at.place);
                }
                node
            }
            // A secret in a file is the file's text, however YAML would read it.
            None => Node {
                place: at.place.clone(),
                value: Value::Scalar(Scalar {
                    plain: !content.is_empty(),
                    text: content,
                }),
            },
        };
        self.deeper(at, |inside| {
            inside.node(&mut node, at.path);
            Ok(node)
        })
    }

    /// The text of an expression inside a text.
    fn text(&mut self, expression: &str, at: Where<'_>) -> Result<String, Fault> {
        let expression = self.inner(expression, at)?;
        let (_, content) = self.content(&expression, at)?;
        self.deeper(at, |inside| {
            let parts = split(&content).map_err(|message| at.fault(message))?;
            inside.parts(parts, at)
        })
    }

    /// Expressions inside an expression come first: `${env:${NAME}}`.
    fn inner(&mut self, expression: &str, at: Where<'_>) -> Result<String, Fault> {
        if !expression.contains("${") {
            return Ok(expression.to_owned());
        }
        let parts = split(expression).map_err(|message| at.fault(message))?;
        self.deeper(at, |inside| inside.parts(parts, at))
    }

    fn parts(&mut self, parts: Vec<Part<'_>>, at: Where<'_>) -> Result<String, Fault> {
        let mut text = String::new();
        for part in parts {
            match part {
                Part::Literal(literal) => text.push_str(literal),
                Part::Dollar => text.push('$'),
                Part::Expression(expression) => text.push_str(&self.text(expression, at)?),
            }
        }
        Ok(text)
    }

    fn deeper<T>(
        &mut self,
        at: Where<'_>,
        inside: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        if self.nested == MAX_NESTED {
            let message = format!("expressions stand in each other more than {MAX_NESTED} deep");
            return Err(at.fault(message));
        }
        self.nested += 1;
        let made = inside(self);
        self.nested -= 1;
        made
    }

    /// What an expression stands for, with the file's name if it is a file.
    fn content(
        &mut self,
        expression: &str,
        at: Where<'_>,
    ) -> Result<(Option<String>, String), Fault> {
        let (name, content) = match expression.split_once(':') {
            Some(("file", path)) => {
                let text = read_file(Path::new(path))
                    .map_err(|message| at.fault(format!("`${{file:{path}}}`: {message}")))?;
                // What editors add to the last line does not count.
                let content = text.trim_end_matches(['\r', '\n']).to_owned();
                self.came.included.push((path.to_owned(), text));
                (Some(path.to_owned()), content)
            }
            Some(("yaml", text)) => (None, text.to_owned()),
            Some((scheme @ ("http" | "https"), _)) => {
                return Err(at.fault(format!(
                    "`${{{scheme}:...}}` is not available; use ${{env:X}} or ${{file:path}}"
                )));
            }
            Some(("env", name)) => (None, self.variable(name, at)?),
            _ => (None, self.variable(expression, at)?),
        };
        self.budget
            .spend(1, content.len())
            .map_err(|message| at.fault(message))?;
        Ok((name, content))
    }

    fn variable(&mut self, expression: &str, at: Where<'_>) -> Result<String, Fault> {
        let (name, default) = match expression.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (expression, None),
        };
        if !is_name(name) {
            return Err(at.fault(format!(
                "`${{{expression}}}` names no environment variable; write ${{env:NAME}}, ${{env:NAME:-default}}, \
                 ${{file:path}}, or $$ for a dollar sign"
            )));
        }
        let value = self.environment.variables.get(name).map(String::as_str);
        Ok(value
            .or(default)
            .unwrap_or_else(|| {
                let message = format!("environment variable {name} is not set; taken as empty");
                self.came.warnings.push(at.fault(message));
                ""
            })
            .to_owned())
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
