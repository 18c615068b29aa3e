//! What every exporter shares: the hop's server side, settings, health, metrics, drain, limits, duplicate suppression.
//!
//! An exporter implements [`Exporter`] and calls [`run()`] from its `main`.
//!
//! *Invariant:* keeps no queue: it answers a batch when the backend has answered, and may be killed at any time.

mod args;
mod call;
mod connections;
mod duplicates;
mod health;
pub mod ledger;
mod message;
mod reply;
mod run;
pub mod server;

pub use ledger::Ledger;
pub use run::run;
pub use server::{Options, serve};

use bytes::Bytes;
use penstock_metrics::page::Section;
use penstock_otlp::Signal;
use penstock_otlp::join::join;
use penstock_tls::Watched;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

/// Every metric that all exporters expose, for its page in the docs and for tests.
#[must_use]
pub fn metrics() -> Section {
    Section {
        title: "Exporters",
        binary: "exporters",
        about: "`received = delivered + rejected + failed + duplicates` once nothing is in flight; `failed` was given back to the receiver, which sends it again. Also as JSON at `/ledger`.",
        metrics: ledger::METRICS,
    }
}

/// A batch to export: one valid request.
#[derive(Clone, Debug)]
pub struct ExportBatch {
    /// The signal.
    pub signal: Signal,
    /// The request, protobuf, in the pieces that it came in: an exporter that only passes it on need not copy it.
    pub chunks: Vec<Bytes>,
    /// Items in it.
    pub items: usize,
}

impl ExportBatch {
    /// The request in one piece, which is a copy if it came in several.
    #[must_use]
    pub fn body(&self) -> Bytes {
        join(&self.chunks)
    }
}

/// The backend said yes, save for `rejected` items.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exported {
    /// Items that the backend will never take.
    pub rejected: usize,
    /// Its words, if any.
    pub message: String,
}

/// Why a batch is not at the backend, by what the receiver should do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// Send it again, not before `after` if given.
    #[error("{reason}")]
    Retry {
        /// Wait at least this long.
        after: Option<Duration>,
        /// Why.
        reason: String,
    },
    /// Cut it and send the pieces.
    #[error("{reason}")]
    TooLarge {
        /// Why.
        reason: String,
    },
    /// It will never be taken.
    #[error("{reason}")]
    Rejected {
        /// Why.
        reason: String,
    },
}

/// An exporter: one async method over a batch.
pub trait Exporter: Send + Sync + 'static {
    /// Sends one batch to the backend and resolves with the backend's answer. Must end within the exporter's own
    /// time-out. A panic counts as [`ExportError::Retry`] and does not end the process.
    ///
    /// # Errors
    /// [`ExportError`] says what the receiver should do with the batch.
    ///
    /// # Cancel safety
    /// May be dropped at any time: the receiver then sends the batch again.
    fn export(
        &self,
        batch: &ExportBatch,
    ) -> impl Future<Output = Result<Exported, ExportError>> + Send;

    /// Answers another replica of this exporter, which called `name` ([`penstock_hop::Siblings`]); `None` when there is no
    /// such thing here. Must not wait for exports: those may wait for this.
    fn sibling(&self, name: &str, message: Bytes) -> impl Future<Output = Option<Bytes>> + Send {
        let _ = (name, message);
        async { None }
    }

    /// What it was made of that may change while it runs: certificates, tokens. They are looked at again and again.
    fn files(&self) -> Vec<Arc<dyn Watched>> {
        Vec::new()
    }

    /// Called once after the last batch, before the process ends.
    fn close(&self) -> impl Future<Output = ()> + Send {
        async {}
    }
}
