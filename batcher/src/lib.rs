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
mod dispatch;
mod fate;
pub mod ledger;
pub mod log;
mod metrics;

#[cfg(test)]
mod tests;

pub use ledger::Ledger;
pub use log::Log;

use penstock_hop::Transport;
use penstock_settings::{Batch, Retry};
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
    /// Where batches go.
    pub transport: Arc<T>,
}
