//! The batcher's metrics: every name and label, and the handles that the hot path uses.
//!
//! *Invariant:* labels are ids from the settings or names of closed enums. Counters move where the ledger moves, so the
//! ledger's law can be checked from outside: append_accepted = dispatch_delivered + _rejected + _dropped + _held.

use crate::batch::Trigger;
use crate::fate::{DropReason, RejectReason};
use crate::ledger::Line;
use ::metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use penstock_hop::Batch;
use penstock_metrics::{describe as tell, otelcol};
use penstock_otlp::Signal;

mod names;
#[cfg(test)]
mod tests;

pub use names::METRICS;
use names::*;

/// Gives every metric its help text.
pub(crate) fn describe() {
    tell(METRICS);
    tell(otelcol::BATCHER.iter().copied().flatten());
}

/// What the disk refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DiskFault {
    /// There is no room.
    Full,
    Write,
    Sync,
    Read,
    Remove,
}

impl DiskFault {
    const ALL: [Self; 5] = [
        Self::Full,
        Self::Write,
        Self::Sync,
        Self::Read,
        Self::Remove,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Write => "write",
            Self::Sync => "sync",
            Self::Read => "read",
            Self::Remove => "remove",
        }
    }
}

/// What one log counts.
#[derive(Debug)]
pub(crate) struct LogMetrics {
    pub(crate) accepted: Counter,
    pub(crate) write_seconds: Histogram,
    pub(crate) sync_seconds: Histogram,
    pub(crate) ack_seconds: Histogram,
    block_bytes: Histogram,
    evicted: Counter,
    reread: Counter,
    adopted: Counter,
    corrupt: Counter,
    log_lost: Counter,
    faults: [Counter; DiskFault::ALL.len()],
}

impl LogMetrics {
    pub(crate) fn new(signal: Signal) -> Self {
        let signal = signal.name();
        let lost = |reason: DropReason| counter!(LOG_LOST.name, "signal" => signal, "reason" => reason.name());
        Self {
            accepted: counter!(ACCEPTED.name, "signal" => signal),
            write_seconds: histogram!(WRITE_SECONDS.name, "signal" => signal),
            sync_seconds: histogram!(SYNC_SECONDS.name, "signal" => signal),
            ack_seconds: histogram!(ACK_SECONDS.name, "signal" => signal),
            block_bytes: histogram!(BLOCK_BYTES.name, "signal" => signal),
            evicted: counter!(LOG_EVICTED.name, "signal" => signal),
            reread: counter!(LOG_REREAD.name, "signal" => signal),
            adopted: counter!(LOG_ADOPTED.name, "signal" => signal),
            corrupt: lost(DropReason::Corrupt),
            log_lost: lost(DropReason::LogLost),
            faults: DiskFault::ALL.map(
                |fault| counter!(LOG_FAULTS.name, "signal" => signal, "fault" => fault.name()),
            ),
        }
    }

    /// A written block.
    #[expect(clippy::cast_precision_loss, reason = "histograms are of floats")]
    pub(crate) fn block(&self, bytes: usize) {
        self.block_bytes.record(bytes as f64);
    }

    pub(crate) fn evicted(&self, bytes: usize) {
        self.evicted.increment(bytes as u64);
    }

    pub(crate) fn reread(&self, bytes: usize) {
        self.reread.increment(bytes as u64);
    }

    pub(crate) fn adopted(&self) {
        self.adopted.increment(1);
    }

    pub(crate) fn lost(&self, reason: DropReason, items: u64) {
        match reason {
            DropReason::Corrupt => self.corrupt.increment(items),
            DropReason::LogLost => self.log_lost.increment(items),
            _ => {}
        }
    }

    pub(crate) fn fault(&self, fault: DiskFault) {
        self.faults[fault as usize].increment(1);
    }
}

/// What one cursor counts.
#[derive(Debug)]
pub(crate) struct CursorMetrics {
    pub(crate) delivered: Counter,
    pub(crate) retried: Counter,
    pub(crate) handed_over: Counter,
    pub(crate) parked: Counter,
    pub(crate) in_flight: Gauge,
    rejected: [Counter; RejectReason::ALL.len()],
    dropped: [Counter; DropReason::ALL.len()],
    batches: [Counter; Trigger::ALL.len()],
    otelcol: Otelcol,
}

/// The same under the Collector's names. Pipelines of one exporter share the handles.
#[derive(Debug)]
struct Otelcol {
    send_failed: Counter,
    enqueue_failed: Counter,
    size_trigger: Counter,
    timeout_trigger: Counter,
    sizes: [Histogram; 2],
    bytes: [Histogram; 2],
}

