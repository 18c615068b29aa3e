//! Opens the logs of one signal of one receiver in one shard: its own, those it adopts, and those of other receivers' data.
//!
//! *Invariant:* whichever way a log came to be opened, it has the cursors of the configuration, a line in the ledger and a
//! writer, and its end is waited for.

use super::block::Clock;
use super::blocks::disk::{OnDisk, Writing};
use super::blocks::{Blocks, Files, Nature, OnceOpened, Reader};
use super::disk::Disk;
use super::folders::{Folder, Folders, escaped};
use super::format::Lost;
use super::helper::Helper;
use super::restore::Restored;
use super::room::Share;
use super::segments::Segments;
use super::store::{Recovered, Store, StoreLimits};
use super::writer::Writer;
use super::{AppendError, LogOptions, OpenError};
use crate::batch::{Ahead, Rule};
use crate::cursor::Cursor;
use crate::fate::DropReason;
use crate::metrics::CursorMetrics;
use crate::{CursorSettings, Ledger};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use penstock_hop::Transport;
use penstock_runtime::{Drain, Phase, Tasks};
use penstock_settings::{DiskLog, QueueLimit, SyncPolicy};
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::{Notify, watch};

/// A segment is at most this part (one over it) of what a log may have, so that what is done with goes soon.
const SEGMENT_PART: u64 = 4;
/// And at least so large, whatever the settings say.
const SMALLEST_SEGMENT: u64 = 16 << 10;

/// What the logs of one feed have in common.
pub(super) struct Feed<T: Transport> {
    pub(super) options: LogOptions,
    pub(super) cursors: Vec<CursorSettings<T>>,
    pub(super) ledger: Arc<Ledger>,
    pub(super) tasks: Tasks,
    pub(super) drain: Drain,
    pub(super) place: Option<Place>,
    /// Logs beside the shard's own that are open.
    pub(super) others: watch::Sender<usize>,
    handed: Mutex<BTreeMap<(String, String), OnceOpened>>,
}

/// Where a feed's logs are on disk.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) helper: Helper,
    pub(super) settings: DiskLog,
    /// The folder of the receiver's signal.
    pub(super) root: PathBuf,
}

/// Which cursors a log has.
#[derive(Clone, Copy, Debug)]
pub(super) enum Whose<'a> {
    All,
    /// One pipeline's exporter.
    One(&'a str, &'a str),
}

/// What a folder held, and the store to go on with.
struct Opened {
    folder: Folder,
    store: Store,
    segments: Arc<Segments>,
    recovered: Recovered,
    /// Logs that were carried into this one when the process ended: their books and folders.
    leftovers: Vec<Leftover>,
}

/// A log whose counts this one has, or is to have.
pub(super) struct Leftover {
    pub(super) folder: Folder,
    pub(super) recovered: Recovered,
}

impl Leftover {
    /// Whether its books say that every cursor is done with all of it.
    fn is_done(&self) -> bool {
        let Recovered {
            books, first, end, ..
        } = &self.recovered;
        let Some(books) = books else {
            return first.items == end.items;
        };
        let mut cursors = books.cursors.iter().filter(|book| !book.retired);
        cursors.all(|book| book.in_flight.is_empty() && book.read_items >= end.items)
    }
}

/// The place of a log beside the shard's own, until it is dropped.
pub(super) struct Other<T: Transport>(Arc<Feed<T>>);

impl<T: Transport> Drop for Other<T> {
    fn drop(&mut self) {
        self.0.others.send_modify(|open| *open -= 1);
    }
}

impl<T: Transport> Feed<T> {
    pub(super) fn new(
        options: LogOptions,
        cursors: Vec<CursorSettings<T>>,
        ledger: &Arc<Ledger>,
        tasks: &Tasks,
        drain: &Drain,
        place: Option<Place>,
    ) -> Arc<Self> {
        Arc::new(Self {
            options,
            cursors,
            ledger: Arc::clone(ledger),
            tasks: tasks.clone(),
            drain: drain.clone(),
            place,
            others: watch::Sender::new(0),
            handed: Mutex::default(),
        })
    }

    /// Counts one more log beside the shard's own.
    pub(super) fn other(self: &Arc<Self>) -> Other<T> {
        self.others.send_modify(|open| *open += 1);
        Other(Arc::clone(self))
    }

