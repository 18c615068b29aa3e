//! The ledger: for each signal and exporter, `accepted = delivered + rejected + dropped + held`.
//!
//! The logs do the counting, each under its own lock; the ledger only knows them and adds them up.
//!
//! *Invariant:* `held` is counted from the blocks, so a path that loses items without counting them breaks the law in
//! plain sight.

use crate::fate::Fate;
use crate::health::Health;
use crate::log::blocks::{Blocks, Counts, Snapshot};
use crate::metrics::{self, LogGauges};
use penstock_otlp::Signal;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// Counts shared by all shards of a process.
#[derive(Debug, Default)]
pub struct Ledger {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    logs: Vec<Arc<Blocks>>,
    /// What was in the books of logs when they were opened: done by processes before this one.
    before: Fate,
}

/// What became of items in this process, whatever the books have of earlier ones: over all signals and exporters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Here {
    /// At their end: delivered, rejected or dropped.
    pub settled: u64,
    /// Lost on purpose by a policy.
    pub dropped: u64,
    /// Another receiver took them over.
    pub handed_over: u64,
    /// Ours, not yet delivered, whoever accepted them.
    pub held: u64,
}

/// One line of the ledger. `held` is counted from what the log really holds, never computed from the others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Line {
    /// `traces`, `metrics`, `logs`.
    pub signal: String,
    /// Pipeline id.
    pub pipeline: String,
    /// Exporter id.
    pub exporter: String,
    /// Items acked to senders since the cursor exists.
    pub accepted: u64,
    /// The backend said yes.
    pub delivered: u64,
    /// The backend will never take them.
    pub rejected: u64,
    /// Lost on purpose by a policy.
    pub dropped: u64,
    /// Ours, not yet delivered.
    pub held: u64,
    /// Sent again after a failure (not part of the law).
    pub retried: u64,
    /// Of the delivered: those that another receiver took over (not part of the law).
    pub handed_over: u64,
    /// Age of the oldest held item in milliseconds.
    pub oldest_held_ms: u64,
}

impl Line {
    /// The law.
    #[must_use]
    pub fn balances(&self) -> bool {
        self.accepted == self.delivered + self.rejected + self.dropped + self.held
    }

    fn add(&mut self, counts: &Counts, now: Instant) {
        let age = counts
            .since
            .map_or(0, |since| now.saturating_duration_since(since).as_millis());
        self.accepted += counts.accepted;
        self.delivered += counts.fates.delivered;
        self.rejected += counts.fates.rejected;
        self.dropped += counts.fates.dropped;
        self.held += counts.held;
        self.retried += counts.retried;
        self.handed_over += counts.fates.handed_over;
        self.oldest_held_ms = self
            .oldest_held_ms
            .max(u64::try_from(age).unwrap_or(u64::MAX));
    }
}

impl Ledger {
    /// An empty ledger; logs add their cursors' lines.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Every line now, shards summed, in order of signal, pipeline, exporter.
    ///
    /// Each shard's counts are of one moment, so the law holds for each line even under load.
    #[must_use]
    pub fn lines(&self) -> Vec<Line> {
        lines(&self.snapshots())
    }

    /// Items accepted for a signal since the start, whatever the exporters.
    #[must_use]
    pub fn accepted(&self, signal: Signal) -> u64 {
        let logs = self.snapshots();
        logs.iter()
            .filter(|(log, _)| log.signal == signal)
            .map(|(_, now)| now.accepted)
            .sum()
    }

    /// How each exporter is, in the order of the lines.
    #[must_use]
    pub fn health(&self) -> Vec<Health> {
        let logs = self.snapshots();
        let now = Instant::now();
        let told = |line: Line| {
            let of_signal = logs
                .iter()
                .filter(|(log, _)| log.signal.name() == line.signal);
            let readers = of_signal.flat_map(|(log, _)| log.readers());
            let readers = readers.filter(|reader| {
                reader.pipeline == line.pipeline && reader.exporter == line.exporter
            });
            let mut health = Health {
                oldest_held_seconds: line.oldest_held_ms as f64 / 1000.0,
                held: line.held,
                ..Health::default()
            };
            readers.for_each(|reader| reader.condition.tell(&mut health, now));
            Health {
                signal: line.signal,
                pipeline: line.pipeline,
                exporter: line.exporter,
                ..health
            }
        };
        lines(&logs).into_iter().map(told).collect()
    }

