//! The Collector's metric names that users' dashboards and alerts ask for: the one table of them.
//!
//! Those who count give the same numbers under these names. In tables with three entries the index is the signal's.
//!
//! *Invariant:* a name never says more than it does in a Collector. What one name counts is counted on one binary only, or
//! on several that never count the same item, so that sums over all processes are right.

use crate::{Kind, Metric, Unit};

const ENTRANCE: &[&str] = &["receiver", "transport"];
const EXPORTER: &[&str] = &["exporter"];
const QUEUE: &[&str] = &["exporter", "data_type"];
const LIMITER: &[&str] = &["processor"];
const BATCH: &[&str] = &["processor", "exporter"];

/// The value of `processor` where the batcher counts.
pub const BATCH_PROCESSOR: &str = "batch";
/// The value of `processor` where admission counts.
pub const LIMITER_PROCESSOR: &str = "memory_limiter";

/// A counter of items, one name a signal.
macro_rules! items {
    ($prefix:literal, $labels:expr, $help:literal $(, $before:literal)*) => {
        [
            items!(@one $prefix, "_spans", $labels, $help $(, $before)*),
            items!(@one $prefix, "_metric_points", $labels, $help $(, $before)*),
            items!(@one $prefix, "_log_records", $labels, $help $(, $before)*),
        ]
    };
    (@one $prefix:literal, $items:literal, $labels:expr, $help:literal $(, $before:literal)*) => {
        Metric {
            legacy: &[concat!($prefix, $items) $(, concat!($before, $items))*],
            ..Metric::counter(concat!($prefix, $items, "_total"), Unit::Items, $labels, $help)
        }
    };
}

/// Receiver.
pub const RECEIVER_ACCEPTED: [Metric; 3] = items!(
    "otelcol_receiver_accepted",
    ENTRANCE,
    "Items acked to senders."
);
/// Receiver.
pub const RECEIVER_REFUSED: [Metric; 3] = items!(
    "otelcol_receiver_refused",
    ENTRANCE,
    "Items pushed back, for their sender to send again."
);
/// Receiver.
pub const RECEIVER_FAILED: [Metric; 3] = items!(
    "otelcol_receiver_failed",
    ENTRANCE,
    "Always 0: nothing can fail between the ack and the log."
);
/// Receiver: admission does what the `memory_limiter` of a file asks for.
pub const LIMITER_ACCEPTED: [Metric; 3] = items!(
    "otelcol_processor_memory_limiter_accepted",
    LIMITER,
    "Items that got memory.",
    "otelcol_processor_accepted"
);
/// Receiver.
pub const LIMITER_REFUSED: [Metric; 3] = items!(
    "otelcol_processor_memory_limiter_refused",
    LIMITER,
    "Items pushed back since memory or disk was full for longer than `penstock.memory.max_hold`.",
    "otelcol_processor_refused"
);
/// Exporters.
pub const EXPORTER_SENT: [Metric; 3] = items!(
    "otelcol_exporter_sent",
    EXPORTER,
    "Items that the backend has; on the exporters."
);
/// Exporters, and receivers for what an exporter never saw the end of.
pub const EXPORTER_SEND_FAILED: [Metric; 3] = items!(
    "otelcol_exporter_send_failed",
    EXPORTER,
    "Items lost on the way to the backend: on the exporters those that it rejected, on the receiver those dropped by a policy or lost by a disk. An item that is tried again is not in it, but for the search for the bad part of a rejected batch."
);
/// Receiver.
pub const EXPORTER_ENQUEUE_FAILED: [Metric; 3] = items!(
    "otelcol_exporter_enqueue_failed",
    EXPORTER,
    "Items dropped since the queue was full: `queue_size` of the exporter, or the disk with `on_full: drop_oldest`."
);

/// A histogram or a gauge, whose name never had a suffix.
const fn plain(kind: Kind, metric: Metric) -> Metric {
    Metric { kind, ..metric }
}

