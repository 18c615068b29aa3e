//! `memory_limiter` and `batch`.

use super::{Note, differs, ignored};
use crate::units::GoDuration;
use serde::Deserialize;

/// `processors.memory_limiter`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct MemoryLimiter {
    pub(crate) limit_mib: Option<u64>,
    pub(crate) spike_limit_mib: Option<u64>,
    pub(crate) limit_percentage: Option<u64>,
    pub(crate) spike_limit_percentage: Option<u64>,
}

const LIMIT: &str = "it bounds the bytes of data in memory, and not the process; what comes beyond it waits, and is refused, to be \
                     tried again, only after penstock.memory.max_hold";
const SPIKE: &str = "above limit - spike requests wait for memory; none is refused for that";
const GC: &str = "there is no garbage collector here";

/// What is known of the Collector's `memory_limiter` and is no field above.
pub(crate) const MEMORY_LIMITER_NOTES: &[Note] = &[
    differs("limit_mib", LIMIT),
    differs("limit_percentage", LIMIT),
    differs("spike_limit_mib", SPIKE),
    differs("spike_limit_percentage", SPIKE),
    ignored(
        "check_interval",
        "bytes are counted as they come in, not polled",
    ),
    ignored("min_gc_interval_when_soft_limited", GC),
    ignored("min_gc_interval_when_hard_limited", GC),
    ignored("max_gc_interval_when_soft_limited", GC),
    ignored("max_gc_interval_when_hard_limited", GC),
];

/// `processors.batch`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Batch {
    pub(crate) send_batch_size: Option<usize>,
    pub(crate) send_batch_max_size: Option<usize>,
    pub(crate) timeout: Option<GoDuration>,
}

/// What is known of the Collector's `batch` and is no field above.
pub(crate) const BATCH_NOTES: &[Note] = &[
    ignored(
        "metadata_keys",
        "no exporter here uses what senders send along with their requests, so that batches need not be kept apart by it",
    ),
    ignored(
        "metadata_cardinality_limit",
        "there are no batches per sender",
    ),
];
