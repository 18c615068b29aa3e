//! From sources to settings: read, merge, substitute, override, deserialise, validate.
//!
//! *Invariant:* the same sources and the same [`Environment`] give the same settings or the same diagnostics.

use crate::diagnostic::{Diagnostic, Faults, Kind};
use crate::environment::Environment;
use crate::model::Settings;
use crate::source::Source;
use crate::tree::{self, Budget, Node, Place, Value};
use crate::{overrides, print, resolve};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

#[cfg(test)]
mod tests;

/// Largest configuration file; a Kubernetes ConfigMap holds 1 MiB.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// Everything that there is to say about some sources.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The settings, if nothing is wrong.
    pub settings: Option<Settings>,
    /// Errors, warnings and notes, in the order of the sources.
    pub diagnostics: Vec<Diagnostic>,
    tree: Option<Node>,
}

impl Checked {
    /// What keeps the settings from being used.
    #[must_use]
    pub fn faults(&self) -> Faults {
        let errors = self
            .diagnostics
            .iter()
            .filter(|found| found.kind.is_error());
        Faults(errors.cloned().collect())
    }

    /// All sources together as one YAML document, with every expression replaced and secrets hidden, if they could be
    /// read.
    #[must_use]
    pub fn merged(&self) -> Option<String> {
        self.tree.as_ref().map(print::print)
    }
}

/// Reads, merges and validates all sources in the process's environment. What is accepted without effect, or is
/// likely not meant, is in [`Settings::warnings`] for the caller to print.
///
/// # Errors
/// Everything that is wrong. YAML that cannot be read hides what else is wrong.
pub fn load(sources: &[Source]) -> Result<Settings, Faults> {
    load_in(sources, &Environment::of_process())
}

/// Reads, merges and validates all sources, with an environment given.
///
/// # Errors
/// As for [`load`].
pub fn load_in(sources: &[Source], environment: &Environment) -> Result<Settings, Faults> {
    let checked = check(sources, environment);
    let faults = checked.faults();
    checked.settings.ok_or(faults)
}

/// Says everything about all sources, wrong or not.
#[must_use]
pub fn check(sources: &[Source], environment: &Environment) -> Checked {
    let mut reading = Reading::default();
    let tree = reading.all(sources, environment);
    let mut found = reading.found;
    let warned = |found: &&Diagnostic| found.kind == Kind::Warning;
    let unset: Vec<_> = found.iter().filter(warned).cloned().collect();
    let mut settings = None;
    if let Some(tree) = &tree {
        let resolved = resolve::resolve(tree, environment, found);
        (settings, found) = resolved;
    }
    explain(&mut found, &unset);
    for diagnostic in &mut found {
        if let Some((_, text)) = reading
            .texts
            .iter()
            .find(|(name, _)| *name == diagnostic.file)
        {
            diagnostic.show(text);
        }
    }
    in_file_order(&mut found, sources);
    if let Some(settings) = &mut settings {
        let of = |kind| {
            found
                .iter()
                .filter(move |found| found.kind == kind)
                .cloned()
        };
        settings.warnings = of(Kind::Warning).collect();
        settings.notes = of(Kind::Note).collect();
    }
    Checked {
        settings,
        diagnostics: found,
        tree,
    }
}

/// An error at a value that an unset variable has made empty says so.
fn explain(found: &mut [Diagnostic], unset: &[Diagnostic]) {
    for error in found.iter_mut().filter(|found| found.kind.is_error()) {
        for warning in unset.iter().filter(|warning| warning.key == error.key) {
            error.message = format!("{}; {}", error.message, warning.message);
        }
    }
}

fn in_file_order(diagnostics: &mut [Diagnostic], sources: &[Source]) {
    let names: Vec<_> = sources.iter().map(Source::name).collect();
    diagnostics.sort_by_cached_key(|found| {
        // Included files and the environment come last.
        let source = names.iter().position(|name| *name == found.file);
        let file = if source.is_none() {
            found.file.clone()
        } else {
            String::new()
        };
        (
            source.unwrap_or(names.len()),
            file,
            found.line,
            found.column,
        )
    });
}

