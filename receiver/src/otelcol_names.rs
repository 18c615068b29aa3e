//! The Collector's metric names that users' dashboards and alerts ask for, given from our own numbers.
//!
//! The queue is given in bytes, as with the Collector's `sizer: bytes`: what our log holds for an exporter against what
//! the signal's part of the disk (or of the memory, for a log in memory) allows, so that an alert on their ratio says what
//! it always said.
//!
//! *Invariant:* nothing is counted here.

use crate::metrics::Entrance;
use crate::process;
use crate::shard::Shared;
use metrics::{counter, describe_counter, describe_gauge, gauge};
use penstock_batcher::Budgets;
use penstock_batcher::ledger::Line;
use penstock_otlp::Signal;
use std::collections::BTreeMap;

#[cfg(test)]
mod tests;

/// Per signal, by index: items of a receiver.
struct ReceiverNames {
    accepted: &'static str,
    refused: &'static str,
    failed: &'static str,
}

const RECEIVER: [ReceiverNames; 3] = [
    ReceiverNames {
        accepted: "otelcol_receiver_accepted_spans_total",
        refused: "otelcol_receiver_refused_spans_total",
        failed: "otelcol_receiver_failed_spans_total",
    },
    ReceiverNames {
        accepted: "otelcol_receiver_accepted_metric_points_total",
        refused: "otelcol_receiver_refused_metric_points_total",
        failed: "otelcol_receiver_failed_metric_points_total",
    },
    ReceiverNames {
        accepted: "otelcol_receiver_accepted_log_records_total",
        refused: "otelcol_receiver_refused_log_records_total",
        failed: "otelcol_receiver_failed_log_records_total",
    },
];

/// Per signal, by index: items of an exporter.
struct ExporterNames {
    sent: &'static str,
    send_failed: &'static str,
    enqueue_failed: &'static str,
}

const EXPORTER: [ExporterNames; 3] = [
    ExporterNames {
        sent: "otelcol_exporter_sent_spans_total",
        send_failed: "otelcol_exporter_send_failed_spans_total",
        enqueue_failed: "otelcol_exporter_enqueue_failed_spans_total",
    },
    ExporterNames {
        sent: "otelcol_exporter_sent_metric_points_total",
        send_failed: "otelcol_exporter_send_failed_metric_points_total",
        enqueue_failed: "otelcol_exporter_enqueue_failed_metric_points_total",
    },
    ExporterNames {
        sent: "otelcol_exporter_sent_log_records_total",
        send_failed: "otelcol_exporter_send_failed_log_records_total",
        enqueue_failed: "otelcol_exporter_enqueue_failed_log_records_total",
    },
];

const QUEUE_SIZE: &str = "otelcol_exporter_queue_size";
const QUEUE_CAPACITY: &str = "otelcol_exporter_queue_capacity";
const UPTIME: &str = "otelcol_process_uptime_seconds_total";
const CPU: &str = "otelcol_process_cpu_seconds_total";
const RSS: &str = "otelcol_process_memory_rss_bytes";

/// Gives every name its help text.
pub(crate) fn describe() {
    for (signal, names) in Signal::ALL.into_iter().zip(&RECEIVER) {
        let items = items(signal);
        describe_counter!(names.accepted, format!("{items} acked to senders."));
        describe_counter!(
            names.refused,
            format!("{items} pushed back, for their sender to send again.")
        );
        describe_counter!(
            names.failed,
            format!("{items} lost to a failure of the receiver: always 0.")
        );
    }
    for (signal, names) in Signal::ALL.into_iter().zip(&EXPORTER) {
        let items = items(signal);
        describe_counter!(names.sent, format!("{items} that the backend has."));
        describe_counter!(
            names.send_failed,
            format!("{items} that the backend rejected or a policy dropped.")
        );
        describe_counter!(
            names.enqueue_failed,
            format!("{items} that found no place in a queue: always 0.")
        );
    }
    describe_gauge!(QUEUE_SIZE, "Bytes held for the exporter.");
    describe_gauge!(QUEUE_CAPACITY, "Bytes that may be held of the signal.");
    describe_counter!(UPTIME, "Time since the start.");
    describe_counter!(CPU, "CPU time in user space and kernel.");
    describe_gauge!(RSS, "Resident memory.");
}

