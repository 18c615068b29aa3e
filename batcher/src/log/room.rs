//! What the logs of one signal share: the bytes that their data may have in memory and on disk.
//!
//! *Invariant:* a log's share of the disk is what its files have and what it has promised to write; all shares together are
//! kept below the limit by those who append. Books are always written, and have a part of the limit that nothing is appended to.

use penstock_runtime::Budget;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use tokio::sync::Notify;

#[cfg(test)]
mod tests;

/// Part of the memory (one over this) that batches in flight of logs on disk may have: they cannot be let go, and beside
/// them there has to be room for what comes in.
const IN_FLIGHT_PART: usize = 4;
/// What each log's books may have of the limit, and at most what part of it all of them.
const BOOKS_BYTES: u64 = 16 << 10;
const BOOKS_PART: u64 = 16;
/// Part of the memory above which written blocks are let go.
const RESIDENT_PART: usize = 2;

/// What all logs of one signal in this process share. Clones are the same budgets.
#[derive(Clone, Debug)]
pub struct Budgets {
    /// Requests have their permits from it, and what is read back from disk has its own.
    pub(crate) memory: Arc<Budget>,
    /// Bytes of batches in flight.
    pub(crate) in_flight: Arc<AtomicUsize>,
    /// Cursors of all logs.
    pub(crate) cursors: Arc<AtomicUsize>,
    pub(crate) disk: Arc<Room>,
}

impl Budgets {
    /// `memory` is where requests have their permits from; `disk_bytes` is the signal's part of the disk.
    #[must_use]
    pub fn new(memory: Arc<Budget>, disk_bytes: u64) -> Self {
        Self {
            memory,
            in_flight: Arc::default(),
            cursors: Arc::default(),
            disk: Arc::new(Room {
                limit: disk_bytes,
                used: AtomicU64::new(0),
                wanted: AtomicU64::new(0),
                logs: AtomicU64::new(0),
                freed: Notify::new(),
                pressed: Notify::new(),
            }),
        }
    }

    /// Bytes in use of where a backlog is kept, and how many there may be: of the disk, or of the memory without one.
    #[must_use]
    pub fn backlog(&self) -> (u64, u64) {
        if self.disk.limit() > 0 {
            (self.disk.used(), self.disk.limit())
        } else {
            (self.memory.used() as u64, self.memory.limit() as u64)
        }
    }

    /// Whether a cursor that has batches of `own` bytes in flight may have `more`: within its part of half of what there is
    /// in any case, so that others cannot keep it from going on; beyond that, while all together have less than the whole.
    pub(crate) fn may_fly(&self, own: usize, more: usize) -> bool {
        let limit = self.memory.limit() / IN_FLIGHT_PART;
        let cursors = self.cursors.load(Ordering::Relaxed).max(1);
        let in_flight = self.in_flight.load(Ordering::Relaxed);
        own.saturating_add(more) <= limit / 2 / cursors || in_flight.saturating_add(more) <= limit
    }

    /// Bytes of memory that should be let go.
    pub(crate) fn over(&self) -> usize {
        let resident = self.memory.limit() / RESIDENT_PART;
        self.memory.used().saturating_sub(resident)
    }
}

/// Room on disk.
#[derive(Debug)]
pub(crate) struct Room {
    limit: u64,
    used: AtomicU64,
    /// Bytes that are waited for.
    wanted: AtomicU64,
    /// Logs that have a share.
    logs: AtomicU64,
    /// Wakes them: there is more room, or a log tells them something else.
    pub(crate) freed: Notify,
    /// Wakes those who write: somebody begins to wait.
    pub(crate) pressed: Notify,
}

impl Room {
    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Whether there is room for `more` bytes beside the books.
    pub(crate) fn has(&self, more: u64) -> bool {
        let logs = self.logs.load(Ordering::Relaxed);
        let books = (logs * BOOKS_BYTES).min(self.limit / BOOKS_PART);
        self.used().saturating_add(more).saturating_add(books) <= self.limit
    }

    /// Somebody waits for `bytes` of room, until this is dropped.
    pub(crate) fn want(&self, bytes: u64) -> Wanting<'_> {
        self.wanted.fetch_add(bytes, Ordering::Relaxed);
        Wanting { room: self, bytes }
    }
}

/// A wait for room.
#[derive(Debug)]
pub(crate) struct Wanting<'a> {
    room: &'a Room,
    bytes: u64,
}

impl Drop for Wanting<'_> {
    fn drop(&mut self) {
        self.room.wanted.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// What one log has of the room.
#[derive(Debug)]
pub(crate) struct Share {
    room: Arc<Room>,
    bytes: u64,
}

impl Share {
    pub(crate) fn new(room: &Arc<Room>) -> Self {
        room.logs.fetch_add(1, Ordering::Relaxed);
        Self {
            room: Arc::clone(room),
            bytes: 0,
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether somebody waits for room.
    pub(crate) fn is_wanted(&self) -> bool {
        let wanted = self.room.wanted.load(Ordering::Relaxed);
        wanted > 0 && !self.room.has(wanted.min(self.room.limit / 8))
    }

    /// Whether somebody waits for room and this log has no less than its part.
    pub(crate) fn is_to_give(&self) -> bool {
        let logs = self.room.logs.load(Ordering::Relaxed).max(1);
        self.is_wanted() && self.bytes * logs >= self.room.used()
    }

    /// Takes `more`, whether there is room or not.
    pub(crate) fn grow(&mut self, more: u64) {
        self.bytes += more;
        self.room.used.fetch_add(more, Ordering::Relaxed);
    }

    /// It is so much now.
    pub(crate) fn set(&mut self, bytes: u64) {
        if bytes >= self.bytes {
            self.grow(bytes - self.bytes);
        } else {
            self.room
                .used
                .fetch_sub(self.bytes - bytes, Ordering::Relaxed);
            self.bytes = bytes;
            self.room.freed.notify_waiters();
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.set(0);
        self.room.logs.fetch_sub(1, Ordering::Relaxed);
    }
}