/// Receiver.
pub const QUEUE_SIZE: Metric = Metric::gauge(
    "otelcol_exporter_queue_size",
    Unit::One,
    QUEUE,
    "What is held for the exporter, on disk or else in memory: in bytes, or in the unit of its `sending_queue.queue_size` when it has one.",
);
/// Receiver.
pub const QUEUE_CAPACITY: Metric = Metric::gauge(
    "otelcol_exporter_queue_capacity",
    Unit::One,
    QUEUE,
    "What may be held, in the same unit: bytes of the signal, or `sending_queue.queue_size` for each shard. The ratio of size and capacity is what alerts look at.",
);
/// Receiver.
pub const QUEUE_BATCH_SIZE: Metric = plain(
    Kind::Histogram,
    Metric::gauge(
        "otelcol_exporter_queue_batch_send_size",
        Unit::Items,
        QUEUE,
        "Items of batches as they were made.",
    ),
);
/// Receiver.
pub const QUEUE_BATCH_SIZE_BYTES: Metric = plain(
    Kind::Histogram,
    Metric::gauge(
        "otelcol_exporter_queue_batch_send_size_bytes",
        Unit::Bytes,
        QUEUE,
        "Bytes of batches as they were made.",
    ),
);
/// Receiver.
pub const BATCH_SIZE: Metric = plain(
    Kind::Histogram,
    Metric::gauge(
        "otelcol_processor_batch_batch_send_size",
        Unit::Items,
        BATCH,
        "Items of batches as they were made. Batches are made for each exporter: in a Collector there is no such label.",
    ),
);
/// Receiver.
pub const BATCH_SIZE_BYTES: Metric = plain(
    Kind::Histogram,
    Metric::gauge(
        "otelcol_processor_batch_batch_send_size_bytes",
        Unit::Bytes,
        BATCH,
        "Bytes of batches as they were made.",
    ),
);
/// Receiver.
pub const BATCH_SIZE_TRIGGER: Metric = Metric {
    legacy: &["otelcol_processor_batch_batch_size_trigger_send"],
    ..Metric::counter(
        "otelcol_processor_batch_batch_size_trigger_send_total",
        Unit::One,
        BATCH,
        "Batches that went since they had enough items or bytes.",
    )
};
/// Receiver.
pub const BATCH_TIMEOUT_TRIGGER: Metric = Metric {
    legacy: &["otelcol_processor_batch_timeout_trigger_send"],
    ..Metric::counter(
        "otelcol_processor_batch_timeout_trigger_send_total",
        Unit::One,
        BATCH,
        "Batches that went since their time was over.",
    )
};
/// Exporters.
pub const EXPORTER_IN_FLIGHT: Metric = Metric::gauge(
    "otelcol_exporter_in_flight_requests",
    Unit::One,
    EXPORTER,
    "Batches being exported.",
);

/// All processes.
pub const PROCESS_UPTIME: Metric = Metric {
    legacy: &["otelcol_process_uptime"],
    ..Metric::counter(
        "otelcol_process_uptime_seconds_total",
        Unit::Seconds,
        &[],
        "Time since the start of the process.",
    )
};
/// All processes.
pub const PROCESS_CPU: Metric = Metric {
    legacy: &["otelcol_process_cpu_seconds"],
    ..Metric::counter(
        "otelcol_process_cpu_seconds_total",
        Unit::Seconds,
        &[],
        "CPU time in user space and kernel.",
    )
};
/// All processes.
pub const PROCESS_RSS: Metric = Metric {
    legacy: &["otelcol_process_memory_rss"],
    ..Metric::gauge(
        "otelcol_process_memory_rss_bytes",
        Unit::Bytes,
        &[],
        "Resident memory.",
    )
};
/// All processes.
pub const PROCESS_HEAP: Metric = Metric::gauge(
    "otelcol_process_runtime_heap_alloc_bytes",
    Unit::Bytes,
    &[],
    "Resident memory that is no file: heap and stacks. There is no garbage to collect.",
);
/// All processes.
pub const PROCESS_SYS: Metric = Metric::gauge(
    "otelcol_process_runtime_total_sys_memory_bytes",
    Unit::Bytes,
    &[],
    "Memory that the kernel has promised for heap and stacks, resident or not.",
);
/// All processes.
pub const TARGET_INFO: Metric = Metric::gauge(
    "target_info",
    Unit::One,
    &["service_name", "service_instance_id", "service_version"],
    "Always 1: who this process is. `service.telemetry.resource` adds labels and changes these.",
);

/// What every process exposes.
pub const PROCESS: &[Metric] = &[
    PROCESS_UPTIME,
    PROCESS_CPU,
    PROCESS_RSS,
    PROCESS_HEAP,
    PROCESS_SYS,
    TARGET_INFO,
];

/// What the receiver counts left of the ack, and what it holds.
pub const RECEIVER: &[&[Metric]] = &[
    &RECEIVER_ACCEPTED,
    &RECEIVER_REFUSED,
    &RECEIVER_FAILED,
    &LIMITER_ACCEPTED,
    &LIMITER_REFUSED,
    &[QUEUE_SIZE, QUEUE_CAPACITY],
];

/// What the batcher counts, in the receiver.
pub const BATCHER: &[&[Metric]] = &[
    &[
        BATCH_SIZE,
        BATCH_SIZE_BYTES,
        BATCH_SIZE_TRIGGER,
        BATCH_TIMEOUT_TRIGGER,
        QUEUE_BATCH_SIZE,
        QUEUE_BATCH_SIZE_BYTES,
    ],
    &EXPORTER_SEND_FAILED,
    &EXPORTER_ENQUEUE_FAILED,
];

/// What an exporter counts.
pub const EXPORTERS: &[&[Metric]] = &[&EXPORTER_SENT, &EXPORTER_SEND_FAILED, &[EXPORTER_IN_FLIGHT]];

/// Every name of this table, once.
pub fn all() -> impl Iterator<Item = &'static Metric> {
    let tables = RECEIVER.iter().chain(BATCHER).copied();
    let exporters = [&EXPORTER_SENT[..], &[EXPORTER_IN_FLIGHT]];
    tables.chain(exporters).chain([PROCESS]).flatten()
}
