//! The way from running to stopped: named phases and one absolute deadline.
//!
//! *Invariant:* phases only go forward, and the deadline is set once, when draining begins.

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

#[cfg(test)]
mod tests;

/// Where a process is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Taking work.
    Running,
    /// Not ready; peers are told to go away, calls in flight are finished.
    Closing,
    /// Nothing new comes in: what is held is flushed and delivered.
    Flushing,
    /// All that could be done is done.
    Stopped,
}

impl Phase {
    /// The phase in lower case, for logs and status pages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Closing => "closing",
            Self::Flushing => "flushing",
            Self::Stopped => "stopped",
        }
    }
}

/// A shared view of the phase. Clones are the same drain.
#[derive(Clone, Debug)]
pub struct Drain {
    state: Arc<watch::Sender<(Phase, Option<Instant>)>>,
}

impl Default for Drain {
    fn default() -> Self {
        Self::new()
    }
}

impl Drain {
    /// Running, without a deadline.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: Arc::new(watch::Sender::new((Phase::Running, None))),
        }
    }

    /// The phase now.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.state.borrow().0
    }

    /// The deadline, once draining has begun.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.state.borrow().1
    }

    /// Begins to drain: [`Phase::Closing`] with a deadline of `within` from now. Later calls change nothing.
    pub fn begin(&self, within: Duration) {
        self.state.send_if_modified(|state| {
            let first = state.0 == Phase::Running;
            if first {
                *state = (Phase::Closing, Some(Instant::now() + within));
                tracing::info!(phase = Phase::Closing.name(), within = ?within, "drain phase");
            }
            first
        });
    }

    /// Goes forward to `phase`; going back is ignored.
    pub fn enter(&self, phase: Phase) {
        self.state.send_if_modified(|state| {
            let forward = phase > state.0;
            if forward {
                state.0 = phase;
                tracing::info!(phase = phase.name(), "drain phase");
            }
            forward
        });
    }

    /// Resolves when `phase` (or a later one) has begun.
    pub async fn reached(&self, phase: Phase) {
        let mut receiver = self.state.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let _reached = receiver.wait_for(|state| state.0 >= phase).await.is_ok();
    }

    /// Resolves at the deadline. Never resolves before draining has begun.
    pub async fn expired(&self) {
        self.reached(Phase::Closing).await;
        match self.deadline() {
            Some(deadline) => tokio::time::sleep_until(deadline).await,
            None => std::future::pending().await,
        }
    }
}
