//! One log: its blocks and where its cursors are, whether it is kept in memory or on disk.
//!
//! One lock holds all of it and is taken for moments only; a log belongs to one shard, so only the ledger's readers
//! ever compete for it. As every count moves under this lock, the ledger's law holds at any moment.
//!
//! A log on disk is the same one with a [`Writer`](super::writer) beside it: what is appended can be read by cursors and is
//! acked once it is written, and written blocks may be let go from memory, to be read back when a cursor comes to them.
//!
//! *Invariant:* a block stays until every cursor is past it, whatever becomes of the blocks before it; its bytes return to
//! the budget when nobody has it in memory any more. Nothing is appended after [`Blocks::close`].

pub(crate) mod disk;
mod fetch;
mod loss;
mod reclaim;
mod settle;
mod state;
mod writing;

use super::block::{Ack, BlockLimits, OpenBlock};
use super::format::Totals;
use super::helper::Helper;
use super::position::Position;
use super::room::Budgets;
use super::segments::Segments;
use super::{AppendError, Request};
use crate::batch::{Ahead, Load, Rule, Run};
use crate::fate::Fate;
use crate::health::Condition;
use crate::metrics::{CursorMetrics, LogMetrics};
use disk::OnDisk;
use loss::{Loss, Untold};
use penstock_otlp::Signal;
use penstock_runtime::Tasks;
pub(crate) use state::Window;
use state::{Next, State};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until, timeout_at};

#[cfg(test)]
mod tests;

/// Batches of one cursor that may wait outside the window. Each is a line of the books.
const MAX_PARKED: usize = 100;

/// A log that is opened when it is first needed.
pub(crate) type OnceOpened = Arc<tokio::sync::OnceCell<Arc<Blocks>>>;

/// What a reader gets.
#[derive(Debug)]
pub(crate) enum Read<'a> {
    /// The next batches, and the rule that they are made by.
    Run(Run, &'a Rule),
    /// They are due, but there is no memory for them: to be asked for again a little later.
    Starved,
}

/// Who reads the log, and when its batches go.
#[derive(Debug)]
pub(crate) struct Reader {
    pub(crate) pipeline: String,
    pub(crate) exporter: String,
    pub(crate) rule: Rule,
    /// What may be unread before the oldest of it is dropped.
    pub(crate) limit: Option<Ahead>,
    pub(crate) metrics: CursorMetrics,
    pub(crate) condition: Condition,
    untold: Mutex<Untold>,
}

impl Reader {
    pub(crate) fn new(
        signal: Signal,
        pipeline: &str,
        exporter: &str,
        rule: Rule,
        limit: Option<Ahead>,
    ) -> Self {
        Self {
            pipeline: pipeline.to_owned(),
            exporter: exporter.to_owned(),
            rule,
            limit,
            metrics: CursorMetrics::new(signal, pipeline, exporter),
            condition: Condition::default(),
            untold: Mutex::default(),
        }
    }
}

/// What a log needs to know of itself.
#[derive(Debug)]
pub(crate) struct Nature {
    pub(crate) signal: Signal,
    pub(crate) log_id: String,
    pub(crate) block_bytes: usize,
    pub(crate) budgets: Budgets,
    pub(crate) max_hold: Duration,
}

/// The log of one signal and shard.
pub(crate) struct Blocks {
    pub(crate) signal: Signal,
    pub(crate) log_id: String,
    readers: Vec<Reader>,
    state: Mutex<State>,
    wakes: Vec<Notify>,
    reading: watch::Sender<usize>,
    pub(crate) metrics: LogMetrics,
    budgets: Budgets,
    max_hold: Duration,
    /// What was there when it was opened.
    opened_at: Totals,
    files: Option<Files>,
}

/// What a log on disk has beside its state.
#[derive(Debug)]
pub(crate) struct Files {
    pub(crate) segments: Arc<Segments>,
    pub(crate) path: PathBuf,
    pub(crate) helper: Helper,
    pub(crate) tasks: Tasks,
    /// Wakes the writer.
    pub(crate) work: Notify,
    /// The writer has written its last.
    pub(crate) finished: watch::Sender<bool>,
    /// Version of the books that is durable.
    pub(crate) durable: watch::Sender<u64>,
}

/// One cursor's counts, all of the same moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    pub(crate) accepted: u64,
    pub(crate) fates: Fate,
    pub(crate) retried: u64,
    /// From the blocks, not from the other counts.
    pub(crate) held: u64,
    pub(crate) held_bytes: u64,
    pub(crate) since: Option<Instant>,
}

/// A log's counts, all of the same moment.
#[derive(Debug)]
pub(crate) struct Snapshot {
    /// Since it was opened.
    pub(crate) accepted: u64,
    /// In the order of the readers.
    pub(crate) cursors: Vec<Counts>,
    /// Cursors without an exporter: whose, and what they counted.
    pub(crate) retired: Vec<(String, String, Counts)>,
    pub(crate) disk_bytes: u64,
    pub(crate) segments: u64,
}

