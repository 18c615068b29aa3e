//! `sending_queue`: the queue is the receiver's log, so what is left is how much of it an exporter may hold.

use super::extensions::Extensions;
use super::findings::{At, Findings};
use crate::model::{Batch, Exporter, MAX_MESSAGE_BYTES, QueueLimit};
use crate::raw::common::{Queue, QueueBatch, Section, Sizer};

/// Fewer bytes, and hardly a request fits.
const LEAST_BATCH: usize = 1024;

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
    if let Section::Present(batch) = &raw.batch {
        exporter.batch = Some(batch_of(at, batch, raw, findings));
    }
}

/// The exporter's own batches, with exporterhelper's defaults. `max_bytes` is every pipeline's unless the sizer is bytes.
fn batch_of(at: &At<'_>, raw: &QueueBatch, queue: &Queue, findings: &mut Findings) -> Batch {
    const KEY: &str = "sending_queue.batch";
    let sizer = raw.sizer.unwrap_or(Sizer::Items);
    let (least, most) = (raw.min_size.unwrap_or(8192), raw.max_size.unwrap_or(0));
    let mut error =
        |key: &str, message: String| findings.error(at, &format!("{KEY}.{key}"), message);
    if most > 0 && most < least {
        error(
            "max_size",
            format!("must be greater or equal to `min_size`, which is {least}"),
        );
    }
    if let Some(size) = queue.queue_size
        && sizer == queue.sizer.unwrap_or_default()
        && least > size
    {
        error(
            "min_size",
            format!("must be less than or equal to `queue_size`, which is {size}"),
        );
    }
    let default = Batch::default();
    let mut batch = Batch {
        timeout: raw
            .flush_timeout
            .map_or(default.timeout, |timeout| timeout.0),
        ..default
    };
    let size = |size: u64| usize::try_from(size).unwrap_or(usize::MAX);
    match sizer {
        Sizer::Requests => error(
            "sizer",
            "requests cannot be counted once they are in a batch; use items or bytes".to_owned(),
        ),
        Sizer::Items => {
            batch.send_batch_size = size(least);
            batch.send_batch_max_size = size(most);
            batch.max_bytes = usize::MAX;
        }
        Sizer::Bytes => {
            // A batch grows up to its most: one of the least size would only be sent in more pieces.
            let (key, bytes) = if most > 0 {
                ("max_size", most)
            } else {
                ("min_size", least)
            };
            if size(bytes) < LEAST_BATCH || size(bytes) > MAX_MESSAGE_BYTES {
                error(
                    key,
                    format!("must be from {LEAST_BATCH} to {MAX_MESSAGE_BYTES} bytes"),
                );
            }
            batch.send_batch_size = usize::MAX;
            batch.max_bytes = size(bytes);
            let message = "means something else here: with `sizer: bytes` a batch goes when it has max_size (or, without one, \
                           min_size) bytes, or after flush_timeout";
            findings.note(at, &format!("{KEY}.min_size"), message);
        }
    }
    batch
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
