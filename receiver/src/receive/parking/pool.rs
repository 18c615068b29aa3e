//! The places of the process, by signal, and the turns of connections that wait to be read.
//!
//! *Invariant:* no more than the limit is taken; a turn is never lost: whoever is called and may be read calls the next, and one
//! that goes away passes its turn on.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::time::Instant;

/// A signal's part of its memory budget, and no less than for the calls that a sidecar may have in flight, 1024 of 4.4 kB.
const POOL_PART: usize = 4;
const POOL_LEAST: usize = 10 << 20;
/// Held calls do not get on when none has left for so long.
const STILL: Duration = Duration::from_millis(250);

/// The places of all signals in the process.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(super) signals: [SignalPool; 3],
}

/// The places of one signal.
#[derive(Debug)]
pub(super) struct SignalPool {
    pub(super) limit: usize,
    /// Nobody waits and no mark is reached: the usual case, seen without the lock.
    calm: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    used: usize,
    /// When a held call left last.
    moved: Option<Instant>,
    /// Calls were held for the longest time, and there is still no room.
    spent: bool,
    /// Connections that wait to be read, by lane.
    queues: [VecDeque<(Arc<Turn>, Waker)>; 2],
}

/// What a connection brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    /// One signal.
    Alone,
    /// Several.
    Mixed,
}

const LANES: [Lane; 2] = [Lane::Alone, Lane::Mixed];

/// Where a connection stands with one signal; changed under the pool's lock.
#[derive(Debug, Default)]
pub(super) struct Turn {
    queued: AtomicBool,
    /// Taken from the queue, and woken.
    called: AtomicBool,
}

impl Pool {
    /// The pool beside the memory budgets of the signals.
    pub(crate) fn beside(budgets: [usize; 3]) -> Arc<Self> {
        Arc::new(Self {
            signals: budgets.map(|bytes| SignalPool {
                limit: (bytes / POOL_PART).max(POOL_LEAST),
                calm: AtomicBool::new(true),
                state: Mutex::default(),
            }),
        })
    }

    /// Bytes of held calls, with what they may still send.
    pub(crate) fn used(&self) -> usize {
        let used = self.signals.iter().map(|signal| signal.lock().used);
        used.sum()
    }

    /// Connections that wait for their turn to be read.
    pub(crate) fn waiting(&self) -> usize {
        let queues = self.signals.iter().map(|signal| {
            let state = signal.lock();
            state.queues.iter().map(VecDeque::len).sum::<usize>()
        });
        queues.sum()
    }
}

impl SignalPool {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn mark(&self, lane: Lane) -> usize {
        match lane {
            Lane::Alone => self.limit / 16,
            Lane::Mixed => self.limit - self.limit / 8,
        }
    }

    fn is_open(&self, state: &State, lane: Lane) -> bool {
        let still = || state.moved.is_none_or(|moved| moved.elapsed() >= STILL);
        state.spent
            || state.used < self.mark(lane)
            || (state.used < self.mark(Lane::Mixed) && still())
    }

    /// So little is held that nobody has to be refused.
    fn is_easy(&self, state: &State) -> bool {
        state.used < self.mark(Lane::Alone) / 2
    }

    /// Takes bytes, if they are there.
    pub(super) fn take(&self, bytes: usize) -> bool {
        let mut state = self.lock();
        if state.used + bytes > self.limit {
            return false;
        }
        state.used += bytes;
        self.look(&state);
        true
    }

    pub(super) fn give(&self, bytes: usize) {
        let mut state = self.lock();
        let were_open = LANES.map(|lane| self.is_open(&state, lane));
        state.used -= bytes;
        state.moved = Some(Instant::now());
        state.spent &= !self.is_easy(&state);
        for (lane, was_open) in LANES.into_iter().zip(were_open) {
            if !was_open && self.is_open(&state, lane) {
                state.call_next(lane);
            }
        }
        self.look(&state);
    }

    pub(super) fn overdue(&self) {
        let mut state = self.lock();
        state.spent |= !self.is_easy(&state);
        if state.spent {
            for lane in LANES {
                state.call_next(lane);
            }
        }
        self.look(&state);
    }

    /// Whether a connection may be read. One that may calls the next, and so on until the mark is reached.
    pub(super) fn poll_turn(&self, lane: Lane, turn: &Arc<Turn>, cx: &Context<'_>) -> Poll<()> {
        if self.calm.load(Ordering::Relaxed) {
            return Poll::Ready(());
        }
        let mut state = self.lock();
        let called = turn.called.load(Ordering::Relaxed);
        let open = self.is_open(&state, lane);
        let queue = &mut state.queues[lane as usize];
        let first = queue
            .front()
            .is_none_or(|(front, _)| Arc::ptr_eq(front, turn));
        let pass = open && (called || first);
        if pass {
            turn.called.store(false, Ordering::Relaxed);
            if turn.queued.swap(false, Ordering::Relaxed) {
                queue.retain(|(other, _)| !Arc::ptr_eq(turn, other));
            }
        } else if !turn.queued.swap(true, Ordering::Relaxed) {
            let place = (Arc::clone(turn), cx.waker().clone());
            if called {
                // Somebody was faster.
                queue.push_front(place);
            } else {
                queue.push_back(place);
            }
            turn.called.store(false, Ordering::Relaxed);
        }
        if open {
            state.call_next(lane);
        }
        self.look(&state);
        if pass { Poll::Ready(()) } else { Poll::Pending }
    }

    /// The connection is gone.
    pub(super) fn leave(&self, turn: &Arc<Turn>) {
        let mut state = self.lock();
        if turn.queued.load(Ordering::Relaxed) {
            for queue in &mut state.queues {
                queue.retain(|(other, _)| !Arc::ptr_eq(turn, other));
            }
        }
        if turn.called.load(Ordering::Relaxed) {
            for lane in LANES {
                if self.is_open(&state, lane) {
                    state.call_next(lane);
                }
            }
        }
        self.look(&state);
    }

    fn look(&self, state: &State) {
        let nobody_waits = state.queues.iter().all(VecDeque::is_empty);
        let calm = nobody_waits && state.used < self.mark(Lane::Alone);
        self.calm.store(calm, Ordering::Relaxed);
    }
}

impl State {
    fn call_next(&mut self, lane: Lane) {
        if let Some((turn, waker)) = self.queues[lane as usize].pop_front() {
            turn.queued.store(false, Ordering::Relaxed);
            turn.called.store(true, Ordering::Relaxed);
            waker.wake();
        }
    }
}