/// The Collector's word for the items of a signal.
const fn items(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "Spans",
        Signal::Metrics => "Metric points",
        Signal::Logs => "Log records",
    }
}

/// Brings all of them up to date.
pub(crate) fn publish(shared: &Shared) {
    for entrance in &shared.counts.entrances {
        receiver(entrance);
    }
    for ((signal, exporter), sums) in exporters(&shared.ledger.lines()) {
        let logs = shared.logs[signal.index()].as_ref();
        let (used, limit) = logs.map_or((0, 0), Budgets::backlog);
        sums.publish(signal, exporter, used, limit);
    }
    counter!(UPTIME).absolute(shared.started.elapsed().as_secs());
    if let Some(time) = process::cpu_time() {
        counter!(CPU).absolute(time.as_secs());
    }
    if let Some(bytes) = process::resident_bytes() {
        gauge!(RSS).set(bytes as f64);
    }
}

fn receiver(entrance: &Entrance) {
    let names = &RECEIVER[entrance.signal.index()];
    let labels = [
        ("receiver", entrance.receiver.clone()),
        ("transport", entrance.transport.label().to_owned()),
    ];
    counter!(names.accepted, &labels).absolute(entrance.accepted_items.get());
    counter!(names.refused, &labels).absolute(entrance.refused());
    // Our own failures end the process. It is there because alerts ask for it.
    counter!(names.failed, &labels).absolute(0);
}

/// One exporter's items of one signal over all its pipelines.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sums {
    delivered: u64,
    lost: u64,
    held: u64,
    /// The most that any exporter of the signal holds.
    most_held: u64,
}

impl Sums {
    fn publish(&self, signal: Signal, exporter: &str, used: u64, limit: u64) {
        let names = &EXPORTER[signal.index()];
        let labels = [("exporter", exporter.to_owned())];
        counter!(names.sent, &labels).absolute(self.delivered);
        counter!(names.send_failed, &labels).absolute(self.lost);
        // There is no queue between the log and the hop that could be full.
        counter!(names.enqueue_failed, &labels).absolute(0);
        let labels = [
            ("exporter", exporter.to_owned()),
            ("data_type", signal.name().to_owned()),
        ];
        gauge!(QUEUE_SIZE, &labels).set(self.queue_bytes(used));
        gauge!(QUEUE_CAPACITY, &labels).set(limit as f64);
    }

    /// The slowest exporter holds all that is in use; the others hold their part of it.
    fn queue_bytes(&self, used: u64) -> f64 {
        if self.most_held == 0 {
            return 0.0;
        }
        used as f64 * self.held as f64 / self.most_held as f64
    }
}

fn exporters(lines: &[Line]) -> BTreeMap<(Signal, &str), Sums> {
    let mut all: BTreeMap<(Signal, &str), Sums> = BTreeMap::new();
    for line in lines {
        let Some(signal) = Signal::from_name(&line.signal) else {
            continue;
        };
        let sums = all.entry((signal, &line.exporter)).or_default();
        sums.delivered += line.delivered;
        sums.lost += line.rejected + line.dropped;
        sums.held += line.held;
    }
    for signal in Signal::ALL {
        let of_signal = || all.iter().filter(move |((of, _), _)| *of == signal);
        let most = of_signal().map(|(_, sums)| sums.held).max().unwrap_or(0);
        for (_, sums) in all.iter_mut().filter(|((of, _), _)| *of == signal) {
            sums.most_held = most;
        }
    }
    all
}
