//! What other receivers have handed over already, as long as it is remembered: one that got no answer sends it again.
//!
//! *Invariant:* bounded. What is forgotten is taken again, so that duplicates are possible and losses are not.

use super::HandedOver;
use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

#[cfg(test)]
mod tests;

/// Batches remembered by one process. A whole receiver's worth, at some 200 bytes each.
const REMEMBERED: usize = 4096;

/// Batches that were appended, of all shards: the second try may come in anywhere.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    known: HashSet<HandedOver>,
    in_order: VecDeque<HandedOver>,
}

impl Seen {
    /// Whether a batch was appended before. One without an origin never was.
    pub(crate) fn has(&self, batch: &HandedOver) -> bool {
        self.with(|state| state.known.contains(batch))
    }

    /// The batch is in the log.
    pub(crate) fn add(&self, batch: &HandedOver) {
        if batch.origin.is_none() {
            return;
        }
        self.with(|state| {
            if !state.known.insert(batch.clone()) {
                return;
            }
            state.in_order.push_back(batch.clone());
            if state.in_order.len() > REMEMBERED
                && let Some(oldest) = state.in_order.pop_front()
            {
                state.known.remove(&oldest);
            }
        });
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