    /// Sets the gauges that follow the ledger; call it before metrics are rendered.
    pub fn publish(&self) {
        let logs = self.snapshots();
        for line in lines(&logs) {
            metrics::publish_line(&line);
        }
        for signal in Signal::ALL {
            let of_signal: Vec<_> = logs
                .iter()
                .filter(|(log, _)| log.signal == signal)
                .collect();
            let Some((any, _)) = of_signal.first() else {
                continue;
            };
            let mut gauges = LogGauges {
                disk_limit: any.budgets().disk.limit(),
                ..LogGauges::default()
            };
            for (_, now) in &of_signal {
                // What is held for one cursor is held for others too, or done with.
                gauges.items += now.cursors.iter().map(|c| c.held).max().unwrap_or(0);
                gauges.bytes += now.cursors.iter().map(|c| c.held_bytes).max().unwrap_or(0);
                gauges.disk_bytes += now.disk_bytes;
                gauges.segments += now.segments;
            }
            metrics::publish_log(signal, &gauges);
        }
    }

    /// What was done since the process began.
    #[must_use]
    pub fn here(&self) -> Here {
        let state = self.state();
        let (mut done, mut held) = (Fate::default(), 0);
        for log in &state.logs {
            let now = log.snapshot();
            done += fates(&now);
            held += now.cursors.iter().map(|cursor| cursor.held).sum::<u64>();
        }
        done -= state.before;
        Here {
            settled: done.delivered + done.rejected + done.dropped,
            dropped: done.dropped,
            handed_over: done.handed_over,
            held,
        }
    }

    /// A log as it was opened, before anything became of what it holds.
    pub(crate) fn add(&self, log: Arc<Blocks>) {
        let mut state = self.state();
        state.before += fates(&log.snapshot());
        state.logs.push(log);
    }

    /// `own` takes over the counts of `done`, which is at its end: in one step for whoever reads the lines.
    pub(crate) fn carry(&self, own: &Blocks, done: &Arc<Blocks>) {
        let mut state = self.state();
        own.carry(done);
        state.logs.retain(|log| !Arc::ptr_eq(log, done));
    }

    fn snapshots(&self) -> Vec<(Arc<Blocks>, Snapshot)> {
        let snapshot = |log: &Arc<Blocks>| (Arc::clone(log), log.snapshot());
        self.state().logs.iter().map(snapshot).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Of all cursors of a log, those that are gone too.
fn fates(now: &Snapshot) -> Fate {
    let retired = now.retired.iter().map(|(_, _, counts)| counts);
    let mut sum = Fate::default();
    for counts in now.cursors.iter().chain(retired) {
        sum += counts.fates;
    }
    sum
}

fn lines(logs: &[(Arc<Blocks>, Snapshot)]) -> Vec<Line> {
    let now = Instant::now();
    let mut lines = BTreeMap::new();
    for (log, snapshot) in logs {
        let readers = log.readers().iter();
        let readers = readers.map(|reader| (&reader.pipeline, &reader.exporter));
        let served = readers.zip(&snapshot.cursors);
        let retired = snapshot.retired.iter();
        let retired = retired.map(|(pipeline, exporter, counts)| ((pipeline, exporter), counts));
        for ((pipeline, exporter), counts) in served.chain(retired) {
            let line = lines
                .entry((log.signal, pipeline, exporter))
                .or_insert_with(|| Line {
                    signal: log.signal.name().to_owned(),
                    pipeline: pipeline.clone(),
                    exporter: exporter.clone(),
                    ..Line::default()
                });
            line.add(counts, now);
        }
    }
    lines.into_values().collect()
}
