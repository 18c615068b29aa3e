//! The dead letters' metrics.

use ::metrics::{Counter, Gauge, counter, gauge};
use penstock_metrics::{Metric, Unit, describe};
use penstock_otlp::Signal;

const WRITTEN: Metric = Metric::counter(
    "penstock_dead_letter_written_items_total",
    Unit::Items,
    &["signal"],
    "Rejected items written to dead-letter files.",
);
const DISCARDED: Metric = Metric::counter(
    "penstock_dead_letter_discarded_items_total",
    Unit::Items,
    &[],
    "Items in dead-letter files that were removed to make room for newer ones.",
);
const FAILED: Metric = Metric::counter(
    "penstock_dead_letter_failed_items_total",
    Unit::Items,
    &["reason"],
    "Rejected items that could not be written: `full`, `too_large`, `io`.",
);
const BYTES: Metric = Metric::gauge(
    "penstock_dead_letter_bytes",
    Unit::Bytes,
    &[],
    "Size of all dead-letter files when the last one was written to.",
);

/// All of them.
pub const METRICS: &[Metric] = &[WRITTEN, FAILED, DISCARDED, BYTES];

/// Why items could not be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WriteFault {
    /// No room on the disk.
    Full,
    /// The piece is larger than all files together may be.
    TooLarge,
    /// Anything else that a disk may say.
    Io,
}

impl WriteFault {
    const ALL: [Self; 3] = [Self::Full, Self::TooLarge, Self::Io];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::TooLarge => "too_large",
            Self::Io => "io",
        }
    }
}

/// Handles, resolved once.
#[derive(Debug)]
pub(crate) struct DeadLetterMetrics {
    written: [Counter; Signal::ALL.len()],
    failed: [Counter; WriteFault::ALL.len()],
    pub(crate) discarded: Counter,
    bytes: Gauge,
}

impl DeadLetterMetrics {
    pub(crate) fn new() -> Self {
        describe(METRICS);
        Self {
            written: Signal::ALL.map(|signal| counter!(WRITTEN.name, "signal" => signal.name())),
            failed: WriteFault::ALL.map(|why| counter!(FAILED.name, "reason" => why.name())),
            discarded: counter!(DISCARDED.name),
            bytes: gauge!(BYTES.name),
        }
    }

    pub(crate) fn written(&self, signal: Signal, items: u64) {
        self.written[signal.index()].increment(items);
    }

    /// About: a file has a header beside its letters.
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
    pub(crate) fn held(&self, bytes: u64) {
        self.bytes.set(bytes as f64);
    }

    pub(crate) fn failed(&self, why: WriteFault, items: u64) {
        self.failed[why as usize].increment(items);
    }
}
