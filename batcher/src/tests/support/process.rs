//! Processes with a log on a simulated disk, one after the other or beside each other.

use super::{Bench, Scripted, cursor, options};
use crate::log::disk::sim::SimDisk;
use crate::log::helper::Helper;
use crate::{CursorSettings, Ledger, Log, LogOptions, OpenError, ledger::Line};
use penstock_runtime::{Budget, Drain, Tasks};
use penstock_settings::{DiskLog, LogSettings, OnFull, StartAt, Storage, SyncPolicy};
use std::future::Future;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Where the logs are.
pub(crate) const DIRECTORY: &str = "/data";
/// The folder of the only feed.
pub(crate) const FEED: &str = "/data/log/otlp/logs";

/// How a process keeps its log.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) files: DiskLog,
    pub(crate) block_bytes: usize,
    /// For this signal.
    pub(crate) disk_bytes: u64,
    pub(crate) memory_bytes: usize,
    pub(crate) new_exporter: StartAt,
    pub(crate) shard: usize,
    pub(crate) shards: usize,
    pub(crate) max_hold: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            files: DiskLog {
                directory: DIRECTORY.into(),
                max_bytes: 1 << 30,
                segment_bytes: 32 << 20,
                sync: SyncPolicy::Interval(Duration::from_secs(1)),
                linger: Duration::from_millis(1),
                on_full: OnFull::Hold,
            },
            block_bytes: 1 << 20,
            disk_bytes: 1 << 30,
            memory_bytes: 1 << 30,
            new_exporter: StartAt::Tail,
            shard: 0,
            shards: 1,
            max_hold: Duration::from_secs(8),
        }
    }
}

/// A process; it is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) bench: Bench,
    // Dropped last, with all its tasks.
    runtime: Runtime,
}

impl Deref for Process {
    type Target = Bench;

    fn deref(&self) -> &Bench {
        &self.bench
    }
}

impl Process {
    pub(crate) fn start(
        disk: &SimDisk,
        config: &Config,
        cursors: Vec<CursorSettings<Scripted>>,
    ) -> Self {
        Self::try_start(disk, config, cursors).unwrap()
    }

    pub(crate) fn try_start(
        disk: &SimDisk,
        config: &Config,
        cursors: Vec<CursorSettings<Scripted>>,
    ) -> Result<Self, OpenError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let (ledger, tasks, drain) = (Ledger::new(), Tasks::new(), Drain::new());
        let budget = Budget::new(config.memory_bytes, 1.0);
        let options = LogOptions {
            settings: LogSettings {
                block_bytes: config.block_bytes,
                storage: Storage::Disk(config.files.clone()),
                new_exporter: config.new_exporter,
            },
            budgets: crate::Budgets::new(Arc::clone(&budget), config.disk_bytes),
            shard: config.shard,
            shards: config.shards,
            max_hold: config.max_hold,
            ..options(config.block_bytes, &budget)
        };
        let disk = (disk.shared(), Helper::Inline);
        let open = Log::open_in(disk, options, cursors, &ledger, &tasks, &drain);
        let log = runtime.block_on(open)?;
        let bench = Bench {
            log,
            ledger,
            budget,
            tasks,
            drain,
        };
        Ok(Self { bench, runtime })
    }

    pub(crate) fn run<F: Future>(&self, work: impl FnOnce() -> F) -> F::Output {
        self.runtime.block_on(async { work().await })
    }

    /// Lets time go by.
    pub(crate) fn pass(&self, millis: u64) {
        self.run(|| super::pass(millis));
    }

    /// Appends items, each in a request of its own; all of them are acked.
    pub(crate) fn append(&self, ids: std::ops::Range<u64>) {
        self.run(|| async {
            for id in ids {
                self.bench.append(id..id + 1).await.unwrap();
            }
        });
    }

    /// Appends one request.
    pub(crate) fn append_one(&self, ids: std::ops::Range<u64>) {
        self.run(|| async { self.bench.append(ids).await.unwrap() });
    }

    /// The process ends in order.
    pub(crate) fn drain(self, within: Duration) -> Vec<Line> {
        self.run(|| self.bench.drain_within(within));
        self.ledger.lines()
    }
}

/// A cursor that sends every block at once.
pub(crate) fn eager(exporter: &str, transport: &Arc<Scripted>) -> CursorSettings<Scripted> {
    let mut settings = cursor(exporter, transport);
    settings.batch.send_batch_size = 1;
    settings
}

/// The segments of the feed's slot.
pub(crate) fn segments(disk: &SimDisk, slot: u64) -> Vec<PathBuf> {
    let folder = PathBuf::from(FEED).join(slot.to_string());
    let mut paths = disk.paths();
    paths.retain(|path| {
        path.parent() == Some(&folder) && path.extension().is_some_and(|e| e == "seg")
    });
    paths
}
