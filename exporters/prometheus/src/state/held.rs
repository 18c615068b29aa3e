//! What is kept of one Resource.
//!
//! Families and labels are kept once each; a series is the numbers of its own. So a series takes little, a page escapes each label
//! once, and all of it goes to another replica as it is.
//!
//! *Invariant:* the numbers of a key are those of a family and of labels that are there.

use super::kept::Kept;
use indexmap::{Equivalent, IndexSet};
use penstock_exporter_series::{Family, Point};
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Name and value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) name: Box<str>,
    pub(crate) value: Box<str>,
}

/// The same, of somebody else.
struct Pair<'a>(&'a str, &'a str);

impl Hash for Label {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Pair(&self.name, &self.value).hash(state);
    }
}

impl Hash for Pair<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
        self.1.hash(state);
    }
}

impl Equivalent<Label> for Pair<'_> {
    fn equivalent(&self, label: &Label) -> bool {
        *self.0 == *label.name && *self.1 == *label.value
    }
}

/// The number of its family, and those of its labels, ascending.
pub(crate) type Key = Box<[u32]>;

/// All that is kept of one Resource.
#[derive(Clone, Debug, Default)]
pub(crate) struct Held {
    pub(crate) families: IndexSet<Arc<Family>>,
    pub(crate) labels: IndexSet<Label>,
    pub(crate) items: HashMap<Key, Kept>,
}

impl Held {
    /// The key of a point, if its family and labels are kept already.
    pub(super) fn find(&self, point: &Point) -> Option<Key> {
        let mut key: Vec<u32> = Vec::with_capacity(1 + point.labels.len());
        key.push(number(self.families.get_index_of(&point.family)?));
        for (name, value) in &point.labels {
            key.push(number(self.labels.get_index_of(&Pair(name, value))?));
        }
        key[1..].sort_unstable();
        Some(key.into())
    }

    /// The key of a point, whose family and labels are kept from now on.
    pub(super) fn key(&mut self, point: &Point) -> Key {
        let family = match self.families.get_index_of(&point.family) {
            Some(index) => index,
            None => self.families.insert_full(Arc::clone(&point.family)).0,
        };
        let labels = point.labels.iter();
        let labels = labels.map(|(name, value)| self.label(name, value));
        let mut key: Vec<u32> = Vec::with_capacity(1 + point.labels.len());
        key.push(number(family));
        key.extend(labels);
        key[1..].sort_unstable();
        key.into()
    }

    fn label(&mut self, name: &str, value: &str) -> u32 {
        number(match self.labels.get_index_of(&Pair(name, value)) {
            Some(index) => index,
            None => {
                let label = Label {
                    name: name.into(),
                    value: value.into(),
                };
                self.labels.insert_full(label).0
            }
        })
    }

    /// Adds a point, whatever limits there are.
    pub(crate) fn put(&mut self, point: Point) {
        let key = self.key(&point);
        self.items.insert(key, Kept::new(point));
    }

    /// The family of a key.
    pub(crate) fn family(&self, key: &[u32]) -> Option<&Arc<Family>> {
        let number = usize::try_from(*key.first()?).ok()?;
        self.families.get_index(number)
    }

    /// Adds another replica's part: sums add up, and of what is known as a whole the newest counts.
    pub(crate) fn merge(&mut self, other: Self) {
        let families: Vec<u32> = other
            .families
            .into_iter()
            .map(|family| number(self.families.insert_full(family).0))
            .collect();
        let labels: Vec<u32> = other
            .labels
            .into_iter()
            .map(|label| number(self.labels.insert_full(label).0))
            .collect();
        let at = |list: &[u32], number: u32| list[usize::try_from(number).unwrap_or_default()];
        for (key, kept) in other.items {
            let mut here = Vec::with_capacity(key.len());
            here.push(at(&families, key[0]));
            here.extend(key[1..].iter().map(|number| at(&labels, *number)));
            here[1..].sort_unstable();
            match self.items.get_mut(&here[..]) {
                Some(known) => known.merge(kept),
                None => _ = self.items.insert(here.into(), kept),
            }
        }
    }

    /// Forgets families and labels that no series has, when they are many.
    pub(super) fn tidy(&mut self) {
        let used: usize = self.items.keys().map(|key| key.len()).sum();
        let kept = self.labels.len() + self.families.len();
        if kept > 64 && used * 2 < kept {
            *self = std::mem::take(self).without_unused();
        }
        self.items.shrink_to(self.items.len() * 2);
    }

    fn without_unused(self) -> Self {
        let mut left = Self::default();
        for (key, kept) in self.items {
            let label = |number: &u32| {
                let number = usize::try_from(*number).unwrap_or(usize::MAX);
                self.labels.get_index(number).cloned()
            };
            let family = usize::try_from(key[0]).unwrap_or(usize::MAX);
            let Some(family) = self.families.get_index(family) else {
                continue;
            };
            let mut here = vec![number(left.families.insert_full(Arc::clone(family)).0)];
            let labels = key[1..].iter().filter_map(label);
            here.extend(labels.map(|label| number(left.labels.insert_full(label).0)));
            here[1..].sort_unstable();
            left.items.insert(here.into(), kept);
        }
        left
    }
}

/// As many as this cannot be in memory.
pub(super) fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
