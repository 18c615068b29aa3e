//! Giving a batch to another receiver, when this one has to end.

use super::{Dispatcher, End};
use penstock_hop::{Batch, Outcome, Transport};
use std::time::Duration;
use tokio::time::sleep;

/// Pauses between tries to hand over: little time is left.
const HAND_OVER_PAUSES: [Duration; 3] = [
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_secs(1),
];

impl<T: Transport> Dispatcher<T> {
    /// Gives a batch to another receiver, as long as there is time.
    pub(super) async fn give_away(&self, other: &T, batch: &Batch) -> End {
        let mut pauses = HAND_OVER_PAUSES.iter();
        let mut pause = Duration::ZERO;
        let mut attempt = 1;
        loop {
            let outcome = other.send(batch, attempt).await;
            attempt = attempt.saturating_add(1);
            pause = pauses.next().copied().unwrap_or(pause);
            match outcome {
                Outcome::Delivered { rejected, message } => {
                    return End::Delivered {
                        rejected,
                        message,
                        handed_over: true,
                    };
                }
                Outcome::TooLarge { reason } if batch.items > 1 => {
                    return End::TooLarge {
                        why: reason,
                        handed_over: true,
                    };
                }
                // No answer of a receiver makes an item lost, and the next one may be of another mind.
                Outcome::Rejected { reason } | Outcome::TooLarge { reason } => {
                    tracing::warn!(exporter = %self.exporter, error = %reason, "batch not handed over");
                    sleep(pause).await;
                }
                Outcome::Retry { after, reason } => {
                    tracing::debug!(exporter = %self.exporter, error = %reason, "batch not handed over");
                    sleep(after.map_or(pause, |after| after.max(pause))).await;
                }
                Outcome::Unreached { after, reason } => {
                    tracing::debug!(exporter = %self.exporter, error = %reason, "batch not handed over");
                    sleep(after.max(pause)).await;
                }
            }
        }
    }
}
