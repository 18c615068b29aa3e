//! How each exporter is: whether it answers, what it last said when it did not, how long the oldest item has waited.
//!
//! *Invariant:* tells; nothing is decided by it.

use serde::Serialize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

#[cfg(test)]
mod tests;

/// Most bytes of an error that are kept.
const MAX_ERROR: usize = 512;

/// Whether an exporter answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It took what was last sent, or nothing was sent yet.
    #[default]
    Ok,
    /// Batches wait for it.
    Failing,
}

/// One exporter of one pipeline.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Health {
    /// `traces`, `metrics`, `logs`.
    pub signal: String,
    /// Pipeline id.
    pub pipeline: String,
    /// Exporter id.
    pub exporter: String,
    /// Whether it answers; failing as soon as one shard says so.
    pub state: State,
    /// Since when it fails, in seconds.
    pub failing_seconds: Option<f64>,
    /// Why the last batch was not taken, whatever came of it, since the process began.
    pub last_error: Option<String>,
    /// When that was, in seconds.
    pub last_error_seconds_ago: Option<f64>,
    /// Age of the oldest item that it has not got, in seconds; 0 when it has all.
    pub oldest_held_seconds: f64,
    /// Items that it has not got.
    pub held: u64,
}

/// What one cursor knows of its exporter.
#[derive(Debug, Default)]
pub(crate) struct Condition(Mutex<Known>);

#[derive(Clone, Debug, Default)]
struct Known {
    failing: Option<Instant>,
    error: Option<(Instant, String)>,
}

impl Condition {
    /// A batch was not taken.
    pub(crate) fn error(&self, why: &str) {
        let why = why[..why.floor_char_boundary(MAX_ERROR)].to_owned();
        self.known().error = Some((Instant::now(), why));
    }

    /// Batches wait from now on.
    pub(crate) fn failing(&self) {
        self.known().failing.get_or_insert_with(Instant::now);
    }

    /// The exporter answers.
    pub(crate) fn answers(&self) {
        self.known().failing = None;
    }

    /// Adds what this cursor knows to what others of the exporter do.
    pub(crate) fn tell(&self, health: &mut Health, now: Instant) {
        let known = self.known().clone();
        let ago = |then: Instant| now.saturating_duration_since(then).as_secs_f64();
        if let Some(since) = known.failing {
            let seconds = health.failing_seconds.unwrap_or_default().max(ago(since));
            health.state = State::Failing;
            health.failing_seconds = Some(seconds);
        }
        if let Some((at, why)) = known.error
            && health
                .last_error_seconds_ago
                .is_none_or(|earlier| ago(at) < earlier)
        {
            health.last_error_seconds_ago = Some(ago(at));
            health.last_error = Some(why);
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
