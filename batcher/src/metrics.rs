//! The batcher's metrics: every name and label, and the handles that the hot path uses.
//!
//! *Invariant:* labels are ids from the settings or names of closed enums. Counters move where the ledger moves, so the
//! ledger's law can be checked from outside: append_accepted = dispatch_delivered + _rejected + _dropped + _held.

use crate::batch::Trigger;
use crate::fate::{DropReason, RejectReason};
use crate::ledger::Line;
use ::metrics::{
    Counter, Gauge, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram,
    gauge, histogram,
};
use penstock_otlp::Signal;

const ACCEPTED: &str = "penstock_append_accepted_items_total";
const BATCHES: &str = "penstock_batch_batches_total";
const DELIVERED: &str = "penstock_dispatch_delivered_items_total";
const REJECTED: &str = "penstock_dispatch_rejected_items_total";
const DROPPED: &str = "penstock_dispatch_dropped_items_total";
const RETRIED: &str = "penstock_dispatch_retried_items_total";
const IN_FLIGHT: &str = "penstock_dispatch_batches_in_flight";
const DISPATCH_HELD: &str = "penstock_dispatch_held_items";
const OLDEST_HELD: &str = "penstock_dispatch_oldest_held_seconds";
const HANDED_OVER: &str = "penstock_dispatch_handed_over_items_total";
const PARKED: &str = "penstock_dispatch_parked_batches_total";
const BLOCK_BYTES: &str = "penstock_append_block_bytes";
const ACK_SECONDS: &str = "penstock_append_ack_seconds";
const WRITE_SECONDS: &str = "penstock_append_write_seconds";
const SYNC_SECONDS: &str = "penstock_append_sync_seconds";
const LOG_DISK_BYTES: &str = "penstock_log_disk_bytes";
const LOG_DISK_LIMIT: &str = "penstock_log_disk_limit_bytes";
const LOG_SEGMENTS: &str = "penstock_log_segments";
const LOG_EVICTED: &str = "penstock_log_evicted_bytes_total";
const LOG_REREAD: &str = "penstock_log_reread_bytes_total";
const LOG_LOST: &str = "penstock_log_lost_items_total";
const LOG_FAULTS: &str = "penstock_log_disk_faults_total";
const LOG_ADOPTED: &str = "penstock_log_adopted_total";
const LOG_HELD_ITEMS: &str = "penstock_log_held_items";
const LOG_HELD_BYTES: &str = "penstock_log_held_bytes";
const LOG_UNSERVED: &str = "penstock_log_unserved_items";

