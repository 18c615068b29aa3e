//! The exporter's ledger: what became of every item it received.
//!
//! *Invariant:* when nothing is in flight, `received = delivered + rejected + failed + duplicates` for each signal.
//! `failed` was told to come again, so the same item may be received and counted more than once here; the receiver's
//! ledger is the one that counts each item once.

use crate::health::Health;
use crate::{ExportError, Exported};
use metrics::{Counter, Gauge, counter, gauge};
use penstock_metrics::{Metric, Unit, describe, otelcol};
use penstock_otlp::Signal;
use penstock_runtime::Drain;
use penstock_telemetry::admin::{Page, Query};
use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(test)]
mod tests;

const ITEMS: &[&str] = &["signal", "exporter"];
const RECEIVED: Metric = Metric::counter(
    "penstock_export_received_items_total",
    Unit::Items,
    ITEMS,
    "Items in valid batches.",
);
const DELIVERED: Metric = Metric::counter(
    "penstock_export_delivered_items_total",
    Unit::Items,
    ITEMS,
    "Items that the backend has.",
);
const REJECTED: Metric = Metric::counter(
    "penstock_export_rejected_items_total",
    Unit::Items,
    ITEMS,
    "Items that the backend will never take. The receiver cuts such a batch in search of what is bad in it, so items may be counted more than once: its ledger has the exact number.",
);
const FAILED: Metric = Metric::counter(
    "penstock_export_failed_items_total",
    Unit::Items,
    ITEMS,
    "Items given back to the receiver, which sends them again.",
);
const DUPLICATES: Metric = Metric::counter(
    "penstock_export_duplicate_items_total",
    Unit::Items,
    ITEMS,
    "Items answered from memory: delivered before, or under way.",
);
const MALFORMED: Metric = Metric::counter(
    "penstock_export_malformed_batches_total",
    Unit::One,
    &["signal", "exporter", "reason"],
    "Batches that were not valid OTLP, by the fault of the wire format.",
);
const IN_FLIGHT: Metric = Metric::gauge(
    "penstock_export_batches_in_flight",
    Unit::One,
    &["exporter"],
    "Batches being exported.",
);
const PANICS: Metric = Metric::counter(
    "penstock_export_panics_total",
    Unit::One,
    &["exporter"],
    "Panics while exporting; the batch is sent again.",
);

/// All of them.
pub const METRICS: &[Metric] = &[
    RECEIVED, DELIVERED, REJECTED, FAILED, DUPLICATES, MALFORMED, IN_FLIGHT, PANICS,
];

/// Counts of one exporter process, also exposed as metrics.
#[derive(Debug)]
pub struct Ledger {
    exporter: String,
    signals: [Counts; 3],
    in_flight: [Gauge; 2],
    panics: Counter,
    health: Health,
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
        describe(METRICS);
        describe(otelcol::EXPORTERS.iter().copied().flatten());
        let label = || exporter.to_owned();
        let gauge = |name| gauge!(name, "exporter" => label());
        Self {
            exporter: label(),
            signals: Signal::ALL.map(|signal| Counts::new(signal, exporter)),
            in_flight: [IN_FLIGHT.name, otelcol::EXPORTER_IN_FLIGHT.name].map(gauge),
            panics: counter!(PANICS.name, "exporter" => label()),
            health: Health::default(),
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
            MALFORMED.name,
            "signal" => signal.name(), "exporter" => self.exporter.clone(), "reason" => reason
        )
        .increment(1);
    }

    pub(crate) fn panicked(&self) {
        self.panics.increment(1);
    }

    /// `/healthz`.
    pub(crate) fn health(&self, drain: &Drain, query: &Query) -> Page {
        self.health.page(&self.exporter, drain, query)
    }

    pub(crate) fn begin(&self) {
        self.health.begin();
        self.in_flight.iter().for_each(|gauge| gauge.increment(1));
    }

    pub(crate) fn end(&self, signal: Signal, items: usize, result: &Result<Exported, ExportError>) {
        self.health.end(result);
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
        self.in_flight.iter().for_each(|gauge| gauge.decrement(1));
    }
}

impl Counts {
    fn new(signal: Signal, exporter: &str) -> Self {
        let at = signal.index();
        let count = |metric, alias| Count::new(metric, alias, signal, exporter);
        Self {
            received: count(RECEIVED, None),
            delivered: count(DELIVERED, Some(otelcol::EXPORTER_SENT[at])),
            // What the receiver sends again is in neither.
            rejected: count(REJECTED, Some(otelcol::EXPORTER_SEND_FAILED[at])),
            failed: count(FAILED, None),
            duplicates: count(DUPLICATES, None),
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
    fn new(metric: Metric, alias: Option<Metric>, signal: Signal, exporter: &str) -> Self {
        let label = || exporter.to_owned();
        Self {
            value: AtomicU64::new(0),
            counter: counter!(metric.name, "signal" => signal.name(), "exporter" => label()),
            alias: alias.map(|alias| counter!(alias.name, "exporter" => label())),
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
