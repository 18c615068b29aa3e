//! The Collector's names for what the receiver counts left of the ack, and for what its logs hold.
//!
//! The queue of an exporter is what our log holds for it. Where the exporter has a limit of its own, `sending_queue.queue_size`,
//! size and capacity are in its unit, as in a Collector; otherwise they are bytes, as with `sizer: bytes`, and the capacity is
//! what the signal's part of the disk (or of the memory, for a log in memory) allows. So an alert on their ratio says what
//! it always said.
//!
//! *Invariant:* nothing is counted here.

use crate::metrics::{Counts, Entrance};
use crate::shard::Shared;
use metrics::{counter, gauge};
use penstock_batcher::Budgets;
use penstock_batcher::ledger::Line;
use penstock_metrics::otelcol;
use penstock_otlp::Signal;
use penstock_settings::QueueLimit;
use std::collections::BTreeMap;

#[cfg(test)]
mod tests;

/// Gives every name its help text.
pub(crate) fn describe() {
    penstock_metrics::describe(otelcol::RECEIVER.iter().copied().flatten());
}

/// Brings all of them up to date.
#[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
pub(crate) fn publish(shared: &Shared) {
    for entrance in &shared.counts.entrances {
        receiver(entrance);
    }
    for signal in Signal::ALL {
        limiter(&shared.counts, signal);
    }
    for ((signal, exporter), queue) in queues(&shared.ledger.lines()) {
        let logs = shared.logs[signal.index()].as_ref();
        let (used, limit) = logs.map_or((0, 0), Budgets::backlog);
        let labels = [
            ("exporter", exporter.to_owned()),
            ("data_type", signal.name().to_owned()),
        ];
        let bytes = queue.bytes(used);
        let limited = limited(shared, signal, exporter, queue.held, bytes);
        let (size, capacity) = limited.unwrap_or((bytes, limit as f64));
        gauge!(otelcol::QUEUE_SIZE.name, &labels).set(size);
        gauge!(otelcol::QUEUE_CAPACITY.name, &labels).set(capacity);
    }
}

/// Size and capacity of the queue of an exporter that has a limit of its own.
fn limited(
    shared: &Shared,
    signal: Signal,
    exporter: &str,
    held: u64,
    bytes: f64,
) -> Option<(f64, f64)> {
    let plan = &shared.plan;
    let (_, settings) = plan
        .settings
        .exporters
        .iter()
        .find(|(id, _)| id.0 == exporter)?;
    let limit = settings.queue_limit?;
    let feeds = plan.feeds.iter().filter(|feed| feed.signal == signal);
    let targets = feeds.flat_map(|feed| &feed.targets);
    let targets: Vec<_> = targets
        .filter(|target| target.exporter.0 == exporter)
        .collect();
    // Each reader of a log has the limit.
    let readers = targets.len() * shared.shards;
    let each = targets.first()?.batch.send_batch_size;
    Some(in_unit(limit, readers, each, held, bytes))
}

/// The same from the numbers; a request is `each` items.
#[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
fn in_unit(limit: QueueLimit, readers: usize, each: usize, held: u64, bytes: f64) -> (f64, f64) {
    let (size, one) = match limit {
        QueueLimit::Requests(requests) => (held as f64 / each.max(1) as f64, requests),
        QueueLimit::Items(items) => (held as f64, items),
        QueueLimit::Bytes(limit) => (bytes, limit),
    };
    (size, one as f64 * readers as f64)
}

fn receiver(entrance: &Entrance) {
    let at = entrance.signal.index();
    let labels = [
        ("receiver", entrance.receiver.clone()),
        ("transport", entrance.transport.label().to_owned()),
    ];
    let accepted = entrance.accepted_items.get();
    counter!(otelcol::RECEIVER_ACCEPTED[at].name, &labels).absolute(accepted);
    counter!(otelcol::RECEIVER_REFUSED[at].name, &labels).absolute(entrance.refused());
    // Our own failures end the process. It is there because alerts ask for it.
    counter!(otelcol::RECEIVER_FAILED[at].name, &labels).absolute(0);
}

/// Admission is what the `memory_limiter` of a file became, over all receivers.
fn limiter(counts: &Counts, signal: Signal) {
    let entrances = counts.entrances.iter();
    let of_signal = entrances.filter(|entrance| entrance.signal == signal);
    let (accepted, refused) = of_signal.fold((0, 0), |(accepted, refused), entrance| {
        let (more, less) = (entrance.accepted_items.get(), entrance.limited());
        (accepted + more, refused + less)
    });
    let labels = [("processor", otelcol::LIMITER_PROCESSOR)];
    counter!(otelcol::LIMITER_ACCEPTED[signal.index()].name, &labels).absolute(accepted);
    counter!(otelcol::LIMITER_REFUSED[signal.index()].name, &labels).absolute(refused);
}

/// What is held for one exporter of one signal, over all its pipelines.
#[derive(Debug, Default, PartialEq, Eq)]
struct Queue {
    held: u64,
    /// The most that any exporter of the signal holds.
    most_held: u64,
}

impl Queue {
    /// The slowest exporter holds all that is in use; the others hold their part of it.
    #[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
    fn bytes(&self, used: u64) -> f64 {
        if self.most_held == 0 {
            return 0.0;
        }
        used as f64 * self.held as f64 / self.most_held as f64
    }
}

fn queues(lines: &[Line]) -> BTreeMap<(Signal, &str), Queue> {
    let mut all: BTreeMap<(Signal, &str), Queue> = BTreeMap::new();
    for line in lines {
        let Some(signal) = Signal::from_name(&line.signal) else {
            continue;
        };
        all.entry((signal, &line.exporter)).or_default().held += line.held;
    }
    for signal in Signal::ALL {
        let of_signal = || all.iter().filter(move |((of, _), _)| *of == signal);
        let most = of_signal().map(|(_, queue)| queue.held).max().unwrap_or(0);
        for (_, queue) in all.iter_mut().filter(|((of, _), _)| *of == signal) {
            queue.most_held = most;
        }
    }
    all
}
