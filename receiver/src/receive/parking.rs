//! What held calls may leave with the transport: bytes that their senders may send before anyone pulls them.
//!
//! A held call withholds the window of its own stream, but what fits into that window may come and then takes part of the
//! connection's. So each signal of a connection has a part of the connection's window, and streams, to itself: its calls
//! are held as long as what they may send fits in there, and refused at once beyond. All connections together have
//! one pool.
//!
//! *Invariant:* held calls of one signal leave to the others, on the same connection, all of their part.

use penstock_otlp::Signal;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[cfg(test)]
mod tests;

/// What a signal's held calls may leave on one connection. It holds 1024 calls of the sidecars' usual 4.4 kB.
pub(crate) const SIGNAL_BYTES: usize = 8 << 20;
/// The pool's part of the memory limit.
const POOL_PART: usize = 4;
/// Least size of the pool: with little memory too, one sidecar's calls are held rather than refused.
const POOL_LEAST: usize = 2 * SIGNAL_BYTES;

/// Bytes of a limited amount.
#[derive(Debug)]
struct Account {
    used: AtomicUsize,
}

impl Account {
    const fn new() -> Self {
        Self {
            used: AtomicUsize::new(0),
        }
    }

    fn take(&self, bytes: usize, limit: usize) -> bool {
        let add = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= limit);
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add)
            .is_ok()
    }

    fn give(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The pool of the process.
#[derive(Debug)]
pub(crate) struct Pool {
    account: Account,
    limit: usize,
}

impl Pool {
    /// The pool beside a memory budget of `budget_bytes`.
    pub(crate) fn beside(budget_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            account: Account::new(),
            limit: (budget_bytes / POOL_PART).max(POOL_LEAST),
        })
    }

    /// Bytes that held calls may send now.
    pub(crate) fn used(&self) -> usize {
        self.account.used.load(Ordering::Relaxed)
    }
}

/// The parts of one connection.
#[derive(Debug)]
pub(crate) struct Parking {
    pool: Arc<Pool>,
    signals: [Account; 3],
    /// What a held call takes at least: this bounds their number.
    least: usize,
}

/// One held call's place.
#[derive(Debug)]
pub(crate) struct Parked {
    parking: Arc<Parking>,
    signal: Signal,
    bytes: usize,
}

impl Parking {
    /// For a connection that holds up to `calls` calls of each signal.
    pub(crate) fn new(pool: &Arc<Pool>, calls: u32) -> Arc<Self> {
        Arc::new(Self {
            pool: Arc::clone(pool),
            signals: [const { Account::new() }; 3],
            least: SIGNAL_BYTES / (calls as usize).clamp(1, SIGNAL_BYTES),
        })
    }

    /// A place for a call whose sender may send `bytes`, if there is room.
    pub(crate) fn park(self: &Arc<Self>, signal: Signal, bytes: usize) -> Option<Parked> {
        let bytes = bytes.max(self.least);
        let account = &self.signals[signal.index()];
        if !account.take(bytes, SIGNAL_BYTES) {
            return None;
        }
        if !self.pool.account.take(bytes, self.pool.limit) {
            account.give(bytes);
            return None;
        }
        Some(Parked {
            parking: Arc::clone(self),
            signal,
            bytes,
        })
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        self.parking.signals[self.signal.index()].give(self.bytes);
        self.parking.pool.account.give(self.bytes);
    }
}
