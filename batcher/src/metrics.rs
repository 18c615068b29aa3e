//! The batcher's metrics: every name and label, and the handles that the hot path uses.
//!
//! *Invariant:* labels are ids from the settings or names of closed enums. Counters move where the ledger moves, so the
//! ledger's law can be checked from outside: append_accepted = dispatch_delivered + _rejected + _dropped + _held.

use crate::batch::Trigger;
use crate::fate::{DropReason, RejectReason};
use crate::ledger::Line;
use ::metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};
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
const LOG_HELD_ITEMS: &str = "penstock_log_held_items";
const LOG_HELD_BYTES: &str = "penstock_log_held_bytes";

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
}

/// The counter of accepted items.
pub(crate) fn accepted(signal: Signal) -> Counter {
    counter!(ACCEPTED, "signal" => signal.name())
}

/// What one cursor counts.
#[derive(Debug)]
pub(crate) struct CursorMetrics {
    pub(crate) delivered: Counter,
    pub(crate) retried: Counter,
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

/// Sets the gauges of one signal's logs.
#[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
pub(crate) fn publish_log(signal: Signal, items: u64, bytes: u64) {
    gauge!(LOG_HELD_ITEMS, "signal" => signal.name()).set(items as f64);
    gauge!(LOG_HELD_BYTES, "signal" => signal.name()).set(bytes as f64);
}