impl CursorMetrics {
    pub(crate) fn new(signal: Signal, pipeline: &str, exporter: &str) -> Self {
        let labels = [
            ("signal", signal.name().to_owned()),
            ("pipeline", pipeline.to_owned()),
            ("exporter", exporter.to_owned()),
        ];
        let with = |key: &'static str, value: &str| {
            let mut labels = labels.to_vec();
            labels.push((key, value.to_owned()));
            labels
        };
        Self {
            delivered: counter!(DELIVERED.name, &labels),
            retried: counter!(RETRIED.name, &labels),
            handed_over: counter!(HANDED_OVER.name, &labels),
            parked: counter!(PARKED.name, &labels),
            in_flight: gauge!(IN_FLIGHT.name, &labels),
            rejected: RejectReason::ALL.map(|r| counter!(REJECTED.name, &with("reason", r.name()))),
            dropped: DropReason::ALL.map(|r| counter!(DROPPED.name, &with("reason", r.name()))),
            batches: Trigger::ALL.map(|t| counter!(BATCHES.name, &with("trigger", t.name()))),
            otelcol: Otelcol::new(signal, exporter),
        }
    }

    pub(crate) fn rejected(&self, reason: RejectReason, items: u64) {
        self.rejected[reason as usize].increment(items);
    }

    pub(crate) fn dropped(&self, reason: DropReason, items: u64) {
        self.dropped[reason as usize].increment(items);
        let alias = match reason {
            DropReason::QueueFull | DropReason::DiskFull => &self.otelcol.enqueue_failed,
            _ => &self.otelcol.send_failed,
        };
        alias.increment(items);
    }

    #[expect(clippy::cast_precision_loss, reason = "histograms are of floats")]
    pub(crate) fn batch(&self, trigger: Trigger, batch: &Batch) {
        self.batches[trigger as usize].increment(1);
        match trigger {
            Trigger::Items | Trigger::Bytes => self.otelcol.size_trigger.increment(1),
            Trigger::Age => self.otelcol.timeout_trigger.increment(1),
            // Counted when it was made.
            Trigger::Again => return,
            Trigger::Drain => {}
        }
        for (sizes, bytes) in self.otelcol.sizes.iter().zip(&self.otelcol.bytes) {
            sizes.record(batch.items as f64);
            bytes.record(batch.bytes() as f64);
        }
    }
}

impl Otelcol {
    fn new(signal: Signal, exporter: &str) -> Self {
        let exporter = || ("exporter", exporter.to_owned());
        let of_exporter = [exporter()];
        let of_queue = [exporter(), ("data_type", signal.name().to_owned())];
        let of_batch = [
            ("processor", otelcol::BATCH_PROCESSOR.to_owned()),
            exporter(),
        ];
        let at = signal.index();
        Self {
            send_failed: counter!(otelcol::EXPORTER_SEND_FAILED[at].name, &of_exporter),
            enqueue_failed: counter!(otelcol::EXPORTER_ENQUEUE_FAILED[at].name, &of_exporter),
            size_trigger: counter!(otelcol::BATCH_SIZE_TRIGGER.name, &of_batch),
            timeout_trigger: counter!(otelcol::BATCH_TIMEOUT_TRIGGER.name, &of_batch),
            sizes: [
                histogram!(otelcol::BATCH_SIZE.name, &of_batch),
                histogram!(otelcol::QUEUE_BATCH_SIZE.name, &of_queue),
            ],
            bytes: [
                histogram!(otelcol::BATCH_SIZE_BYTES.name, &of_batch),
                histogram!(otelcol::QUEUE_BATCH_SIZE_BYTES.name, &of_queue),
            ],
        }
    }
}

/// One batch in flight, as long as this lives.
#[derive(Debug)]
pub(crate) struct InFlight<'a>(&'a Gauge);

impl<'a> InFlight<'a> {
    pub(crate) fn new(gauge: &'a Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// Sets the gauges of one ledger line.
#[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
pub(crate) fn publish_line(line: &Line) {
    let labels = [
        ("signal", line.signal.clone()),
        ("pipeline", line.pipeline.clone()),
        ("exporter", line.exporter.clone()),
    ];
    gauge!(DISPATCH_HELD.name, &labels).set(line.held as f64);
    gauge!(OLDEST_HELD.name, &labels).set(line.oldest_held_ms as f64 / 1000.0);
}

/// What the logs of one signal are, in sum.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LogGauges {
    pub(crate) items: u64,
    pub(crate) bytes: u64,
    pub(crate) disk_bytes: u64,
    pub(crate) disk_limit: u64,
    pub(crate) segments: u64,
}

/// Sets the gauges of one signal's logs.
#[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
pub(crate) fn publish_log(signal: Signal, now: &LogGauges) {
    let signal = signal.name();
    gauge!(LOG_HELD_ITEMS.name, "signal" => signal).set(now.items as f64);
    gauge!(LOG_HELD_BYTES.name, "signal" => signal).set(now.bytes as f64);
    if now.disk_limit > 0 {
        gauge!(LOG_DISK_BYTES.name, "signal" => signal).set(now.disk_bytes as f64);
        gauge!(LOG_DISK_LIMIT.name, "signal" => signal).set(now.disk_limit as f64);
        gauge!(LOG_SEGMENTS.name, "signal" => signal).set(now.segments as f64);
    }
}

/// Sets the gauge of what is in logs that nobody serves.
#[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
pub(crate) fn publish_unserved(items: u64) {
    gauge!(LOG_UNSERVED.name).set(items as f64);
}
