//! A configuration as a tree that knows where each key and value stands.
//!
//! *Invariant:* a tree has at most [`MAX_NODES`] nodes and [`MAX_DEPTH`] levels, whatever the files, their aliases and
//! what they include, so that everything behind may recurse and search without further bounds.

use std::sync::Arc;

mod read;
mod substitute;
mod yaml;

#[cfg(test)]
mod tests;

pub(crate) use read::{ReadError, instead, read};
pub(crate) use substitute::substitute;
pub(crate) use yaml::{Budget, parse};

/// Most values in all sources together; a large real file has two thousand.
pub(crate) const MAX_NODES: usize = 20_000;
/// Most bytes of text in all values together, with what aliases and expressions stand for.
pub(crate) const MAX_BYTES: usize = 16 << 20;
/// Most levels of nesting.
pub(crate) const MAX_DEPTH: usize = 64;

/// A place in a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// File name as given.
    pub(crate) file: Arc<str>,
    /// 1-based line.
    pub(crate) line: usize,
    /// 1-based column, in characters.
    pub(crate) column: usize,
}

/// Something wrong with the text of a configuration.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    /// Where.
    pub(crate) place: Place,
    /// Dotted path of the key, if one is known.
    pub(crate) key: String,
    /// What, and what to do.
    pub(crate) message: String,
}

/// A value and its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Where the value starts.
    pub(crate) place: Place,
    /// The value.
    pub(crate) value: Value,
}

/// A value.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// Nothing, `null` or `~`.
    Null,
    /// Text, a number or a boolean: which one is decided by the setting that it is for.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// A map, in file order.
    Map(Vec<Entry>),
}

/// A scalar as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scalar {
    /// Its text.
    pub(crate) text: String,
    /// Whether it may be read as a number or boolean; quoted text may not.
    pub(crate) plain: bool,
}

/// An entry of a map.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The key.
    pub(crate) key: String,
    /// Where the key stands.
    pub(crate) place: Place,
    /// The value.
    pub(crate) value: Node,
}

impl Node {
    /// The entries of a map; none for anything else.
    pub(crate) fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The entry of a map's key.
    pub(crate) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.key == key)
    }

    /// Whether the value says nothing: null, an empty list or an empty map.
    pub(crate) fn is_empty(&self) -> bool {
        match &self.value {
            Value::Null => true,
            Value::Scalar(_) => false,
            Value::List(items) => items.is_empty(),
            Value::Map(entries) => entries.is_empty(),
        }
    }

    /// What the value is, in words for people.
    pub(crate) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Scalar(_) => "a single value",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }

    /// The entry at a dotted path.
    pub(crate) fn get(&self, path: &str) -> Option<&Entry> {
        match path.split_once('.') {
            None => self.entry(path),
            Some((first, rest)) => self.entry(first)?.value.get(rest),
        }
    }

    /// Takes the value at a dotted path out of the tree, together with the place of its key.
    pub(crate) fn take(&mut self, path: &str) -> Option<Entry> {
        let Value::Map(entries) = &mut self.value else {
            return None;
        };
        match path.split_once('.') {
            None => {
                let index = entries.iter().position(|entry| entry.key == path)?;
                Some(entries.remove(index))
            }
            Some((first, rest)) => entries
                .iter_mut()
                .find(|entry| entry.key == first)?
                .value
                .take(rest),
        }
    }

    /// Removes what is at a path of keys and indices; false if it is not there.
    pub(crate) fn cut(&mut self, path: &[String]) -> bool {
        let Some((first, rest)) = path.split_first() else {
            return false;
        };
        match &mut self.value {
            Value::Map(entries) => match entries.iter().position(|entry| entry.key == *first) {
                Some(index) if rest.is_empty() => {
                    entries.remove(index);
                    true
                }
                Some(index) => entries[index].value.cut(rest),
                None => false,
            },
            Value::List(items) => match first.parse::<usize>() {
                Ok(index) if index < items.len() && rest.is_empty() => {
                    items.remove(index);
                    true
                }
                Ok(index) if index < items.len() => items[index].cut(rest),
                _ => false,
            },
            Value::Null | Value::Scalar(_) => false,
        }
    }
}

/// Makes maps of keys that are a path, as in `processors::batch::timeout: 2s`.
pub(crate) fn nest(tree: &mut Node, budget: &mut Budget) -> Result<(), Fault> {
    nest_at(tree, 0, budget)
}

fn nest_at(tree: &mut Node, depth: usize, budget: &mut Budget) -> Result<(), Fault> {
    let entries = match &mut tree.value {
        Value::Map(entries) => entries,
        Value::List(items) => {
            let mut items = items.iter_mut();
            return items.try_for_each(|item| nest_at(item, depth + 1, budget));
        }
        Value::Null | Value::Scalar(_) => return Ok(()),
    };
    if !entries.iter().any(|entry| entry.key.contains("::")) {
        let mut entries = entries.iter_mut();
        return entries.try_for_each(|entry| nest_at(&mut entry.value, depth + 1, budget));
    }
    for mut entry in std::mem::take(entries) {
        let place = entry.place;
        let keys: Vec<_> = entry.key.split("::").collect();
        let fault = |message| Fault {
            place: place.clone(),
            key: String::new(),
            message,
        };
        if depth + keys.len() + levels(&entry.value) > MAX_DEPTH {
            return Err(fault(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        budget.spend(keys.len(), 0).map_err(fault)?;
        nest_at(&mut entry.value, depth + keys.len(), budget)?;
        let map = |value, key: &&str| Node {
            place: place.clone(),
            value: Value::Map(vec![Entry {
                key: (*key).to_owned(),
                place: place.clone(),
                value,
            }]),
        };
        merge(tree, keys.iter().rev().fold(entry.value, map));
    }
    Ok(())
}

/// Lays `over` on `base` as the Collector does: maps merge, anything else replaces. A null replaces too, and so puts
/// a section or a setting back to its default.
pub(crate) fn merge(base: &mut Node, over: Node) {
    match (&mut base.value, over.value) {
        (Value::Map(entries), Value::Map(later)) => {
            for entry in later {
                match entries.iter_mut().find(|earlier| earlier.key == entry.key) {
                    Some(earlier) => {
                        if !matches!(
                            (&earlier.value.value, &entry.value.value),
                            (Value::Map(_), Value::Map(_))
                        ) {
                            earlier.place = entry.place;
                        }
                        merge(&mut earlier.value, entry.value);
                    }
                    None => entries.push(entry),
                }
            }
        }
        (value, later) => {
            *value = later;
            base.place = over.place;
        }
    }
}

/// Joins a path and a key.
pub(crate) fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}

/// Levels of nesting of a node, itself included.
fn levels(node: &Node) -> usize {
    1 + match &node.value {
        Value::Null | Value::Scalar(_) => 0,
        Value::List(items) => items.iter().map(levels).max().unwrap_or(0),
        Value::Map(entries) => entries
            .iter()
            .map(|entry| levels(&entry.value))
            .max()
            .unwrap_or(0),
    }
}
