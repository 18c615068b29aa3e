//! Writes a log's blocks and books: one job at a time, on a helper thread, with everything that has gathered meanwhile.
//!
//! *Invariant:* those who wait are told on the log's own thread, one wake across threads for each job; a failed write is
//! tried again for as long as the log is in use, and its requests wait. The store is closed and its folder free once
//! [`Writer::run`] is over.

use super::blocks::Blocks;
use super::blocks::disk::{Job, Step};
use super::folders::Folder;
use super::store::{Store, StoreError, SyncJob, Synced};
use crate::metrics::DiskFault;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use penstock_runtime::{Drain, Phase};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::futures::Notified;

/// Failures in a row after which a log that nobody reads any more is left as it is.
const LAST_TRIES: u32 = 3;

/// The writer of one log.
pub(crate) struct Writer {
    blocks: Arc<Blocks>,
    drain: Drain,
    /// Away while a job has it.
    store: Option<Store>,
    folder: Folder,
    /// Runs beside the writes.
    syncing: Option<BoxFuture<'static, (Synced, Duration)>>,
    /// What came of it, for the store to know.
    synced: Option<(Synced, Duration)>,
}

/// What became of a job, as far as it came.
struct Outcome {
    appended: Result<Duration, StoreError>,
    synced: Result<Option<Duration>, StoreError>,
    removed: Result<(), StoreError>,
}

impl Writer {
    pub(crate) fn new(blocks: Arc<Blocks>, store: Store, folder: Folder, drain: Drain) -> Self {
        Self {
            blocks,
            drain,
            store: Some(store),
            folder,
            syncing: None,
            synced: None,
        }
    }

    /// Writes until no cursor reads any more and all is written, or the process is out of time and the disk lets nothing be
    /// written. Gives the folder back, still locked, and whether all is written.
    pub(crate) async fn run(mut self) -> (Folder, bool) {
        let blocks = Arc::clone(&self.blocks);
        let mut failures = 0;
        let all = loop {
            // A sync that has ended meanwhile is not left for a time without anything to write, which may never come.
            let ended = self.syncing.as_mut().and_then(FutureExt::now_or_never);
            if let Some(ended) = ended {
                self.syncing = None;
                self.synced = Some(ended);
            }
            if let Some((done, took)) = self.synced.take() {
                self.end_sync(done, took).await;
            }
            let finishing = blocks.is_unread();
            let last = finishing && self.is_out_of_time();
            if last && failures >= LAST_TRIES {
                break false;
            }
            // Before the look, so that nothing said meanwhile is missed.
            let pressed = blocks.budgets().disk.pressed.notified();
            match blocks.step(finishing, last) {
                Step::Write(job) => failures = self.write(job).await,
                Step::Sync => self.begin_sync().await,
                Step::Wait(until) => self.wait(until, pressed).await,
                Step::Finish => break true,
            }
        };
        drop(self.store);
        self.blocks.finish();
        (self.folder, all)
    }

    fn is_out_of_time(&self) -> bool {
        let phase = self.drain.phase();
        phase == Phase::Stopped || (phase > Phase::Running && self.drain.left().is_zero())
    }

