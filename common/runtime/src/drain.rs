//! The way from running to stopped: named phases and one absolute deadline.
//!
//! *Invariant:* phases only go forward. The deadline is set once, when draining begins; it may come nearer, never later.

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
    /// What the exporters have not taken goes to another process, where one is configured.
    HandingOver,
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
            Self::HandingOver => "handing over",
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
                let left = state.1.map(remaining).unwrap_or_default();
                tracing::info!(phase = phase.name(), left = ?left, "drain phase");
            }
            forward
        });
    }

    /// Brings the deadline nearer, to `within` from now; a later one is ignored, and so is one before draining.
    pub fn hasten(&self, within: Duration) {
        self.state.send_if_modified(|state| {
            let nearer = Instant::now() + within;
            let sooner = state.1.is_some_and(|deadline| nearer < deadline);
            if sooner {
                state.1 = Some(nearer);
            }
            sooner
        });
    }

    /// Resolves when `phase` (or a later one) has begun.
    pub async fn reached(&self, phase: Phase) {
        let mut receiver = self.state.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let _reached = receiver.wait_for(|state| state.0 >= phase).await.is_ok();
    }

    /// The time until the deadline: none once it has passed, and none before draining has begun.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.deadline().map_or(Duration::ZERO, remaining)
    }

    /// Resolves at the deadline. Never resolves before draining has begun.
    pub async fn expired(&self) {
        let mut receiver = self.state.subscribe();
        loop {
            let deadline = receiver.borrow_and_update().1;
            let over = async {
                match deadline {
                    Some(deadline) => tokio::time::sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = over => return,
                // The sender lives in `self`, so there is always more to come.
                _ = receiver.changed() => {}
            }
        }
    }
}

fn remaining(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}
