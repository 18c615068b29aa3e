//! `sending_queue`: the queue is the receiver's log, so what is left is how much of it an exporter may hold.

use super::extensions::Extensions;
use super::findings::{At, Findings};
use crate::model::{Exporter, QueueLimit};
use crate::raw::common::{Queue, Sizer};

/// Reads the queue of the `exporter` at `at`.
pub(crate) fn read(
    at: &At<'_>,
    raw: &Queue,
    exporter: &mut Exporter,
    extensions: &mut Extensions,
    findings: &mut Findings,
) {
    let mut count = |key: &str, given: Option<u64>| {
        if given == Some(0) {
            let key = format!("sending_queue.{key}");
            findings.error(at, &key, "must be greater than zero");
        }
    };
    count("num_consumers", raw.num_consumers.map(|count| count as u64));
    count("queue_size", raw.queue_size);
    if let Some(consumers) = raw.num_consumers {
        exporter.batches_in_flight = consumers;
    }
    if let Some(name) = raw.storage.as_deref().filter(|name| !name.is_empty()) {
        extensions.keeps_queue_of(at, name, findings);
    }
    exporter.queue_limit = held(at, raw, findings);
}

fn held(at: &At<'_>, raw: &Queue, findings: &mut Findings) -> Option<QueueLimit> {
    let blocks = raw.block_on_overflow == Some(true);
    let mut idle = |key: &str, reason: &str| {
        let message = format!("has no effect here: {reason}");
        findings.warn(at, &format!("sending_queue.{key}"), message);
    };
    match raw.queue_size {
        Some(_) if blocks => {
            idle(
                "queue_size",
                "with block_on_overflow senders wait when the whole log is full, and an exporter has no limit of its own",
            );
            None
        }
        Some(size) => {
            let message = "means something else here: beyond it the oldest that the exporter has not read is dropped, \
                           and counted, and not the newest";
            findings.note(at, "sending_queue.queue_size", message);
            Some(match raw.sizer.unwrap_or_default() {
                Sizer::Requests => QueueLimit::Requests(size),
                Sizer::Items => QueueLimit::Items(size),
                Sizer::Bytes => QueueLimit::Bytes(size),
            })
        }
        None => {
            if raw.sizer.is_some() {
                idle(
                    "sizer",
                    "there is no queue_size, and so no limit but the log's",
                );
            }
            None
        }
    }
}
