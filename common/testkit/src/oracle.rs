//! Who sent what, what was accepted, what arrived: the judge over loss and duplication.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// Follows items by id from their sender to a backend. Shared by reference between the tasks of a test.
#[derive(Debug, Default)]
pub struct Oracle {
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    issued: BTreeSet<String>,
    acked: BTreeSet<String>,
    arrived: BTreeMap<String, usize>,
}

/// What the oracle says of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Acked, never arrived: lost.
    pub missing: Vec<String>,
    /// Arrived more than once.
    pub duplicates: Vec<String>,
    /// Arrived, never issued.
    pub invented: Vec<String>,
}

impl Oracle {
    /// An oracle that knows nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn with<R>(&self, act: impl FnOnce(&mut Books) -> R) -> R {
        act(&mut self.books.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A sender is about to send these.
    pub fn issue(&self, ids: &[String]) {
        self.with(|books| books.issued.extend(ids.iter().cloned()));
    }

    /// The sender was told that these are accepted.
    pub fn ack(&self, ids: &[String]) {
        self.with(|books| books.acked.extend(ids.iter().cloned()));
    }

    /// A backend has these.
    pub fn arrive(&self, ids: &[String]) {
        self.with(|books| {
            for id in ids {
                *books.arrived.entry(id.clone()).or_default() += 1;
            }
        });
    }

    /// Items acked so far.
    #[must_use]
    pub fn acked(&self) -> usize {
        self.with(|books| books.acked.len())
    }

    /// Whether everything acked so far has arrived.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.with(|books| books.acked.iter().all(|id| books.arrived.contains_key(id)))
    }

    /// The verdict over what was told so far.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        self.with(|books| {
            let arrived = || books.arrived.iter();
            Verdict {
                missing: books
                    .acked
                    .iter()
                    .filter(|id| !books.arrived.contains_key(*id))
                    .cloned()
                    .collect(),
                duplicates: arrived()
                    .filter(|(_, count)| **count > 1)
                    .map(|(id, _)| id.clone())
                    .collect(),
                invented: arrived()
                    .filter(|(id, _)| !books.issued.contains(*id))
                    .map(|(id, _)| id.clone())
                    .collect(),
            }
        })
    }
}
