//! Where one is in the tree, and what was found wrong there.

use crate::diagnostic::{Diagnostic, Kind};
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

    /// The whole path of a key below.
    pub(crate) fn path_of(&self, key: &str) -> String {
        join(&self.path, key)
    }

    /// The last part of the path; a component's id.
    pub(crate) fn key(&self) -> &'t str {
        self.key
    }

    /// What is below a key, if it is there.
    pub(crate) fn child(&self, key: &str) -> Option<Self> {
        self.node.entry(key).map(|entry| self.below(entry))
    }

    /// The same, or a place to speak of it when it is not there.
    pub(crate) fn child_or_here(&self, key: &'t str) -> Self {
        let here = || Self {
            path: join(&self.path, key),
            key,
            ..self.clone()
        };
        self.child(key).unwrap_or_else(here)
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

    /// Place and path of a dotted key below, and whether it is there; if not, the place of what would hold it.
    fn find(&self, key: &str) -> (Place, String, bool) {
        let mut place = self.place.clone();
        let mut node = self.node;
        let mut path = self.path.clone();
        let mut rest = key;
        while !rest.is_empty() {
            if let Value::List(items) = &node.value {
                let (index, after) = rest.split_once('.').unwrap_or((rest, ""));
                let Some(item) = index.parse().ok().and_then(|index: usize| items.get(index))
                else {
                    return (place, join(&path, rest), false);
                };
                place = item.place.clone();
                path = join(&path, index);
                (node, rest) = (item, after);
                continue;
            }
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
                return (place, join(&path, rest), false);
            };
            place = entry.place.clone();
            path = join(&path, &entry.key);
            node = &entry.value;
            rest = after.trim_start_matches('.');
        }
        (place, path, true)
    }
}

/// Most faults of one component that are told: whoever has more has another problem.
const MAX_FAULTS: usize = 64;

/// Everything that was found.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// All of it, in the order in which it was found.
    pub(crate) found: Vec<Diagnostic>,
    /// Keys that could not be read. What is wrong because they are missing is not told as well.
    broken: Vec<String>,
}

impl Findings {
    /// Goes on from what was found before.
    pub(crate) fn after(found: Vec<Diagnostic>) -> Self {
        let broken = found.iter().filter(|found| found.kind.is_error());
        let broken = broken.map(|error| error.key.clone()).collect();
        Self { found, broken }
    }

    /// Whether nothing is wrong.
    pub(crate) fn is_sound(&self) -> bool {
        !self.found.iter().any(|found| found.kind.is_error())
    }

    /// An error at a dotted key below `at`; the empty key is `at` itself.
    pub(crate) fn error(&mut self, at: &At<'_>, key: &str, message: impl Into<String>) {
        let (place, path, is_there) = at.find(key);
        let parent = |path: &str| path.rsplit_once('.').map(|(parent, _)| parent.to_owned());
        let follows = |broken: &String| {
            broken.strip_prefix(&path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
                // One of its neighbours may be this one, spelt wrong.
                || (!is_there && parent(broken) == parent(&path))
        };
        if !self.broken.iter().any(follows) {
            self.tell(Kind::Error, &place, path, message.into());
        }
    }

    /// A component that there is not, and what to do without.
    pub(crate) fn no_component(&mut self, at: &At<'_>, message: impl Into<String>) {
        self.tell(Kind::Component, &at.place, at.path.clone(), message.into());
    }

    /// A warning at a dotted key below `at`.
    pub(crate) fn warn(&mut self, at: &At<'_>, key: &str, message: impl Into<String>) {
        let (place, path, _) = at.find(key);
        self.tell(Kind::Warning, &place, path, message.into());
    }

    /// What a key means here, if it means something else elsewhere.
    pub(crate) fn note(&mut self, at: &At<'_>, key: &str, message: impl Into<String>) {
        let (place, path, _) = at.find(key);
        self.tell(Kind::Note, &place, path, message.into());
    }

    fn tell(&mut self, kind: Kind, place: &Place, path: String, message: String) {
        self.found.push(Diagnostic::at(kind, place, path, message));
    }

    fn broken(&mut self, place: &Place, path: String, message: String) {
        self.broken.push(path.clone());
        self.tell(Kind::Error, place, path, message);
    }

    /// Reads a component strictly, once the keys that its notes name are reported and taken out. What cannot be read is
    /// an error and taken out too, so that whatever else is wrong is found in the same go.
    pub(crate) fn read<T: DeserializeOwned>(
        &mut self,
        at: &At<'_>,
        notes: &[&[Note]],
    ) -> Option<T> {
        let mut node = at.node.clone();
        for note in notes.iter().copied().flatten() {
            self.noted(at, &mut node, note);
        }
        for _ in 0..MAX_FAULTS {
            let error = match tree::read(&node) {
                Ok(value) => return Some(value),
                Err(error) => error,
            };
            let below = error.path();
            let place = error.place.unwrap_or_else(|| at.place.clone());
            let path = below
                .iter()
                .fold(at.path.clone(), |path, key| join(&path, key));
            self.broken(&place, path, error.message);
            if !node.cut(&below) {
                break;
            }
        }
        None
    }

    /// Tells of a key that a note is about, if it is there.
    fn noted(&mut self, at: &At<'_>, node: &mut Node, note: &Note) {
        let Some(entry) = node.get(note.path) else {
            return;
        };
        let usual = match (&entry.value.value, note.usual) {
            (Value::Scalar(scalar), Some(usual)) => scalar.text == usual,
            _ => false,
        };
        let (place, path) = (entry.place.clone(), join(&at.path, note.path));
        if !usual && !entry.value.is_empty() {
            match note.fate {
                Fate::Ignored(reason) => {
                    let message = format!("has no effect here: {reason}");
                    self.tell(Kind::Warning, &place, path, message);
                }
                Fate::Unavailable(remedy) => self.broken(&place, path, remedy.to_owned()),
                Fate::Differs(meaning) => {
                    let message = format!("means something else here: {meaning}");
                    self.tell(Kind::Note, &place, path, message);
                }
            }
        }
        if !matches!(note.fate, Fate::Differs(_)) {
            node.take(note.path);
        }
    }
}