    async fn wait(&mut self, until: Option<tokio::time::Instant>, pressed: Notified<'_>) {
        let Some(files) = self.blocks.files() else {
            return;
        };
        let at = async {
            match until {
                Some(until) => tokio::time::sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        let out_of_time = self.is_out_of_time();
        let syncing = &mut self.syncing;
        let synced = async {
            match syncing {
                Some(syncing) => syncing.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = files.work.notified() => {}
            () = pressed => {}
            () = self.drain.expired(), if !out_of_time => {}
            () = at => {}
            done = synced => {
                self.syncing = None;
                self.synced = Some(done);
            }
        }
    }

    /// Runs a job. Tells how many have failed in a row.
    async fn write(&mut self, job: Job) -> u32 {
        let is_syncing = self.syncing.is_some() || self.synced.is_some();
        let run = move |store: &mut Store| {
            let outcome = run(store, &job, !is_syncing);
            (job, outcome)
        };
        let Some((job, outcome)) = self.with_store(run).await else {
            return LAST_TRIES;
        };
        let metrics = &self.blocks.metrics;
        if let Err(error) = outcome.removed {
            metrics.fault(DiskFault::Remove);
            self.blocks.not_removed();
            tracing::warn!(%error, log = %self.blocks.log_id, "segments not removed");
        }
        match outcome.appended {
            Ok(took) => metrics.write_seconds.record(took),
            Err(error) => return self.failed(&error, DiskFault::Write),
        }
        match outcome.synced {
            Ok(took) => {
                if let Some(took) = took {
                    metrics.sync_seconds.record(took);
                }
                self.blocks.written(&job, true);
                0
            }
            Err(error) => {
                self.blocks.written(&job, false);
                self.failed(&error, DiskFault::Sync)
            }
        }
    }

    fn failed(&self, error: &StoreError, fault: DiskFault) -> u32 {
        let full = matches!(error, StoreError::Full { .. });
        let fault = if full { DiskFault::Full } else { fault };
        self.blocks.metrics.fault(fault);
        let failures = self.blocks.failed(full);
        if failures == 1 {
            tracing::error!(%error, log = %self.blocks.log_id, "log not written, senders wait");
        }
        failures
    }

    async fn begin_sync(&mut self) {
        let Some(files) = self.blocks.files() else {
            return;
        };
        let helper = files.helper;
        match self.with_store(Store::sync_job).await {
            Some(Ok(job)) => {
                let sync = move |job: SyncJob| {
                    let began = Instant::now();
                    (job.run(), began.elapsed())
                };
                let begun = helper.begin(move || sync(job));
                self.syncing = Some(Box::pin(begun.end()));
            }
            Some(Err(error)) => self.sync_failed(&error),
            None => {}
        }
    }

    async fn end_sync(&mut self, done: Synced, took: Duration) {
        match self.with_store(move |store| store.synced(done)).await {
            Some(Ok(())) => {
                self.blocks.metrics.sync_seconds.record(took);
                self.blocks.synced(true);
            }
            Some(Err(error)) => self.sync_failed(&error),
            None => {}
        }
    }

    /// Acks do not wait for this sync; what it was for is tried again by the next one.
    fn sync_failed(&self, error: &StoreError) {
        self.blocks.metrics.fault(DiskFault::Sync);
        tracing::error!(%error, log = %self.blocks.log_id, "log not synced");
        self.blocks.synced(false);
    }

    /// Lets the store do something where it may block. `None` without a store, which is lost when such work panics.
    async fn with_store<R: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Store) -> R + Send + 'static,
    ) -> Option<R> {
        let helper = self.blocks.files()?.helper;
        let mut store = self.store.take()?;
        let (store, done) = helper
            .run(move || {
                let done = work(&mut store);
                (store, done)
            })
            .await;
        self.store = Some(store);
        Some(done)
    }
}

/// Blocking. With `may_sync` no other sync is under way.
fn run(store: &mut Store, job: &Job, may_sync: bool) -> Outcome {
    let mut outcome = Outcome {
        appended: Ok(Duration::ZERO),
        synced: Ok(None),
        removed: Ok(()),
    };
    if job.seal {
        store.seal();
    }
    let remove = |store: &mut Store| {
        let removed = store.remove_segments(&job.remove, job.removal);
        removed.map(|_bytes| ())
    };
    if job.remove_first {
        outcome.removed = remove(store);
        if may_sync {
            // There may be segments that only wait for a sync to go. It is told when there is nothing better to tell.
            let synced = store.sync();
            outcome.removed = outcome.removed.and(synced);
        }
    }
    let began = Instant::now();
    let appended = if job.remove_first {
        // The books in a write of their own: what was removed must not be missed because there is no room for the blocks.
        let books = store.append(&[], job.books.as_ref());
        books.and_then(|()| store.append(&job.records, None))
    } else {
        store.append(&job.records, job.books.as_ref())
    };
    outcome.appended = appended.map(|()| began.elapsed());
    if outcome.appended.is_err() {
        return outcome;
    }
    if job.sync {
        let began = Instant::now();
        outcome.synced = store.sync().map(|()| Some(began.elapsed()));
    }
    if !job.remove_first && !job.remove.is_empty() {
        outcome.removed = remove(store);
    }
    outcome
}