impl fmt::Debug for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocks")
            .field("log_id", &self.log_id)
            .field("readers", &self.readers)
            .finish_non_exhaustive()
    }
}

impl Drop for Blocks {
    fn drop(&mut self) {
        let cursors = &self.budgets.cursors;
        cursors.fetch_sub(self.readers.len(), Ordering::Relaxed);
    }
}

impl Blocks {
    /// A log in memory, empty.
    pub(crate) fn in_memory(nature: Nature, readers: Vec<Reader>) -> Self {
        let positions = readers
            .iter()
            .map(|r| Position::new(r.rule.clone(), r.limit, Totals::default()))
            .collect();
        Self::new(nature, readers, positions, None)
    }

    /// A log whose cursors are at `positions`. With `disk`, it goes on after what is written there.
    pub(crate) fn new(
        nature: Nature,
        readers: Vec<Reader>,
        positions: Vec<Position>,
        disk: Option<(OnDisk, Files)>,
    ) -> Self {
        // Blocks fit every reader's batches, so that only a request alone beyond a limit has to be cut.
        let limits = BlockLimits {
            bytes: readers
                .iter()
                .map(|r| r.rule.max_bytes)
                .fold(nature.block_bytes, usize::min),
            items: readers
                .iter()
                .map(|r| r.rule.max_items)
                .fold(usize::MAX, usize::min),
        };
        let cursors = &nature.budgets.cursors;
        cursors.fetch_add(readers.len(), Ordering::Relaxed);
        let (disk, files) = disk.unzip();
        let opened_at = disk.as_ref().map_or_else(Totals::default, |d| d.written);
        let state = State {
            open: OpenBlock::new(opened_at, limits),
            sealed: BTreeMap::new(),
            positions,
            // What nobody reads would never leave.
            closed: readers.is_empty(),
            disk,
        };
        Self {
            signal: nature.signal,
            log_id: nature.log_id,
            state: Mutex::new(state),
            wakes: readers.iter().map(|_| Notify::new()).collect(),
            reading: watch::Sender::new(readers.len()),
            metrics: LogMetrics::new(nature.signal),
            budgets: nature.budgets,
            max_hold: nature.max_hold,
            opened_at,
            readers,
            files,
        }
    }

    pub(crate) fn readers(&self) -> &[Reader] {
        &self.readers
    }

    pub(crate) fn files(&self) -> Option<&Files> {
        self.files.as_ref()
    }

    pub(crate) fn budgets(&self) -> &Budgets {
        &self.budgets
    }

    /// Appends a request; resolves when it is as durable as it should be, for a log in memory at once.
    pub(crate) async fn append(&self, request: Request) -> Result<(), AppendError> {
        if request.items == 0 {
            let closed = self.lock().closed;
            return if closed {
                Err(AppendError::Closed)
            } else {
                Ok(())
            };
        }
        let mut request = match self.try_append(request)? {
            Ok(None) => return Ok(()),
            Ok(Some(ack)) => return written(&ack).await,
            Err(full) => full,
        };
        // Nothing is copied while it waits: its sender is held, and refused last.
        let until = Instant::now() + self.max_hold;
        let room = &self.budgets.disk;
        let _wanting = room.want(OnDisk::need(request.body.len()));
        loop {
            let freed = room.freed.notified();
            request = match self.try_append(request)? {
                Ok(None) => return Ok(()),
                Ok(Some(ack)) => return written(&ack).await,
                Err(full) => full,
            };
            room.pressed.notify_waiters();
            if timeout_at(until, freed).await.is_err() {
                return Err(AppendError::Full);
            }
        }
    }

    /// Gives what the request has to wait for, or the request when there is no room for it.
    fn try_append(
        &self,
        request: Request,
    ) -> Result<Result<Option<Arc<Ack>>, Request>, AppendError> {
        let items = request.items as u64;
        let mut state = self.lock();
        if state.closed {
            return Err(AppendError::Closed);
        }
        let before = state.open.begin().seq;
        let empty = state.open.since().is_none();
        let need = OnDisk::need(request.body.len());
        if let Some(disk) = &mut state.disk {
            if disk.is_failing() || !self.budgets.disk.has(need) {
                return Ok(Err(request));
            }
            disk.share.grow(need);
            let ack = state.append(request);
            let news = empty || state.open.begin().seq != before;
            drop(state);
            if let (true, Some(files)) = (news, &self.files) {
                files.work.notify_one();
            }
            return Ok(Ok(ack));
        }
        let end = state.end();
        let mut losses = Vec::new();
        state.append(request);
        self.wake_readers(&mut state, end, &mut losses);
        drop(state);
        self.tell(losses);
        self.metrics.accepted.increment(items);
        Ok(Ok(None))
    }

