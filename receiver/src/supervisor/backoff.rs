//! When a worker is started that takes the place of a dead one.

use std::time::Duration;

#[cfg(test)]
mod tests;

/// A worker that served this long does not die of how it starts.
const STEADY: Duration = Duration::from_secs(1);
/// Pause before the third of workers that die at once. The second comes without one: a sender waits.
const FIRST: Duration = Duration::from_millis(100);
/// Longest pause.
const LONGEST: Duration = Duration::from_secs(10);

/// Counts workers that died soon after they had started.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    in_a_row: u32,
}

impl Backoff {
    /// The pause after the end of a worker that had served this long; `None` if it never did.
    pub(super) fn after(&mut self, served: Option<Duration>) -> Duration {
        if served.is_some_and(|served| served >= STEADY) {
            self.in_a_row = 0;
        }
        let pause = match self.in_a_row {
            0 => Duration::ZERO,
            deaths => FIRST.saturating_mul(1 << (deaths - 1).min(16)).min(LONGEST),
        };
        self.in_a_row += 1;
        pause
    }
}
