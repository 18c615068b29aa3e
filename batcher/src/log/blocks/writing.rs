//! The log as its writer sees it: what is to be done next, and what became of it.
//!
//! *Invariant:* acks and readers are told outside the lock, after the state knows.

use super::Blocks;
use super::disk::{Job, OnDisk, Step};
use std::sync::Arc;
use tokio::time::Instant;

impl Blocks {
    /// What the writer does next: `finishing` when no cursor reads any more, the `last` thing when there is no more time.
    pub(crate) fn step(&self, finishing: bool, last: bool) -> Step {
        let mut state = self.lock();
        let disk = state.disk.as_ref();
        let starving = disk.is_some_and(|disk| {
            disk.share.is_to_give() || (disk.segments.leaving() > 0 && disk.share.is_wanted())
        });
        let step = state.step(finishing, last, starving);
        let losses = state.take_losses();
        drop(state);
        self.tell(losses);
        step
    }

    /// A job is written, and `synced` if it should be: wakes those who wait for it, and lets go of memory.
    pub(crate) fn written(self: &Arc<Self>, job: &Job, synced: bool) {
        let mut losses = Vec::new();
        let mut state = self.lock();
        let before = state.end();
        let failing = state.is_failing();
        let acks = state.done(job, synced);
        let recovered = failing && !state.is_failing();
        let now = Instant::now();
        let fetches = self.wake_readers(&mut state, before, &mut losses);
        let items = state.end().items - before.items;
        let evicted = state.evict(self.budgets.over());
        let durable = state.disk.as_ref().map_or(0, OnDisk::durable);
        drop(state);
        self.tell_durable(durable);
        self.metrics.accepted.increment(items);
        self.metrics
            .evicted(evicted.iter().map(|block| block.payload.len()).sum());
        drop(evicted);
        if recovered {
            self.budgets.disk.freed.notify_waiters();
        }
        for (reader, fetch) in fetches {
            self.fetch(reader, fetch);
        }
        self.tell(losses);
        for (ack, since) in acks {
            self.metrics.ack_seconds.record(now - since);
            ack.tell(true);
        }
        for record in &job.records {
            self.metrics.block(record.payload.len());
        }
    }

    /// A write failed, for want of room if `full`. Tells how many have failed in a row.
    pub(crate) fn failed(&self, full: bool) -> u32 {
        let mut state = self.lock();
        let from = state.appended();
        state.occupy(from);
        state.disk.as_mut().map_or(0, |disk| disk.failed(full))
    }

    /// Takes over the counts of a log that is at its end.
    pub(crate) fn carry(&self, done: &Self) {
        let books = done.lock().books();
        self.lock().carry(&done.log_id, &books, &self.readers);
        self.wake_writer();
    }

    /// A log that was carried is not there any more.
    pub(crate) fn carried_is_gone(&self, log_id: &str) {
        self.lock().carried_is_gone(log_id);
        self.wake_writer();
    }

    /// Resolves when the books as they are now are as durable as the settings let them be; false when they will not be any
    /// more.
    pub(crate) async fn durable(&self) -> bool {
        let Some(files) = &self.files else {
            return false;
        };
        let version = {
            let mut state = self.lock();
            state.disk.as_mut().map_or(0, OnDisk::want_sync)
        };
        self.wake_writer();
        let (mut durable, mut finished) = (files.durable.subscribe(), files.finished.subscribe());
        tokio::select! {
            biased;
            // The senders live in `self`, so waiting cannot fail.
            _ = durable.wait_for(|durable| *durable >= version) => true,
            _ = finished.wait_for(|finished| *finished) => false,
        }
    }

    /// Tells those who wait for durable books.
    pub(super) fn tell_durable(&self, durable: u64) {
        if let Some(files) = &self.files {
            files.durable.send_if_modified(|told| {
                let news = *told != durable;
                *told = durable;
                news
            });
        }
    }

    /// A sync beside the writes has ended.
    pub(crate) fn synced(&self, well: bool) {
        let mut state = self.lock();
        let Some(disk) = &mut state.disk else { return };
        disk.synced(well);
        let durable = disk.durable();
        let from = state.appended();
        state.occupy(from);
        drop(state);
        self.tell_durable(durable);
    }

    /// Whether the books on disk are as they are now.
    pub(crate) fn has_written_books(&self) -> bool {
        let state = self.lock();
        state.disk.as_ref().is_some_and(OnDisk::has_written_books)
    }

    /// Segments could not be removed.
    pub(crate) fn not_removed(&self) {
        if let Some(disk) = &mut self.lock().disk {
            disk.not_removed();
        }
    }

    /// The writer has written its last.
    pub(crate) fn finish(&self) {
        let given_up = self.lock().give_up();
        for ack in given_up {
            ack.tell(false);
        }
        if let Some(files) = &self.files {
            files.finished.send_replace(true);
        }
    }

    pub(crate) fn wake_writer(&self) {
        if let Some(files) = &self.files {
            files.work.notify_one();
        }
    }
}
