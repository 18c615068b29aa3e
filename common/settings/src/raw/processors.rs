//! `memory_limiter` and `batch`.

use super::{Note, ignored, unavailable};
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

const GC: &str = "there is no garbage collector here";

/// What is known of the Collector's `memory_limiter` and is no field above.
pub(crate) const MEMORY_LIMITER_NOTES: &[Note] = &[
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
    unavailable(
        "metadata_keys",
        "batches per sender are not available; remove it",
    ),
    ignored(
        "metadata_cardinality_limit",
        "there are no batches per sender",
    ),
];
