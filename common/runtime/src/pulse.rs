//! Whether a runtime still runs its tasks: one of them says so every now and then.
//!
//! A runtime whose thread loops or waits for something that never comes serves nobody, and no error shows it. Only a new
//! process helps.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep};

#[cfg(test)]
mod tests;

/// Between two beats.
const BEAT: Duration = Duration::from_secs(5);
/// Silence after which a runtime counts as hung. Long: whoever asks ends the process then, and a disk that is slow for a
/// while, or a machine that stood still, must not.
pub const HUNG: Duration = Duration::from_secs(60);

/// The pulse of one runtime. Clones are the same pulse.
#[derive(Clone, Debug)]
pub struct Pulse(Arc<Mutex<Instant>>);

impl Pulse {
    /// A pulse that has just beaten.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    /// Beats, without end: a task of the runtime.
    pub async fn beat(self) {
        loop {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            sleep(BEAT).await;
        }
    }

    /// For how long the runtime has run nothing, when it counts as hung.
    #[must_use]
    pub fn hung(&self) -> Option<Duration> {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let silence = last.elapsed();
        (silence >= HUNG).then_some(silence)
    }
}

impl Default for Pulse {
    fn default() -> Self {
        Self::new()
    }
}