    /// Opens the shard's own log.
    pub(super) async fn own(self: &Arc<Self>) -> Result<Arc<Blocks>, OpenError> {
        let Some(place) = &self.place else {
            return Ok(self.in_memory(Whose::All));
        };
        let folders = Folders::new(place.root.clone(), Arc::clone(&place.disk));
        let folder = place.helper.run(move || folders.claim()).await?;
        let (blocks, writer) = self.open(folder, Whose::All).await?;
        let feed = Arc::clone(self);
        self.tasks.spawn("log writer", async move {
            let (folder, _) = writer.run().await;
            // Other logs are carried into this folder.
            feed.others_ended().await;
            drop(folder);
        });
        Ok(blocks)
    }

    fn settings<'a>(&'a self, whose: Whose<'a>) -> impl Iterator<Item = &'a CursorSettings<T>> {
        self.cursors.iter().filter(move |cursor| match whose {
            Whose::All => true,
            Whose::One(pipeline, exporter) => {
                cursor.pipeline == pipeline && cursor.exporter == exporter
            }
        })
    }

    fn readers(&self, whose: Whose<'_>) -> Vec<Reader> {
        let reader = |cursor: &CursorSettings<T>| {
            let rule = Rule::new(&cursor.batch);
            let limit = cursor
                .queue_limit
                .map(|limit| limit_of(limit, &cursor.batch));
            Reader::new(
                self.options.signal,
                &cursor.pipeline,
                &cursor.exporter,
                rule,
                limit,
            )
        };
        self.settings(whose).map(reader).collect()
    }

    fn nature(&self, log_id: String) -> Nature {
        Nature {
            signal: self.options.signal,
            log_id,
            block_bytes: self.options.settings.block_bytes,
            budgets: self.options.budgets.clone(),
            max_hold: self.options.max_hold,
        }
    }

    fn in_memory(&self, whose: Whose<'_>) -> Arc<Blocks> {
        let readers = self.readers(whose);
        let blocks = Arc::new(Blocks::in_memory(self.nature(self.new_id()), readers));
        self.begin(&blocks, whose);
        blocks
    }

    /// Opens the log in a folder. Its writer still has to be run.
    pub(super) async fn open(
        self: &Arc<Self>,
        folder: Folder,
        whose: Whose<'_>,
    ) -> Result<(Arc<Blocks>, Writer), OpenError> {
        let Some(place) = &self.place else {
            return Err(OpenError("no place for a log on disk".into()));
        };
        let (disk, limits) = (Arc::clone(&place.disk), self.limits(&place.settings));
        let signal = self.options.signal;
        let open = move || open(folder, &disk, limits, signal);
        let opened = place.helper.run(open).await?;
        let readers = self.readers(whose);
        let start = self.options.settings.new_exporter;
        let mut restored = Restored::new(&opened.recovered, &readers, start);
        self.tell(&opened, &restored);
        for leftover in &opened.leftovers {
            let id = &leftover.recovered.log_id;
            if !restored.carried.contains(id) {
                let books = leftover.recovered.books.clone().unwrap_or_default();
                restored.carry(&books, &readers);
                restored.carried.push(id.clone());
            }
        }
        let mut names = readers.iter();
        let names = names
            .by_ref()
            .map(|reader| (reader.pipeline.clone(), reader.exporter.clone()));
        let mut state = OnDisk::new(
            names.collect(),
            Arc::clone(&opened.segments),
            Clock::now(),
            Writing {
                sync: place.settings.sync,
                linger: place.settings.linger,
                on_full: place.settings.on_full,
            },
            opened.recovered.end,
            Share::new(&self.options.budgets.disk),
        );
        state.carry(restored.carried, restored.retired);
        let files = Files {
            segments: opened.segments,
            path: opened.folder.path.clone(),
            helper: place.helper,
            tasks: self.tasks.clone(),
            work: Notify::new(),
            finished: watch::Sender::new(false),
            durable: watch::Sender::new(0),
        };
        let blocks = Blocks::new(
            self.nature(opened.recovered.log_id),
            readers,
            restored.positions,
            Some((state, files)),
        );
        let blocks = Arc::new(blocks);
        self.begin(&blocks, whose);
        for leftover in opened.leftovers {
            let (feed, blocks) = (Arc::clone(self), Arc::clone(&blocks));
            self.tasks.spawn("log carried", async move {
                feed.forget(&blocks, leftover.folder, &leftover.recovered.log_id)
                    .await;
            });
        }
        let writer = Writer::new(
            Arc::clone(&blocks),
            opened.store,
            opened.folder,
            self.drain.clone(),
        );
        Ok((blocks, writer))
    }

