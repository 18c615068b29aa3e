//! What becomes of batches that a cursor has read: settled, or set aside to be read again.
//!
//! *Invariant:* a batch that is set aside is not settled: its blocks stay.

use super::state::State;
use super::{Blocks, MAX_PARKED};
use crate::batch::Tries;
use crate::fate::Fate;
use penstock_hop::Origin;
use tokio::time::Instant;

impl Blocks {
    /// The `items` at `origin` are at their end for a reader.
    pub(crate) fn settle(&self, reader: usize, origin: &Origin, items: usize, fate: Fate) {
        let mut state = self.lock();
        let released = state.settle(reader, origin, items, fate);
        let closed = state.closed;
        // Bytes return to the budget outside the lock, as that may wake those who wait for them.
        drop(state);
        drop(released);
        self.wake_writer();
        if closed {
            // It may have been the last.
            self.wakes[reader].notify_one();
        }
    }

    /// Whether a batch may wait outside the window: in memory if there is `room` for it, else only if it can be read again.
    pub(crate) fn may_park(&self, reader: usize, origin: &Origin, room: bool) -> bool {
        let state = self.lock();
        if Self::is_on_disk(&state, origin) {
            state.positions[reader].parked() < MAX_PARKED
        } else {
            room
        }
    }

    /// What became of a piece is not in the books before its block is settled, so it cannot be left to them. Nor can a batch
    /// whose blocks were dropped to make room.
    fn is_on_disk(state: &State, origin: &Origin) -> bool {
        let disk = state.disk.as_ref();
        disk.is_some_and(|disk| origin.parts == 1 && origin.first_block >= disk.gone)
    }

    /// Lets a batch wait outside the window, to be read again at `at`. False when it has to be kept in memory.
    pub(crate) fn park(&self, reader: usize, origin: &Origin, tries: Tries, at: Instant) -> bool {
        let mut state = self.lock();
        if !Self::is_on_disk(&state, origin) {
            return false;
        }
        state.positions[reader].park(origin, tries, at);
        state.touch(true);
        drop(state);
        self.wake_writer();
        true
    }

    /// Nothing of a reader's waits outside the window any longer.
    pub(crate) fn hurry(&self, reader: usize) {
        self.lock().positions[reader].hurry();
        self.wakes[reader].notify_one();
    }

    pub(crate) fn retried(&self, reader: usize, items: u64) {
        self.lock().positions[reader].retried += items;
    }
}
