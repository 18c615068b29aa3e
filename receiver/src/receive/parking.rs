//! Where held calls wait: how much of them may lie here, and which connections are read meanwhile.
//!
//! A held call withholds the window of its own stream, but what fits into that window may come, and the call itself takes
//! memory too. All of this lies beside the memory budget, so it is counted here, by signal, up to the signal's *limit*. Below
//! are two *marks*, from which on connections are not read, so that TCP holds their senders; they take turns when there is room
//! again. A connection that brings one signal alone stops at the low mark, as long as held calls get on: to hold each of its
//! calls by itself would cost more and be of no use to anybody. One that brings others too stops only at the high mark, or
//! when it has its own part full. When held calls do not get on at all, the low mark is void, because a connection that has
//! brought one signal so far may be about to bring another. What the last reads bring beyond a mark fits below the limit;
//! only what does not is refused at once.
//!
//! Two things are read whatever the marks say. A connection with a body that is being pulled, because that body has its bytes
//! of the budget and others may wait for them. And, once calls of a signal were held for the longest time and refused, the
//! connections that bring it: its senders can be held no longer, and must not keep other signals from being read.
//!
//! *Invariant:* held calls of one signal never take the places of another, neither of the process nor of a connection.

mod pool;

#[cfg(test)]
mod tests;

use penstock_otlp::Signal;
pub(crate) use pool::Pool;
use pool::{Lane, Turn};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

/// What a signal's held calls may send on one connection.
pub(crate) const SIGNAL_BYTES: usize = 8 << 20;
/// Above this a connection is not read. The rest is for what one read brings.
const CONNECTION_MARK: usize = SIGNAL_BYTES - (1 << 20);
/// What a held call takes besides its body: its state, its timer, its place in the queue.
const CALL_BYTES: usize = 4 << 10;

/// The places of one connection.
#[derive(Debug)]
pub(crate) struct Parking {
    pool: Arc<Pool>,
    /// By signal.
    parts: [Part; 3],
    /// Calls of one signal above which the connection is not read.
    calls: usize,
    /// Bodies that are being pulled.
    pulling: AtomicUsize,
}

/// One signal's part of a connection.
#[derive(Debug, Default)]
struct Part {
    bytes: AtomicUsize,
    calls: AtomicUsize,
    /// Calls of this signal have come.
    used: AtomicBool,
    /// Calls were held for the longest time, and there is still no room.
    spent: AtomicBool,
    turn: Arc<Turn>,
}

impl Part {
    fn held(&self) -> (usize, usize) {
        let bytes = self.bytes.load(Ordering::Relaxed);
        (bytes, self.calls.load(Ordering::Relaxed))
    }
}

/// One held call's place.
#[derive(Debug)]
pub(crate) struct Parked {
    parking: Arc<Parking>,
    signal: Signal,
    bytes: usize,
}

/// A body that is being pulled.
#[derive(Debug)]
pub(crate) struct Pulling<'a>(&'a Parking);

impl Parking {
    /// For a connection that holds up to `calls` calls of each signal.
    pub(crate) fn new(pool: &Arc<Pool>, calls: u32) -> Arc<Self> {
        Arc::new(Self {
            pool: Arc::clone(pool),
            parts: Default::default(),
            calls: calls as usize,
            pulling: AtomicUsize::new(0),
        })
    }

    /// A call of this signal has come.
    pub(crate) fn carries(&self, signal: Signal) {
        self.parts[signal.index()]
            .used
            .store(true, Ordering::Relaxed);
    }

    /// A place for a call whose sender may send `bytes`, if there is room.
    pub(crate) fn park(self: &Arc<Self>, signal: Signal, bytes: usize) -> Option<Parked> {
        let part = &self.parts[signal.index()];
        // Its calls run one at a time, in the connection's task.
        if part.bytes.load(Ordering::Relaxed) + bytes > SIGNAL_BYTES
            || !self.pool.signals[signal.index()].take(bytes + CALL_BYTES)
        {
            return None;
        }
        part.bytes.fetch_add(bytes, Ordering::Relaxed);
        part.calls.fetch_add(1, Ordering::Relaxed);
        Some(Parked {
            parking: Arc::clone(self),
            signal,
            bytes,
        })
    }

    /// A call was held for the longest time and is now refused.
    pub(crate) fn overdue(&self, signal: Signal) {
        let part = &self.parts[signal.index()];
        if !self.is_half_empty(part) {
            part.spent.store(true, Ordering::Relaxed);
        }
        self.pool.signals[signal.index()].overdue();
    }

    /// A body is pulled until this is dropped.
    pub(crate) fn pull(&self) -> Pulling<'_> {
        self.pulling.fetch_add(1, Ordering::Relaxed);
        Pulling(self)
    }

    /// Whether the connection may be read.
    pub(crate) fn poll_read(&self, cx: &Context<'_>) -> Poll<()> {
        if self.pulling.load(Ordering::Relaxed) > 0 {
            return Poll::Ready(());
        }
        let used = |part: &&Part| part.used.load(Ordering::Relaxed);
        let lane = match self.parts.iter().filter(used).count() {
            0 | 1 => Lane::Alone,
            _ => Lane::Mixed,
        };
        for (part, pool) in self.parts.iter().zip(&self.pool.signals) {
            if !used(&part) {
                continue;
            }
            // A full part's own calls make room, and the connection looks again when they have run.
            if self.is_full(part) || pool.poll_turn(lane, &part.turn, cx).is_pending() {
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }

    fn is_full(&self, part: &Part) -> bool {
        let (bytes, calls) = part.held();
        (bytes > CONNECTION_MARK || calls > self.calls) && !part.spent.load(Ordering::Relaxed)
    }

    fn is_half_empty(&self, part: &Part) -> bool {
        let (bytes, calls) = part.held();
        bytes < CONNECTION_MARK / 2 && calls <= self.calls / 2
    }
}

impl Drop for Parking {
    fn drop(&mut self) {
        for (part, pool) in self.parts.iter().zip(&self.pool.signals) {
            if part.used.load(Ordering::Relaxed) {
                pool.leave(&part.turn);
            }
        }
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        let part = &self.parking.parts[self.signal.index()];
        part.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        part.calls.fetch_sub(1, Ordering::Relaxed);
        if self.parking.is_half_empty(part) {
            part.spent.store(false, Ordering::Relaxed);
        }
        self.parking.pool.signals[self.signal.index()].give(self.bytes + CALL_BYTES);
    }
}

impl Drop for Pulling<'_> {
    fn drop(&mut self) {
        self.0.pulling.fetch_sub(1, Ordering::Relaxed);
    }
}
