//! The exporter's ledger: what became of every item it received.
//!
//! *Invariant:* when nothing is in flight, `received = delivered + rejected + failed + duplicates` for each signal.
//! `failed` was told to come again, so the same item may be received and counted more than once here; the receiver's
//! ledger is the one that counts each item once.

use crate::aliases::alias;
use crate::{ExportError, Exported};
use metrics::{Counter, Gauge, counter, gauge};
use penstock_otlp::Signal;
use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(test)]
mod tests;

/// Counts of one exporter process, also exposed as metrics.
#[derive(Debug)]
pub struct Ledger {
    exporter: String,
    signals: [Counts; 3],
    in_flight: Gauge,
    panics: Counter,
}

#[derive(Debug)]
struct Counts {
    received: Count,
    delivered: Count,
    rejected: Count,
    failed: Count,
    duplicates: Count,
}

/// One line of the ledger: the counts of one signal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// `traces`, `metrics`, `logs`.
    pub signal: &'static str,
    /// The exporter's id.
    pub exporter: String,
    /// Items of all valid batches.
    pub received: u64,
    /// The backend said yes.
    pub delivered: u64,
    /// The backend will never take them.
    pub rejected: u64,
    /// The receiver was told to send them again, whole or in pieces.
    pub failed: u64,
    /// Answered without asking the backend: the batch was delivered or under way already.
    pub duplicates: u64,
}

impl Line {
    /// The law, for when nothing is in flight.
    #[must_use]
    pub fn balances(&self) -> bool {
        self.received == self.delivered + self.rejected + self.failed + self.duplicates
    }
}

impl Ledger {
    /// An empty ledger for the exporter with this id.
    #[must_use]
    pub fn new(exporter: &str) -> Self {
        let label = || exporter.to_owned();
        Self {
            exporter: label(),
            signals: Signal::ALL.map(|signal| Counts::new(signal, exporter)),
            in_flight: gauge!("penstock_export_batches_in_flight", "exporter" => label()),
            panics: counter!("penstock_export_panics_total", "exporter" => label()),
        }
    }

    /// One line per signal, in the order of [`Signal::ALL`].
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        let line = |signal: Signal| {
            let counts = &self.signals[signal.index()];
            Line {
                signal: signal.name(),
                exporter: self.exporter.clone(),
                // Read last: what happens meanwhile makes the ledger short of fates, never of items.
                duplicates: counts.duplicates.get(),
                failed: counts.failed.get(),
                rejected: counts.rejected.get(),
                delivered: counts.delivered.get(),
                received: counts.received.get(),
            }
        };
        Signal::ALL.map(line).into()
    }

    /// The lines as JSON.
    #[must_use]
    pub fn json(&self) -> String {
        // Numbers and names only: it has a JSON form.
        serde_json::to_string(&self.lines()).unwrap_or_default()
    }

    pub(crate) fn received(&self, signal: Signal, items: usize) {
        self.signals[signal.index()].received.add(items);
    }

    pub(crate) fn duplicate(&self, signal: Signal, items: usize) {
        self.signals[signal.index()].duplicates.add(items);
    }

    pub(crate) fn malformed(&self, signal: Signal, reason: &'static str) {
        counter!(
            "penstock_export_malformed_batches_total",
            "signal" => signal.name(), "exporter" => self.exporter.clone(), "reason" => reason
        )
        .increment(1);
    }

    pub(crate) fn panicked(&self) {
        self.panics.increment(1);
    }

    pub(crate) fn begin(&self) {
        self.in_flight.increment(1);
    }

    pub(crate) fn end(&self, signal: Signal, items: usize, result: &Result<Exported, ExportError>) {
        let counts = &self.signals[signal.index()];
        match result {
            Ok(exported) => {
                counts.rejected.add(exported.rejected);
                counts.delivered.add(items - exported.rejected);
            }
            Err(ExportError::Rejected { .. }) => counts.rejected.add(items),
            Err(ExportError::Retry { .. } | ExportError::TooLarge { .. }) => {
                counts.failed.add(items);
            }
        }
        self.in_flight.decrement(1);
    }
}

impl Counts {
    fn new(signal: Signal, exporter: &str) -> Self {
        let count = |name| Count::new(name, signal, exporter);
        Self {
            received: count("penstock_export_received_items_total"),
            delivered: count("penstock_export_delivered_items_total"),
            rejected: count("penstock_export_rejected_items_total"),
            failed: count("penstock_export_failed_items_total"),
            duplicates: count("penstock_export_duplicate_items_total"),
        }
    }
}

#[derive(Debug)]
struct Count {
    value: AtomicU64,
    counter: Counter,
    alias: Option<Counter>,
}

impl Count {
    fn new(name: &'static str, signal: Signal, exporter: &str) -> Self {
        let label = || exporter.to_owned();
        Self {
            value: AtomicU64::new(0),
            counter: counter!(name, "signal" => signal.name(), "exporter" => label()),
            alias: alias(name, signal).map(|alias| counter!(alias, "exporter" => label())),
        }
    }

    fn add(&self, items: usize) {
        let items = u64::try_from(items).unwrap_or(u64::MAX);
        self.value.fetch_add(items, Ordering::Relaxed);
        self.counter.increment(items);
        if let Some(alias) = &self.alias {
            alias.increment(items);
        }
    }

    fn get(&self) -> u64 {
        self.value.load(Ordering::Relaxed)
    }
}
