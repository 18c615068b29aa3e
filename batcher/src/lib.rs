//! Right of the ack: the log, one cursor per exporter, batches, dispatch, and the ledger that accounts for every item.
//!
//! ```text
//! append ─▶ log (blocks) ─▶ cursor: run of blocks ─▶ batch ─▶ dispatch ─▶ Transport
//!                 ▲                                              │
//!                 └── settle: watermark goes on, bytes return ◀──┘
//! ```
//!
//! *Invariant:* what [`Log::append`] has acked leaves the log only as delivered, rejected or dropped, each counted.
//! Knows no transport but the [`penstock_hop::Transport`] it is given.

mod backoff;
mod batch;
mod cursor;
pub mod dead_letter;
mod dispatch;
mod fate;
pub mod health;
pub mod ledger;
pub mod log;
mod metrics;

#[cfg(test)]
mod tests;

pub use dead_letter::DeadLetters;
pub use ledger::Ledger;
pub use log::{Budgets, Log, LogOptions, OpenError};
pub use metrics::METRICS;

use penstock_hop::Transport;
use penstock_settings::{Batch, QueueLimit, Retry};
use std::sync::Arc;

/// One exporter of one pipeline, as the log feeds it.
#[derive(Debug)]
pub struct CursorSettings<T: Transport> {
    /// The pipeline's id, `traces` or `traces/2`.
    pub pipeline: String,
    /// The exporter's id, `otlp/tempo`.
    pub exporter: String,
    /// When a batch goes.
    pub batch: Batch,
    /// What happens after a failure.
    pub retry: Retry,
    /// Batches in flight at once; at least one.
    pub in_flight: usize,
    /// What may be held unread; beyond it the oldest is dropped. Without one the log holds all it has room for.
    pub queue_limit: Option<QueueLimit>,
    /// Where batches go.
    pub transport: Arc<T>,
    /// Where they go instead once the drain hands over.
    pub hand_over: Option<Arc<T>>,
    /// Where rejected items are kept.
    pub dead_letters: Option<Arc<DeadLetters>>,
}

impl<T: Transport> Clone for CursorSettings<T> {
    fn clone(&self) -> Self {
        Self {
            pipeline: self.pipeline.clone(),
            exporter: self.exporter.clone(),
            batch: self.batch.clone(),
            retry: self.retry.clone(),
            in_flight: self.in_flight,
            queue_limit: self.queue_limit,
            transport: Arc::clone(&self.transport),
            hand_over: self.hand_over.clone(),
            dead_letters: self.dead_letters.clone(),
        }
    }
}