    /// Enters a log into the ledger and starts its cursors.
    fn begin(&self, blocks: &Arc<Blocks>, whose: Whose<'_>) {
        self.ledger.add(Arc::clone(blocks));
        for (index, settings) in self.settings(whose).enumerate() {
            let (blocks, drain) = (Arc::clone(blocks), self.drain.clone());
            let cursor = Cursor::new(index, settings.clone(), blocks, drain);
            self.tasks.spawn("cursor", cursor.run());
        }
    }

    fn limits(&self, settings: &DiskLog) -> StoreLimits {
        let shards = u64::try_from(self.options.shards.max(1)).unwrap_or(1);
        let part = self.options.budgets.disk.limit() / shards / SEGMENT_PART;
        StoreLimits {
            segment_bytes: settings.segment_bytes.min(part.max(SMALLEST_SEGMENT)),
            keep_unsynced: settings.sync == SyncPolicy::Commit,
        }
    }

    /// What the disk did to the log, and what the configuration does.
    fn tell(&self, opened: &Opened, restored: &Restored) {
        let Recovered {
            log_id,
            lost,
            torn_bytes,
            ..
        } = &opened.recovered;
        let (signal, path) = (self.options.signal, opened.folder.path.display());
        if *torn_bytes > 0 {
            tracing::info!(%signal, log = %log_id, bytes = torn_bytes, %path, "torn end of the log cut off");
        }
        // Batches end out of order, and so do segments: what every cursor is past is missed by nobody.
        let is_missed = |lost: &&Lost| {
            let (first, end) = (*lost.seqs.start(), lost.seqs.end().saturating_add(1));
            restored.positions.iter().any(|at| !at.is_past(first, end))
        };
        for lost in lost.iter().filter(is_missed) {
            tracing::error!(%signal, log = %log_id, first_block = lost.seqs.start(), last_block = lost.seqs.end(),
                items = lost.items, why = ?lost.why, %path, "blocks of the log are lost");
        }
        for book in &restored.unlawful {
            tracing::error!(%signal, log = %log_id, ?book, %path, "books do not add up");
        }
        for (book, items) in &restored.removed {
            let metrics = CursorMetrics::new(signal, &book.pipeline, &book.exporter);
            metrics.dropped(DropReason::ExporterRemoved, *items);
            tracing::warn!(%signal, pipeline = %book.pipeline, exporter = %book.exporter,
                reason = DropReason::ExporterRemoved.name(), items, log = %log_id, %path,
                "exporter is gone from the configuration, what it had is dropped");
        }
    }

    /// An id that no other log has, of whatever shard, process or start.
    fn new_id(&self) -> String {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_nanos();
        let random = RandomState::new().hash_one(now);
        format!("{}-{now:x}-{random:016x}", self.options.signal)
    }

    async fn open_handed(
        self: &Arc<Self>,
        pipeline: &str,
        exporter: &str,
    ) -> Result<Arc<Blocks>, OpenError> {
        let whose = Whose::One(pipeline, exporter);
        let other = self.other();
        let Some(place) = &self.place else {
            let blocks = self.in_memory(whose);
            let memory = Arc::clone(&blocks);
            self.tasks.spawn("log", async move {
                memory.ended().await;
                drop(other);
            });
            return Ok(blocks);
        };
        let root = handed_root(&place.root).join(handed_name(pipeline, exporter));
        let folders = Folders::new(root, Arc::clone(&place.disk));
        let folder = place.helper.run(move || folders.claim()).await?;
        let (blocks, writer) = self.open(folder, whose).await?;
        self.tasks.spawn("log writer", async move {
            drop(writer.run().await);
            drop(other);
        });
        Ok(blocks)
    }
}

/// Opens logs for data of other receivers; what a [`Log`](super::Log) needs to know of its feed.
pub(super) trait Handed: Send + Sync {
    /// The log of one cursor, opened at its first need.
    fn log<'a>(
        self: Arc<Self>,
        pipeline: &'a str,
        exporter: &'a str,
    ) -> BoxFuture<'a, Result<Arc<Blocks>, AppendError>>;

    /// Resolves when no log is open beside the shard's own.
    fn others_ended(&self) -> BoxFuture<'_, ()>;
}

