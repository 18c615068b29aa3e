//! The books: where each cursor of a log is and what became of the items before it, as kept on disk.
//!
//! *Invariant:* the law, [`CursorBook::balances`]. Items of blocks that are read and not wholly settled are in flight here,
//! whatever became of pieces of them: those blocks are sent again whole.
//!
//! Fields may be added; a reader ignores those that it does not know.

use serde::{Deserialize, Serialize};

#[cfg(test)]
mod tests;

/// The state of a log's cursors.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Books {
    /// The log's id. Set by the store.
    pub(crate) log: String,
    /// Number of the next block. Set by the store.
    pub(crate) next_seq: u64,
    /// Items of all blocks before that, since the log exists. Set by the store.
    pub(crate) accepted: u64,
    pub(crate) cursors: Vec<CursorBook>,
    /// Logs whose counts were carried into these books.
    pub(crate) carried: Vec<String>,
}

/// One cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct CursorBook {
    pub(crate) pipeline: String,
    pub(crate) exporter: String,
    /// First block that is not read.
    pub(crate) next: u64,
    /// Items of all blocks of the log before `next`.
    pub(crate) read_items: u64,
    /// Payload bytes of the same blocks.
    pub(crate) read_bytes: u64,
    /// Items of all blocks of the log before the cursor's first.
    pub(crate) since_items: u64,
    /// Items accepted by logs that were carried into this one.
    pub(crate) carried_accepted: u64,
    pub(crate) delivered: u64,
    pub(crate) rejected: u64,
    pub(crate) dropped: u64,
    pub(crate) retried: u64,
    /// Of the delivered: those taken by another receiver.
    pub(crate) handed_over: u64,
    /// Batches that are read and not settled, as they were made.
    pub(crate) in_flight: Vec<InFlight>,
    /// Its exporter is gone from the configuration.
    pub(crate) retired: bool,
}

/// Blocks that are read and not settled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct InFlight {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) items: u64,
    /// Payload bytes.
    pub(crate) bytes: u64,
    /// It has failed so often that it waits outside the window.
    pub(crate) parked: bool,
}

impl CursorBook {
    /// The law: what was read is at its end or in flight.
    pub(crate) fn balances(&self) -> bool {
        let in_flight = self.in_flight.iter().map(|batch| batch.items);
        let at_end = [self.delivered, self.rejected, self.dropped];
        let sum = at_end
            .into_iter()
            .chain(in_flight)
            .try_fold(0_u64, u64::checked_add);
        let read = self
            .read_items
            .checked_sub(self.since_items)
            .and_then(|read| read.checked_add(self.carried_accepted));
        sum.is_some() && sum == read
    }
}