/// What is read, and what was found wrong meanwhile.
#[derive(Default)]
struct Reading {
    budget: Budget,
    found: Vec<Diagnostic>,
    /// Names and texts, for diagnostics to show.
    texts: Vec<(String, String)>,
}

impl Reading {
    /// The sources merged; nothing if one of them cannot be read at all.
    fn all(&mut self, sources: &[Source], environment: &Environment) -> Option<Node> {
        let mut whole: Option<Node> = None;
        let mut unreadable = false;
        for source in sources {
            let (name, text) = match source.text(&environment.variables) {
                Ok(read) => read,
                Err(fault) => {
                    self.found.push(fault);
                    unreadable = true;
                    continue;
                }
            };
            let mut faults = Vec::new();
            let tree = tree::parse(
                &Arc::from(name.as_str()),
                &text,
                &mut self.budget,
                &mut faults,
            );
            self.texts.push((name, text));
            self.found.extend(
                faults
                    .into_iter()
                    .map(|fault| Diagnostic::of(Kind::Error, fault)),
            );
            let nested =
                tree.map(|mut tree| tree::nest(&mut tree, &mut self.budget).map(|()| tree));
            let tree = match nested {
                Some(Ok(tree)) => tree,
                Some(Err(fault)) => {
                    self.found.push(Diagnostic::of(Kind::Error, fault));
                    unreadable = true;
                    continue;
                }
                None => {
                    unreadable = true;
                    continue;
                }
            };
            if !matches!(tree.value, Value::Map(_) | Value::Null) {
                let message = format!("a map of sections was expected, not {}", tree.kind());
                let key = String::new();
                self.found
                    .push(Diagnostic::at(Kind::Error, &tree.place, key, message));
                unreadable = true;
                continue;
            }
            match &mut whole {
                _ if matches!(tree.value, Value::Null) => {}
                None => whole = Some(tree),
                Some(whole) => tree::merge(whole, tree),
            }
        }
        if unreadable {
            return None;
        }
        let mut whole = whole.unwrap_or_else(|| nothing(sources));
        let substituted = tree::substitute(&mut whole, environment, &mut self.budget);
        self.texts.extend(substituted.included);
        for (kind, faults) in [
            (Kind::Error, substituted.faults),
            (Kind::Warning, substituted.warnings),
        ] {
            self.found
                .extend(faults.into_iter().map(|fault| Diagnostic::of(kind, fault)));
        }
        if matches!(whole.value, Value::Null) {
            return None;
        }
        // What an expression stands for may have such keys, too.
        if let Err(fault) = tree::nest(&mut whole, &mut self.budget) {
            self.found.push(Diagnostic::of(Kind::Error, fault));
            return None;
        }
        overrides::apply(&mut whole, environment, &mut self.budget, &mut self.found);
        Some(whole)
    }
}

/// A configuration without anything in it.
fn nothing(sources: &[Source]) -> Node {
    let name = sources
        .first()
        .map_or_else(|| "(no file)".to_owned(), Source::name);
    Node {
        place: Place::start_of(&name),
        value: Value::Map(Vec::new()),
    }
}

/// Reads a configuration file whole, within [`MAX_FILE_BYTES`].
pub(crate) fn read_file(path: &Path) -> Result<String, String> {
    let file = File::open(path).map_err(|error| format!("the file cannot be read: {error}"))?;
    let mut text = String::new();
    file.take(MAX_FILE_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|error| format!("the file cannot be read as text: {error}"))?;
    if text.len() as u64 > MAX_FILE_BYTES {
        return Err(format!("the file is larger than {MAX_FILE_BYTES} bytes"));
    }
    Ok(text)
}
