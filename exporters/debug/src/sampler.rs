//! Which batches are printed when there are many: the first some of each second, then every n-th.
//!
//! *Invariant:* signals are counted apart, so a flood of one hides no other.

use penstock_otlp::Signal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

#[cfg(test)]
mod tests;

const TICK: Duration = Duration::from_secs(1);

/// `sampling_initial` and `sampling_thereafter`.
#[derive(Debug)]
pub(crate) struct Sampler {
    initial: u32,
    thereafter: u32,
    windows: Mutex<[Option<Window>; 3]>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    since: Instant,
    seen: u32,
}

impl Sampler {
    pub(crate) fn new(initial: u32, thereafter: u32) -> Self {
        Self {
            initial,
            thereafter,
            windows: Mutex::default(),
        }
    }

    /// Whether to print this batch. With a `thereafter` of 0 nothing follows the first ones.
    pub(crate) fn admits(&self, signal: Signal, now: Instant) -> bool {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        let window = windows[signal.index()]
            .filter(|window| now.duration_since(window.since) < TICK)
            .unwrap_or(Window {
                since: now,
                seen: 0,
            });
        let seen = window.seen.saturating_add(1);
        windows[signal.index()] = Some(Window { seen, ..window });
        seen <= self.initial
            || (self.thereafter > 0 && (seen - self.initial).is_multiple_of(self.thereafter))
    }
}