impl<T: Transport> Handed for Feed<T> {
    fn log<'a>(
        self: Arc<Self>,
        pipeline: &'a str,
        exporter: &'a str,
    ) -> BoxFuture<'a, Result<Arc<Blocks>, AppendError>> {
        async move {
            if self.settings(Whose::One(pipeline, exporter)).next().is_none() {
                return Err(AppendError::UnknownCursor {
                    pipeline: pipeline.to_owned(),
                    exporter: exporter.to_owned(),
                });
            }
            if self.drain.phase() >= Phase::Flushing {
                return Err(AppendError::Closed);
            }
            let cell = {
                let key = (pipeline.to_owned(), exporter.to_owned());
                let mut handed = self.handed.lock().unwrap_or_else(PoisonError::into_inner);
                Arc::clone(handed.entry(key).or_default())
            };
            let opened = cell.get_or_try_init(|| self.open_handed(pipeline, exporter));
            match opened.await {
                Ok(blocks) => Ok(Arc::clone(blocks)),
                Err(error) => {
                    tracing::error!(%error, pipeline, exporter, "log for handed-over data not opened");
                    Err(AppendError::Full)
                }
            }
        }
        .boxed()
    }

    fn others_ended(&self) -> BoxFuture<'_, ()> {
        async {
            let mut open = self.others.subscribe();
            // The sender lives in `self`, so waiting cannot fail.
            let _ended = open.wait_for(|open| *open == 0).await.is_ok();
        }
        .boxed()
    }
}

/// Blocking.
fn open(
    folder: Folder,
    disk: &Arc<dyn Disk>,
    limits: StoreLimits,
    signal: penstock_otlp::Signal,
) -> Result<Opened, OpenError> {
    let found = leftovers(&folder.path, disk, limits, signal)?;
    let (store, segments, recovered) = Store::open(&folder, Arc::clone(disk), limits, signal)?;
    let books = recovered.books.as_ref();
    let mut leftovers = Vec::new();
    for leftover in found {
        let id = &leftover.recovered.log_id;
        let carried = books.is_some_and(|books| books.carried.contains(id));
        match folder.path.parent() {
            // The machine stopped before its last books were durable: there is something left to do for it.
            Some(root) if !carried && !leftover.is_done() => {
                Folders::new(root.to_owned(), Arc::clone(disk)).put(leftover.folder)?;
            }
            _ => leftovers.push(leftover),
        }
    }
    Ok(Opened {
        folder,
        store,
        segments,
        recovered,
        leftovers,
    })
}

/// Logs that were moved into this one's folder to be carried. Blocking.
fn leftovers(
    path: &Path,
    disk: &Arc<dyn Disk>,
    limits: StoreLimits,
    signal: penstock_otlp::Signal,
) -> Result<Vec<Leftover>, OpenError> {
    let mut leftovers = Vec::new();
    let names = disk.list(path).unwrap_or_default();
    for name in names.iter().filter(|name| name.starts_with(CARRIED)) {
        let path = path.join(name);
        let has_segments = disk
            .list(&path)
            .is_ok_and(|names| names.iter().any(|name| name.ends_with(".seg")));
        // Without segments it is a quarantine that was left for a look.
        if has_segments {
            let folder = Folder::lock(path, Arc::clone(disk))?;
            let (_, _, recovered) = Store::open(&folder, Arc::clone(disk), limits, signal)?;
            leftovers.push(Leftover { folder, recovered });
        }
    }
    Ok(leftovers)
}

/// What the folder of a log to carry is called within the one that carries it.
pub(super) const CARRIED: &str = "carried-";

/// Where the logs of handed-over data are.
pub(super) fn handed_root(root: &Path) -> PathBuf {
    root.join("for")
}

/// The folder of the logs for one cursor.
pub(super) fn handed_name(pipeline: &str, exporter: &str) -> String {
    format!("{}+{}", escaped(pipeline), escaped(exporter))
}

fn limit_of(limit: QueueLimit, batch: &penstock_settings::Batch) -> Ahead {
    let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    let (items, bytes) = match limit {
        QueueLimit::Requests(requests) => {
            let each = batch.send_batch_size.max(1);
            (size(requests).saturating_mul(each), usize::MAX)
        }
        QueueLimit::Items(items) => (size(items), usize::MAX),
        QueueLimit::Bytes(bytes) => (usize::MAX, size(bytes)),
    };
    Ahead { items, bytes }
}
