//! What a connection is doing: bytes, calls, silence.
//!
//! *Invariant:* a call counts as long as its [`InCall`] lives.

use super::{Life, Over};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

/// Shared by a connection's stream, its service and its owner.
#[derive(Clone, Debug)]
pub(crate) struct Activity {
    opened: Instant,
    state: Arc<watch::Sender<State>>,
    http1: Arc<AtomicBool>,
    close_after_answer: Arc<AtomicBool>,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    in_flight: usize,
    called: bool,
    /// Bytes have come since the last call ended.
    bytes: bool,
}

/// A call in flight.
#[derive(Debug)]
pub(crate) struct InCall(Activity);

impl Activity {
    /// Of a connection that was accepted at `opened`.
    pub(crate) fn new(opened: Instant) -> Self {
        Self {
            opened,
            state: Arc::new(watch::Sender::new(State::default())),
            http1: Arc::default(),
            close_after_answer: Arc::default(),
        }
    }

    /// Bytes have come in.
    pub(super) fn bytes(&self) {
        self.state.send_if_modified(|state| {
            let first = state.in_flight == 0 && !state.bytes;
            state.bytes |= first;
            first
        });
    }

    /// A call begins.
    pub(crate) fn call(&self, http1: bool) -> InCall {
        if http1 {
            self.http1.store(true, Ordering::Relaxed);
        }
        self.state.send_modify(|state| {
            state.in_flight += 1;
            state.called = true;
        });
        InCall(self.clone())
    }

    pub(super) fn is_http1(&self) -> bool {
        self.http1.load(Ordering::Relaxed)
    }

    pub(super) fn has_called(&self) -> bool {
        self.state.borrow().called
    }

    pub(super) async fn first_call(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        let _called = self
            .state
            .subscribe()
            .wait_for(|state| state.called)
            .await
            .is_ok();
    }

    /// From now on answers say that the connection ends with them.
    pub(super) fn close_after_answer(&self) {
        self.close_after_answer.store(true, Ordering::Relaxed);
    }

    /// Whether an answer has to say so.
    pub(crate) fn closes_after_answer(&self) -> bool {
        self.close_after_answer.load(Ordering::Relaxed)
    }

    /// Resolves when nothing has happened for longer than `life` allows; tells whether it was too slow to begin
    /// ([`Over::Stuck`]) or has no more to say ([`Over::Idle`]).
    pub(super) async fn quiet(&self, life: &Life) -> Over {
        let mut states = self.state.subscribe();
        loop {
            let state = *states.borrow_and_update();
            let silent = !state.bytes;
            let in_head = state.bytes && self.is_http1();
            let changed = states.changed();
            if state.in_flight > 0 {
                drop(changed.await);
                continue;
            }
            let (limit, over) = if !state.called {
                // From the beginning: bytes that trickle in gain nothing.
                let limit = if silent { life.first_byte } else { life.head };
                (limit.saturating_sub(self.opened.elapsed()), Over::Stuck)
            } else if in_head {
                (life.head, Over::Stuck)
            } else {
                (life.idle, Over::Idle)
            };
            if timeout(limit, changed).await.is_err() {
                return over;
            }
        }
    }
}

impl Drop for InCall {
    fn drop(&mut self) {
        self.0.state.send_modify(|state| {
            state.in_flight -= 1;
            state.bytes = false;
        });
    }
}
