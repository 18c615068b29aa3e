//! Budgets against floods: frames that cost us and bring nothing are paid for by finished calls and by time.
//!
//! *Invariant:* a peer that finishes calls, or is slow, never runs out; one that only makes noise does.

use tokio::time::Instant;

/// What a finished call gives back to the control budget: about what a busy client spends on it.
const CONTROL_PER_CALL: u32 = 4;
/// What a second gives back, to each budget.
const PER_SECOND: u32 = 10;

/// The budget is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exhausted;

/// One budget: what is left, and how it fills.
#[derive(Debug)]
struct Bucket {
    left: u32,
    max: u32,
}

impl Bucket {
    fn add(&mut self, amount: u32) {
        self.left = self.left.saturating_add(amount).min(self.max);
    }
}

/// Both budgets of a connection.
#[derive(Debug)]
pub(crate) struct Budget {
    control: Bucket,
    resets: Bucket,
    filled: Instant,
}

impl Budget {
    pub(crate) fn new(control: u32, resets: u32, now: Instant) -> Self {
        Self {
            control: Bucket {
                left: control,
                max: control,
            },
            resets: Bucket {
                left: resets,
                max: resets,
            },
            filled: now,
        }
    }

    /// A frame that is only overhead.
    pub(crate) fn control(&mut self, now: Instant) -> Result<(), Exhausted> {
        self.spend(now, |budget| &mut budget.control)
    }

    /// A stream that ended without an answer by the peer's doing.
    pub(crate) fn reset(&mut self, now: Instant) -> Result<(), Exhausted> {
        self.spend(now, |budget| &mut budget.resets)
    }

    /// A call was answered.
    pub(crate) fn call_done(&mut self) {
        self.control.add(CONTROL_PER_CALL);
        self.resets.add(1);
    }

    fn spend(
        &mut self,
        now: Instant,
        bucket: impl Fn(&mut Self) -> &mut Bucket,
    ) -> Result<(), Exhausted> {
        if bucket(self).left == 0 {
            // Whole seconds only, so that asking often does not lose fractions.
            let seconds = u32::try_from((now - self.filled).as_secs()).unwrap_or(u32::MAX);
            let amount = seconds.saturating_mul(PER_SECOND);
            self.control.add(amount);
            self.resets.add(amount);
            if seconds > 0 {
                self.filled = now;
            }
        }
        let bucket = bucket(self);
        bucket.left = bucket.left.checked_sub(1).ok_or(Exhausted)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
