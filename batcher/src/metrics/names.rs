//! Names, labels and meanings.

use penstock_metrics::{Metric, Unit};

const SIGNAL: &[&str] = &["signal"];
const CURSOR: &[&str] = &["signal", "pipeline", "exporter"];
const ENDED: &[&str] = &["signal", "pipeline", "exporter", "reason"];

pub(super) const ACCEPTED: Metric = Metric::counter(
    "penstock_append_accepted_items_total",
    Unit::Items,
    SIGNAL,
    "Items appended to the log: acked to senders.",
);
pub(super) const ACK_SECONDS: Metric = Metric::histogram(
    "penstock_append_ack_seconds",
    Unit::Seconds,
    SIGNAL,
    "From a block's first request until its requests were acked.",
);
pub(super) const BLOCK_BYTES: Metric = Metric::histogram(
    "penstock_append_block_bytes",
    Unit::Bytes,
    SIGNAL,
    "Payload of written blocks.",
);
pub(super) const WRITE_SECONDS: Metric = Metric::histogram(
    "penstock_append_write_seconds",
    Unit::Seconds,
    SIGNAL,
    "Writes to the log.",
);
pub(super) const SYNC_SECONDS: Metric = Metric::histogram(
    "penstock_append_sync_seconds",
    Unit::Seconds,
    SIGNAL,
    "Syncs of the log.",
);
pub(super) const LOG_DISK_BYTES: Metric = Metric::gauge(
    "penstock_log_disk_bytes",
    Unit::Bytes,
    SIGNAL,
    "Bytes on disk, written or promised to be.",
);
pub(super) const LOG_DISK_LIMIT: Metric = Metric::gauge(
    "penstock_log_disk_limit_bytes",
    Unit::Bytes,
    SIGNAL,
    "Bytes that the log may have on disk.",
);
pub(super) const LOG_SEGMENTS: Metric =
    Metric::gauge("penstock_log_segments", Unit::One, SIGNAL, "Segment files.");
pub(super) const LOG_EVICTED: Metric = Metric::counter(
    "penstock_log_evicted_bytes_total",
    Unit::Bytes,
    SIGNAL,
    "Bytes let go from memory, as they are on disk.",
);
pub(super) const LOG_REREAD: Metric = Metric::counter(
    "penstock_log_reread_bytes_total",
    Unit::Bytes,
    SIGNAL,
    "Bytes read back from disk.",
);
pub(super) const LOG_LOST: Metric = Metric::counter(
    "penstock_log_lost_items_total",
    Unit::Items,
    &["signal", "reason"],
    "Items that the disk did not give back, once per exporter: `corrupt`, `log_lost`.",
);
pub(super) const LOG_FAULTS: Metric = Metric::counter(
    "penstock_log_disk_faults_total",
    Unit::One,
    &["signal", "fault"],
    "Operations that the disk refused: `full`, `write`, `sync`, `read`, `remove`.",
);
pub(super) const LOG_ADOPTED: Metric = Metric::counter(
    "penstock_log_adopted_total",
    Unit::One,
    SIGNAL,
    "Logs without a process that were taken over and emptied.",
);
pub(super) const LOG_UNSERVED: Metric = Metric::gauge(
    "penstock_log_unserved_items",
    Unit::Items,
    &[],
    "Items in logs on disk that the configuration does not serve, once per exporter: alert on this.",
);
pub(super) const LOG_HELD_ITEMS: Metric = Metric::gauge(
    "penstock_log_held_items",
    Unit::Items,
    SIGNAL,
    "Items in the log: held for one exporter at least.",
);
pub(super) const LOG_HELD_BYTES: Metric = Metric::gauge(
    "penstock_log_held_bytes",
    Unit::Bytes,
    SIGNAL,
    "Payload bytes in the log.",
);
pub(super) const BATCHES: Metric = Metric::counter(
    "penstock_batch_batches_total",
    Unit::One,
    &["signal", "pipeline", "exporter", "trigger"],
    "Batches by what made them go: `size`, `bytes`, `age`, `drain`; `again` for those made before and set aside, or left by a process before this one.",
);
pub(super) const IN_FLIGHT: Metric = Metric::gauge(
    "penstock_dispatch_batches_in_flight",
    Unit::One,
    CURSOR,
    "Batches sent or waiting to be sent again.",
);
pub(super) const DELIVERED: Metric = Metric::counter(
    "penstock_dispatch_delivered_items_total",
    Unit::Items,
    CURSOR,
    "Items that the backend has.",
);
pub(super) const REJECTED: Metric = Metric::counter(
    "penstock_dispatch_rejected_items_total",
    Unit::Items,
    ENDED,
    "Items that the backend will never take: `permanent`, `partial_success`, `too_large`.",
);
pub(super) const DROPPED: Metric = Metric::counter(
    "penstock_dispatch_dropped_items_total",
    Unit::Items,
    ENDED,
    "Accepted items lost by policy or damage: `max_elapsed_time`, `retry_disabled`, `queue_full`, `disk_full`, `exporter_removed`, `corrupt`, `log_lost`, `shutdown`.",
);
pub(super) const RETRIED: Metric = Metric::counter(
    "penstock_dispatch_retried_items_total",
    Unit::Items,
    CURSOR,
    "Items sent again after a failure (not a fate).",
);
pub(super) const HANDED_OVER: Metric = Metric::counter(
    "penstock_dispatch_handed_over_items_total",
    Unit::Items,
    CURSOR,
    "Of the delivered, those that another receiver took over.",
);
pub(super) const PARKED: Metric = Metric::counter(
    "penstock_dispatch_parked_batches_total",
    Unit::One,
    CURSOR,
    "Batches set aside after many failures, so that others go on.",
);
pub(super) const DISPATCH_HELD: Metric = Metric::gauge(
    "penstock_dispatch_held_items",
    Unit::Items,
    CURSOR,
    "Items accepted and not yet at their end.",
);
pub(super) const OLDEST_HELD: Metric = Metric::gauge(
    "penstock_dispatch_oldest_held_seconds",
    Unit::Seconds,
    CURSOR,
    "Age of the oldest held item: alert on this.",
);

/// What the receiver exposes of the log and its cursors.
pub const METRICS: &[Metric] = &[
    ACCEPTED,
    ACK_SECONDS,
    BLOCK_BYTES,
    WRITE_SECONDS,
    SYNC_SECONDS,
    LOG_DISK_BYTES,
    LOG_DISK_LIMIT,
    LOG_SEGMENTS,
    LOG_EVICTED,
    LOG_REREAD,
    LOG_LOST,
    LOG_FAULTS,
    LOG_ADOPTED,
    LOG_UNSERVED,
    LOG_HELD_ITEMS,
    LOG_HELD_BYTES,
    BATCHES,
    IN_FLIGHT,
    DELIVERED,
    REJECTED,
    DROPPED,
    RETRIED,
    HANDED_OVER,
    PARKED,
    DISPATCH_HELD,
    OLDEST_HELD,
];