    /// There is more to read than there was at `before`.
    fn wake_readers(
        &self,
        state: &mut State,
        before: Totals,
        losses: &mut Vec<Loss>,
    ) -> Vec<(usize, state::Fetch)> {
        let mut fetches = Vec::new();
        let now = state.end();
        for (reader, wake) in self.wakes.iter().enumerate() {
            let position = &state.positions[reader];
            if position
                .rule
                .wakes(position.ahead(before), position.ahead(now))
            {
                wake.notify_one();
            }
            if state.exceeds(reader) {
                let first = state.positions[reader].read().seq;
                let fetch = state.trim(reader, &self.budgets, losses);
                fetches.extend(fetch.map(|fetch| (reader, fetch)));
                let read = state.positions[reader].read().seq;
                // Small, or the log is not in trouble; and whoever waits for memory is only woken by this.
                drop(state.release(first..=read));
            }
        }
        fetches
    }

    /// Takes nothing more; what there is goes at once.
    pub(crate) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        for position in &mut state.positions {
            position.hurry();
        }
        drop(state);
        for wake in &self.wakes {
            wake.notify_one();
        }
        if let Some(files) = &self.files {
            files.work.notify_one();
            self.budgets.disk.freed.notify_waiters();
        }
    }

    /// The next batches for a reader, when they are due; `None` when nothing will come any more.
    ///
    /// # Cancel safety
    /// Nothing is read unless it is returned.
    pub(crate) async fn next(self: &Arc<Self>, reader: usize, window: Window) -> Option<Read<'_>> {
        loop {
            let mut losses = Vec::new();
            let next = self.lock().next(reader, window, &self.budgets, &mut losses);
            if !losses.is_empty() {
                self.tell(losses);
                self.wake_writer();
            }
            let at = match next {
                Next::Run(run) => {
                    self.wake_writer();
                    return Some(Read::Run(run, &self.readers[reader].rule));
                }
                Next::Starved => return Some(Read::Starved),
                Next::End => return None,
                Next::Fetch(fetch) => {
                    self.fetch(reader, fetch);
                    continue;
                }
                Next::Wait(at) => at,
            };
            let woken = self.wakes[reader].notified();
            match at {
                Some(at) => tokio::select! {
                    () = woken => {}
                    () = sleep_until(at) => {}
                },
                None => woken.await,
            }
        }
    }

    /// The batches of a run.
    pub(crate) fn batches(&self, run: Run, rule: &Rule) -> Vec<Load> {
        run.batches(self.signal, &self.log_id, rule)
    }

    /// The reader reads no more. What a log in memory holds for it is dropped: tells how much that is. A log on disk keeps it.
    pub(crate) fn end(&self, reader: usize) -> u64 {
        let mut state = self.lock();
        state.closed = true;
        let (mut dropped, mut released) = (0, Vec::new());
        if state.disk.is_some() {
            state.positions[reader].ended = true;
        } else {
            state.seal();
            let end = state.open.begin();
            dropped = state.positions[reader].abandon(end);
            released = state.release(0..=end.seq);
        }
        drop(state);
        drop(released);
        self.tell_rest(reader);
        self.reading.send_modify(|reading| *reading -= 1);
        if self.files.is_some() {
            self.wake_writer();
            self.budgets.disk.freed.notify_waiters();
        }
        dropped
    }

    /// Whether no reader reads any more.
    pub(crate) fn is_unread(&self) -> bool {
        *self.reading.borrow() == 0
    }

    /// Resolves when every reader has ended and the last books are written.
    pub(crate) async fn ended(&self) {
        let mut reading = self.reading.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let _ended = reading.wait_for(|reading| *reading == 0).await.is_ok();
        if let Some(files) = &self.files {
            let mut finished = files.finished.subscribe();
            let _finished = finished.wait_for(|finished| *finished).await.is_ok();
        }
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let state = self.lock();
        let end = state.end();
        let count = |position: &Position| Counts {
            accepted: position.accepted(end),
            fates: position.fates,
            retried: position.retried,
            held: position.held(end),
            held_bytes: position.held_bytes(end),
            since: state.since(position),
        };
        let disk = state.disk.as_ref();
        Snapshot {
            accepted: end.items - self.opened_at.items,
            cursors: state.positions.iter().map(count).collect(),
            retired: disk.map_or_else(Vec::new, OnDisk::retired_counts),
            disk_bytes: disk.map_or(0, |disk| disk.share.bytes()),
            segments: disk.map_or(0, |disk| disk.segments.list().len() as u64),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn written(ack: &Ack) -> Result<(), AppendError> {
    if ack.wait().await {
        Ok(())
    } else {
        Err(AppendError::Closed)
    }
}
