//! What is said of an exporter and of items lost: counters, lines in the log, the exporter's health.

use super::Dispatcher;
use crate::backoff::Pass;
use crate::fate::{DropReason, RejectReason};
use crate::health::Condition;
use penstock_hop::Transport;

impl<T: Transport> Dispatcher<T> {
    fn condition(&self) -> &Condition {
        &self.blocks.readers()[self.reader].condition
    }

    /// An attempt failed; `closed` when that makes the exporter's batches wait.
    pub(super) fn tell_failed(&self, closed: bool, why: &str) {
        self.condition().error(why);
        if closed {
            self.condition().failing();
            tracing::warn!(signal = %self.blocks.signal, pipeline = %self.pipeline, exporter = %self.exporter,
                error = why, "exporter fails, its batches wait");
        }
    }

    /// The exporter has answered for good.
    pub(super) fn answered(&self, pass: Pass<'_>) {
        self.condition().answers();
        self.crowd.send_modify(|crowd| crowd.answers += 1);
        if pass.succeeded() {
            tracing::info!(signal = %self.blocks.signal, pipeline = %self.pipeline, exporter = %self.exporter,
                "exporter answers again");
        }
    }

    pub(super) fn tell_rejected(&self, reason: RejectReason, items: usize, why: &str) {
        self.condition().error(why);
        self.metrics().rejected(reason, items as u64);
        tracing::error!(signal = %self.blocks.signal, pipeline = %self.pipeline, exporter = %self.exporter,
            reason = reason.name(), items, error = %why, "items rejected");
    }

    /// Counts items that the books already have as dropped, and says so.
    pub(crate) fn tell_dropped(&self, reason: DropReason, items: u64, why: &str) {
        self.condition().error(why);
        self.metrics().dropped(reason, items);
        tracing::error!(signal = %self.blocks.signal, pipeline = %self.pipeline, exporter = %self.exporter,
            reason = reason.name(), items, error = %why, "items dropped");
    }
}
