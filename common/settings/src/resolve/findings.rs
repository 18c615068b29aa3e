//! Where one is in the tree, and what was found wrong there.

use crate::load::Diagnostic;
use crate::raw::{Fate, Note};
use crate::tree::{self, Entry, Node, Place, Value, join};
use serde::de::DeserializeOwned;

/// A node with its path and the place of its key.
#[derive(Clone, Debug)]
pub(crate) struct At<'t> {
    node: &'t Node,
    path: String,
    key: &'t str,
    place: Place,
}

impl<'t> At<'t> {
    pub(crate) fn root(node: &'t Node) -> Self {
        Self {
            node,
            path: String::new(),
            key: "",
            place: node.place.clone(),
        }
    }

    pub(crate) fn node(&self) -> &'t Node {
        self.node
    }

    /// The last part of the path; a component's id.
    pub(crate) fn key(&self) -> &'t str {
        self.key
    }

    /// What is below a key, if it is there.
    pub(crate) fn child(&self, key: &str) -> Option<Self> {
        self.node.entry(key).map(|entry| self.below(entry))
    }

    /// All entries of a map.
    pub(crate) fn children(&self) -> impl Iterator<Item = Self> + use<'t> {
        let at = self.clone();
        self.node.entries().iter().map(move |entry| at.below(entry))
    }

    fn below(&self, entry: &'t Entry) -> Self {
        Self {
            node: &entry.value,
            path: join(&self.path, &entry.key),
            key: &entry.key,
            place: entry.place.clone(),
        }
    }

    /// The elements of a list below a key, with their text and their own places.
    pub(crate) fn texts(&self, key: &str) -> Vec<(&'t str, Self)> {
        let Some(list) = self.child(key) else {
            return Vec::new();
        };
        let Value::List(items) = &list.node.value else {
            return Vec::new();
        };
        let element = |item: &'t Node| match &item.value {
            Value::Scalar(scalar) => {
                let at = Self {
                    node: item,
                    path: list.path.clone(),
                    key: list.key,
                    place: item.place.clone(),
                };
                Some((scalar.text.as_str(), at))
            }
            _ => None,
        };
        items.iter().filter_map(element).collect()
    }

    /// Place and path of a dotted key below; where it is not there, the place of what would hold it.
    fn find(&self, key: &str) -> (Place, String) {
        let mut place = self.place.clone();
        let mut node = self.node;
        let mut path = self.path.clone();
        let mut rest = key;
        while !rest.is_empty() {
            // An id may have dots, so the keys that are there say where a part ends.
            let below = |name: &str| {
                rest.strip_prefix(name)
                    .filter(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            let Some((entry, after)) = node
                .entries()
                .iter()
                .find_map(|entry| Some((entry, below(&entry.key)?)))
            else {
                return (place, join(&path, rest));
            };
            place = entry.place.clone();
            path = join(&path, &entry.key);
            node = &entry.value;
            rest = after.trim_start_matches('.');
        }
        (place, path)
    }
}

/// Everything that was found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// What keeps the settings from being used.
    pub(crate) errors: Vec<Diagnostic>,
    /// What the user should know.
    pub(crate) warnings: Vec<Diagnostic>,
}

impl Findings {
    /// An error at a dotted key below `at`; the empty key is `at` itself.
    pub(crate) fn error(&mut self, at: &At<'_>, key: &str, message: impl Into<String>) {
        let (place, path) = at.find(key);
        self.errors
            .push(Diagnostic::at(&place, path, message.into()));
    }

    /// A warning, likewise.
    pub(crate) fn warn(&mut self, at: &At<'_>, key: &str, message: impl Into<String>) {
        let (place, path) = at.find(key);
        self.warnings
            .push(Diagnostic::at(&place, path, message.into()));
    }

    /// Reads a component strictly, once the keys that its notes name are reported and taken out.
    pub(crate) fn read<T: DeserializeOwned>(
        &mut self,
        at: &At<'_>,
        notes: &[&[Note]],
    ) -> Option<T> {
        let mut node = at.node.clone();
        for note in notes.iter().copied().flatten() {
            let Some(entry) = node.take(note.path) else {
                continue;
            };
            let usual = match (&entry.value.value, note.usual) {
                (Value::Scalar(scalar), Some(usual)) => scalar.text == usual,
                _ => false,
            };
            if usual || entry.value.is_empty() {
                continue;
            }
            let path = join(&at.path, note.path);
            match note.fate {
                Fate::Ignored(reason) => {
                    let message = format!("has no effect here: {reason}");
                    self.warnings
                        .push(Diagnostic::at(&entry.place, path, message));
                }
                Fate::Unavailable(remedy) => {
                    self.errors
                        .push(Diagnostic::at(&entry.place, path, remedy.to_owned()));
                }
            }
        }
        match tree::read(&node) {
            Ok(value) => Some(value),
            Err(error) => {
                let place = error.place.unwrap_or_else(|| at.place.clone());
                let path = if error.path.is_empty() {
                    at.path.clone()
                } else {
                    join(&at.path, &error.path)
                };
                self.errors
                    .push(Diagnostic::at(&place, path, error.message));
                None
            }
        }
    }
}
