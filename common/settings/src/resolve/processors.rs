//! `processors`: `memory_limiter` becomes the byte budget, `batch` the size of batches.

use super::findings::{At, Findings};
use super::unavailable;
use crate::environment::Environment;
use crate::model::{Batch, ComponentId};
use crate::raw::processors as raw;
use std::collections::BTreeMap;

/// A processor.
#[derive(Clone, Debug)]
pub(crate) enum Processor {
    /// `memory_limiter`.
    MemoryLimiter(Limit),
    /// `batch`; `max_bytes` is set later.
    Batch(Batch),
}

/// What a `memory_limiter` says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Limit {
    /// Bytes in all.
    pub(crate) bytes: u64,
    /// The part above which requests wait.
    pub(crate) high_mark: f64,
}

/// Reads every declared processor; `None` is one with errors.
pub(crate) fn read(
    components: &[At<'_>],
    environment: &Environment,
    findings: &mut Findings,
) -> BTreeMap<ComponentId, Option<Processor>> {
    let mut processors = BTreeMap::new();
    for at in components {
        let id = ComponentId(at.key().to_owned());
        let processor = match id.kind() {
            "batch" => findings
                .read(at, &[raw::BATCH_NOTES])
                .map(|raw| Processor::Batch(batch(at, &raw, findings))),
            "memory_limiter" => findings
                .read(at, &[raw::MEMORY_LIMITER_NOTES])
                .and_then(|raw| limit(at, &raw, environment, findings))
                .map(Processor::MemoryLimiter),
            kind => {
                findings.no_component(at, unavailable::processor(kind));
                None
            }
        };
        processors.insert(id, processor);
    }
    processors
}

fn batch(at: &At<'_>, raw: &raw::Batch, findings: &mut Findings) -> Batch {
    let default = Batch::default();
    let batch = Batch {
        send_batch_size: raw.send_batch_size.unwrap_or(default.send_batch_size),
        send_batch_max_size: raw
            .send_batch_max_size
            .unwrap_or(default.send_batch_max_size),
        timeout: raw.timeout.map_or(default.timeout, |timeout| timeout.0),
        max_bytes: default.max_bytes,
    };
    if batch.send_batch_max_size > 0 && batch.send_batch_max_size < batch.send_batch_size {
        let message = format!(
            "send_batch_max_size must be greater or equal to send_batch_size, which is {}",
            batch.send_batch_size
        );
        findings.error(at, "send_batch_max_size", message);
    }
    batch
}

fn limit(
    at: &At<'_>,
    raw: &raw::MemoryLimiter,
    environment: &Environment,
    findings: &mut Findings,
) -> Option<Limit> {
    let percent =
        |percent: Option<u64>| percent.unwrap_or(0).min(100) * (environment.memory_bytes / 100);
    let mib = |mib: Option<u64>| mib.unwrap_or(0).saturating_mul(1 << 20);
    for key in ["limit_percentage", "spike_limit_percentage"] {
        let value = if key == "limit_percentage" {
            raw.limit_percentage
        } else {
            raw.spike_limit_percentage
        };
        if value.is_some_and(|value| value > 100) {
            findings.error(at, key, "must be a percentage, from 1 to 100");
            return None;
        }
    }
    // As in the Collector, MiB win over percentages, and no spike limit is a fifth.
    let (bytes, spike, names) = match (mib(raw.limit_mib), percent(raw.limit_percentage)) {
        (0, 0) => {
            findings.error(
                at,
                "",
                "`limit_mib` or `limit_percentage` must be greater than zero",
            );
            return None;
        }
        (0, bytes) => (
            bytes,
            percent(raw.spike_limit_percentage),
            ("spike_limit_percentage", "limit_percentage"),
        ),
        (bytes, _) => (
            bytes,
            mib(raw.spike_limit_mib),
            ("spike_limit_mib", "limit_mib"),
        ),
    };
    if spike >= bytes {
        findings.error(
            at,
            names.0,
            format!("`{}` must be smaller than `{}`", names.0, names.1),
        );
        return None;
    }
    let spike = if spike == 0 { bytes / 5 } else { spike };
    Some(Limit {
        bytes,
        high_mark: (bytes - spike) as f64 / bytes as f64,
    })
}