/// Gives every metric its help text.
pub(crate) fn describe() {
    describe_counter!(ACCEPTED, "Items appended to the log: acked to senders");
    describe_counter!(BATCHES, "Batches made, by what made them go");
    describe_counter!(DELIVERED, "Items that the backend has");
    describe_counter!(
        REJECTED,
        "Items that the exporter or its backend will never take"
    );
    describe_counter!(DROPPED, "Accepted items lost on purpose by a policy");
    describe_counter!(RETRIED, "Items sent again after a failure");
    describe_counter!(
        HANDED_OVER,
        "Delivered items that another receiver took over"
    );
    describe_counter!(PARKED, "Batches set aside after many failures");
    describe_histogram!(BLOCK_BYTES, Unit::Bytes, "Payload of written blocks");
    describe_histogram!(
        ACK_SECONDS,
        Unit::Seconds,
        "From a block's first request until its requests were acked"
    );
    describe_histogram!(WRITE_SECONDS, Unit::Seconds, "Writes to the log");
    describe_histogram!(SYNC_SECONDS, Unit::Seconds, "Syncs of the log");
    describe_gauge!(LOG_DISK_BYTES, "Bytes on disk, written or promised to be");
    describe_gauge!(LOG_DISK_LIMIT, "Bytes that the log may have on disk");
    describe_gauge!(LOG_SEGMENTS, "Segment files");
    describe_counter!(LOG_EVICTED, "Bytes let go from memory, as they are on disk");
    describe_counter!(LOG_REREAD, "Bytes read back from disk");
    describe_counter!(
        LOG_LOST,
        "Items that the disk did not give back, once per exporter"
    );
    describe_counter!(LOG_FAULTS, "Operations that the disk refused");
    describe_counter!(LOG_ADOPTED, "Logs without a process taken over and emptied");
    describe_gauge!(IN_FLIGHT, "Batches sent or waiting to be sent again");
    describe_gauge!(
        DISPATCH_HELD,
        "Items accepted and not yet at their end, per exporter"
    );
    describe_gauge!(OLDEST_HELD, "Age of the oldest item held for an exporter");
    describe_gauge!(
        LOG_HELD_ITEMS,
        "Items in the log: held for one exporter at least"
    );
    describe_gauge!(LOG_HELD_BYTES, "Payload bytes in the log");
    describe_gauge!(
        LOG_UNSERVED,
        "Items in logs on disk that the configuration does not serve, once per exporter"
    );
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
        let lost =
            |reason: DropReason| counter!(LOG_LOST, "signal" => signal, "reason" => reason.name());
        Self {
            accepted: counter!(ACCEPTED, "signal" => signal),
            write_seconds: histogram!(WRITE_SECONDS, "signal" => signal),
            sync_seconds: histogram!(SYNC_SECONDS, "signal" => signal),
            ack_seconds: histogram!(ACK_SECONDS, "signal" => signal),
            block_bytes: histogram!(BLOCK_BYTES, "signal" => signal),
            evicted: counter!(LOG_EVICTED, "signal" => signal),
            reread: counter!(LOG_REREAD, "signal" => signal),
            adopted: counter!(LOG_ADOPTED, "signal" => signal),
            corrupt: lost(DropReason::Corrupt),
            log_lost: lost(DropReason::LogLost),
            faults: DiskFault::ALL
                .map(|fault| counter!(LOG_FAULTS, "signal" => signal, "fault" => fault.name())),
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
            delivered: counter!(DELIVERED, &labels),
            retried: counter!(RETRIED, &labels),
            handed_over: counter!(HANDED_OVER, &labels),
            parked: counter!(PARKED, &labels),
            in_flight: gauge!(IN_FLIGHT, &labels),
            rejected: RejectReason::ALL.map(|r| counter!(REJECTED, &with("reason", r.name()))),
            dropped: DropReason::ALL.map(|r| counter!(DROPPED, &with("reason", r.name()))),
            batches: Trigger::ALL.map(|t| counter!(BATCHES, &with("trigger", t.name()))),
        }
    }

    pub(crate) fn rejected(&self, reason: RejectReason, items: u64) {
        self.rejected[reason as usize].increment(items);
    }

    pub(crate) fn dropped(&self, reason: DropReason, items: u64) {
        self.dropped[reason as usize].increment(items);
    }

    pub(crate) fn batch(&self, trigger: Trigger) {
        self.batches[trigger as usize].increment(1);
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
    gauge!(DISPATCH_HELD, &labels).set(line.held as f64);
    gauge!(OLDEST_HELD, &labels).set(line.oldest_held_ms as f64 / 1000.0);
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
    gauge!(LOG_HELD_ITEMS, "signal" => signal).set(now.items as f64);
    gauge!(LOG_HELD_BYTES, "signal" => signal).set(now.bytes as f64);
    if now.disk_limit > 0 {
        gauge!(LOG_DISK_BYTES, "signal" => signal).set(now.disk_bytes as f64);
        gauge!(LOG_DISK_LIMIT, "signal" => signal).set(now.disk_limit as f64);
        gauge!(LOG_SEGMENTS, "signal" => signal).set(now.segments as f64);
    }
}

/// Sets the gauge of what is in logs that nobody serves.
#[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
pub(crate) fn publish_unserved(items: u64) {
    gauge!(LOG_UNSERVED).set(items as f64);
}
