//! The part of a log's state that is there for its files: what is written, what the books are to say, and what the writer
//! does next.
//!
//! *Invariant:* blocks are written in order and told written once; a segment goes only when the books on disk know that every
//! cursor is past it, or when there is no room for anything else.

use super::loss::Loss;
use super::state::State;
use super::{Counts, Reader};
use crate::log::block::{Ack, Clock};
use crate::log::books::{Books, CursorBook};
use crate::log::format::{Record, Totals};
use crate::log::position::{accepted, fates};
use crate::log::restore;
use crate::log::room::Share;
use crate::log::segments::Segments;
use crate::log::store::Removal;
use penstock_settings::{OnFull, SyncPolicy};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What a record has on disk beside its payload, and a little for books and index.
const OVERHEAD: u64 = 128;
/// Most bytes of blocks that one job writes.
const JOB_BYTES: usize = 8 << 20;
/// How long books may wait for others to be written with them.
const BOOKS_LINGER: Duration = Duration::from_millis(5);
/// The longest time between two tries to write.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// Syncs in a row that may fail when the process ends.
const LAST_SYNCS: u32 = 3;
/// The shortest.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);

/// How a log writes.
#[derive(Clone, Debug)]
pub(crate) struct Writing {
    pub(crate) sync: SyncPolicy,
    pub(crate) linger: Duration,
    pub(crate) on_full: OnFull,
}

pub(crate) struct OnDisk {
    /// Pipeline and exporter of each cursor.
    names: Vec<(String, String)>,
    pub(super) segments: Arc<Segments>,
    pub(super) clock: Clock,
    pub(super) writing: Writing,
    /// Up to here cursors read, and requests are acked.
    pub(super) written: Totals,
    /// Up to here blocks are in files; beyond `written` while a sync of them fails.
    pub(super) appended: Totals,
    pub(super) share: Share,
    /// The disk refused the last write.
    pub(super) refused: bool,
    /// Logs whose counts are carried, as far as their folders are still there.
    pub(super) carried: Vec<String>,
    /// Cursors without an exporter.
    pub(super) retired: Vec<CursorBook>,
    /// To be told.
    pub(super) losses: Vec<Loss>,
    /// Moves whenever the books do.
    version: u64,
    persisted: u64,
    /// When the books have to be written.
    books_at: Option<Instant>,
    failures: u32,
    /// After a failure: not before this.
    retry_at: Option<Instant>,
    /// Something is not synced, since then.
    unsynced: Option<Instant>,
    /// Of the books that a sync beside the writes makes durable.
    pub(super) syncing: Option<u64>,
    /// In a row.
    pub(super) failed_syncs: u32,
    /// After such a failure: not before this.
    sync_after: Option<Instant>,
    /// Nothing is done to make room before this, as what was done has made none so far.
    pub(super) room_after: Option<Instant>,
    /// Below this block segments were dropped, whoever needed them.
    pub(super) gone: u64,
    /// Somebody waits for the books to be durable.
    sync_wanted: bool,
    /// Version of the books that is durable.
    durable: u64,
}

/// What a writer does next.
pub(crate) enum Step {
    Write(Job),
    /// Sync beside the writes.
    Sync,
    Wait(Option<Instant>),
    /// All is written, and no cursor reads any more.
    Finish,
}

/// One write.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) records: Vec<Record>,
    pub(crate) books: Option<Books>,
    /// End the segment that is written to first.
    pub(crate) seal: bool,
    /// Sync it before it counts as written.
    pub(crate) sync: bool,
    /// Segments to remove, by their first block.
    pub(crate) remove: Vec<u64>,
    /// They have to go first, to make room.
    pub(crate) remove_first: bool,
    pub(crate) removal: Removal,
    /// Up to here all is written then.
    pub(crate) to: Totals,
    version: u64,
}

impl OnDisk {
    pub(crate) fn new(
        names: Vec<(String, String)>,
        segments: Arc<Segments>,
        clock: Clock,
        writing: Writing,
        written: Totals,
        share: Share,
    ) -> Self {
        Self {
            names,
            segments,
            clock,
            writing,
            written,
            appended: written,
            share,
            refused: false,
            carried: Vec::new(),
            retired: Vec::new(),
            losses: Vec::new(),
            version: 1,
            persisted: 0,
            books_at: Some(Instant::now()),
            failures: 0,
            retry_at: None,
            unsynced: None,
            syncing: None,
            failed_syncs: 0,
            sync_after: None,
            room_after: None,
            gone: 0,
            sync_wanted: false,
            durable: 0,
        }
    }

    /// Bytes on disk that a request will need.
    pub(super) fn need(bytes: usize) -> u64 {
        bytes as u64 + OVERHEAD
    }

    pub(super) fn touch(&mut self, at_once: bool) {
        let now = Instant::now();
        let at = if at_once { now } else { now + BOOKS_LINGER };
        self.version += 1;
        self.books_at = Some(self.books_at.map_or(at, |before| before.min(at)));
    }

    /// What the books say beside the cursors' places.
    pub(crate) fn carry(&mut self, carried: Vec<String>, retired: Vec<CursorBook>) {
        self.carried = carried;
        self.retired = retired;
    }

    /// Of the cursors without an exporter: whose, and what they counted.
    pub(super) fn retired_counts(&self) -> Vec<(String, String, Counts)> {
        let counts = |book: &CursorBook| Counts {
            accepted: accepted(book, book.read_items),
            fates: fates(book),
            retried: book.retried,
            held: 0,
            held_bytes: 0,
            since: None,
        };
        let retired = self.retired.iter();
        retired
            .map(|book| (book.pipeline.clone(), book.exporter.clone(), counts(book)))
            .collect()
    }

    pub(super) fn has_written_books(&self) -> bool {
        self.version == self.persisted
    }

    /// Whether the last write failed, so that nothing more is taken in.
    pub(super) fn is_failing(&self) -> bool {
        self.refused || self.failures > 0
    }

    /// The disk has done what it was asked.
    pub(super) fn recovered(&mut self) {
        self.failures = 0;
        self.retry_at = None;
        self.refused = false;
    }

    /// It has not; `full` when there was no room. Tells how often in a row that is.
    pub(crate) fn failed(&mut self, full: bool) -> u32 {
        self.failures += 1;
        self.refused = full;
        self.retry_at = Some(Instant::now() + pause(self.failures));
        self.failures
    }

    /// Segments that had to go to make room could not be removed.
    pub(super) fn not_removed(&mut self) {
        self.room_after = Some(Instant::now() + LONGEST_PAUSE);
    }

    /// The sync that ran beside the writes is done.
    pub(crate) fn synced(&mut self, well: bool) {
        let books = self.syncing.take();
        if well {
            self.is_durable(books.unwrap_or(0));
        } else {
            let now = Instant::now();
            self.failed_syncs += 1;
            self.unsynced = Some(now);
            self.sync_after = Some(now + pause(self.failed_syncs));
        }
    }

    /// When a sync beside the writes is due, if ever; `soon` when it is waited for.
    pub(super) fn sync_at(&self, soon: bool) -> Option<Instant> {
        let SyncPolicy::Interval(every) = self.writing.sync else {
            return None;
        };
        let since = self.unsynced.filter(|_| self.syncing.is_none())?;
        let at = if soon { since } else { since + every };
        Some(self.sync_after.map_or(at, |after| after.max(at)))
    }

    pub(super) fn begin_sync(&mut self) -> Step {
        self.syncing = Some(self.persisted);
        self.unsynced = None;
        Step::Sync
    }

    pub(super) fn is_durable(&mut self, books: u64) {
        self.durable = self.durable.max(books);
        self.failed_syncs = 0;
        self.sync_after = None;
        self.sync_wanted = false;
        if self.segments.leaving() == 0 {
            self.room_after = None;
        }
    }

    /// Asks for the books as they are now to be made durable. Tells their version.
    pub(super) fn want_sync(&mut self) -> u64 {
        self.sync_wanted = true;
        self.books_at = self.books_at.map(|_| Instant::now());
        self.version
    }

    /// Version of the books that is as durable as the settings let them be.
    pub(super) fn durable(&self) -> u64 {
        match self.writing.sync {
            SyncPolicy::None => self.persisted,
            SyncPolicy::Interval(_) | SyncPolicy::Commit => self.durable,
        }
    }

    /// Counts the bytes on disk anew, beside those that are still to be written.
    pub(super) fn occupy(&mut self, pending: u64) {
        let segments = self.segments.list();
        let bytes: u64 = segments.iter().map(|segment| segment.bytes_on_disk).sum();
        self.share.set(bytes + self.segments.leaving() + pending);
    }
}

/// Before the next try after so many failures.
fn pause(failures: u32) -> Duration {
    let pause = SHORTEST_PAUSE * 2_u32.saturating_pow(failures.saturating_sub(1).min(16));
    pause.min(LONGEST_PAUSE)
}

impl State {
    /// What is to be done now. `finishing` when no cursor reads any more, and `last` when there is no time either; `starving` when the signal's logs have no room for
    /// those who wait, and this one should give some.
    pub(crate) fn step(&mut self, finishing: bool, last: bool, starving: bool) -> Step {
        let now = Instant::now();
        let Some(disk) = &mut self.disk else {
            return Step::Finish;
        };
        if let Some(at) = disk.retry_at.filter(|at| *at > now && !last) {
            return Step::Wait(Some(at));
        }
        let linger = disk.writing.linger;
        let open_at = self.open.since().map(|since| since + linger);
        let mut due = [open_at, disk.books_at].into_iter().flatten().min();
        let sealed = self.open.begin().seq > disk.appended.seq;
        if finishing || self.closed {
            due = due.map(|_| now);
        }
        let given_up = finishing && disk.failed_syncs >= LAST_SYNCS;
        // Before the writes, of which there may always be another one.
        if !given_up && disk.sync_at(false).is_some_and(|at| at <= now) {
            return disk.begin_sync();
        }
        if starving || disk.refused {
            match disk.room_after.filter(|at| *at > now) {
                Some(at) => due = Some(due.map_or(at, |due| due.min(at))),
                None => {
                    if let Some(step) = self.find_room(now) {
                        return step;
                    }
                }
            }
        }
        let Some(disk) = &mut self.disk else {
            return Step::Finish;
        };
        let unsynced = disk.appended.seq > disk.written.seq;
        if sealed || unsynced || due.is_some_and(|due| due <= now) {
            if open_at.is_some_and(|at| at <= now) || finishing || self.closed {
                self.seal();
            }
            return Step::Write(self.job());
        }
        let Some(disk) = &mut self.disk else {
            return Step::Finish;
        };
        let sync_now = disk.sync_wanted || finishing;
        if sync_now && disk.writing.sync == SyncPolicy::Commit && disk.unsynced.is_some() {
            let mut job = self.blocks_job();
            job.sync = true;
            return Step::Write(job);
        }
        // A disk that does not sync must not keep the process from its end.
        match disk.sync_at(sync_now).filter(|_| !given_up) {
            Some(at) if at <= now => disk.begin_sync(),
            Some(at) => Step::Wait(Some(due.map_or(at, |due| due.min(at)))),
            None if finishing && disk.syncing.is_none() => Step::Finish,
            None => Step::Wait(due),
        }
    }

    /// Writes what there is, the books included if they have changed.
    pub(super) fn job(&mut self) -> Job {
        let changed = self.disk.as_ref().is_some_and(|d| d.version > d.persisted);
        // Books that are due soon cost nothing when they go along.
        let books = changed.then(|| self.books());
        let remove = match &books {
            Some(_) => self.removable(),
            None => Vec::new(),
        };
        let mut job = self.blocks_job();
        job.books = books;
        job.remove = remove;
        if self.disk.as_ref().is_some_and(|disk| disk.refused) {
            // There is no room for the books either, before something is gone.
            job.remove_first = true;
            job.removal = Removal::Now;
        }
        job
    }

    pub(super) fn blocks_job(&self) -> Job {
        let mut job = Job {
            records: Vec::new(),
            books: None,
            seal: false,
            sync: false,
            remove: Vec::new(),
            remove_first: false,
            removal: Removal::Now,
            to: Totals::default(),
            version: 0,
        };
        let Some(disk) = &self.disk else { return job };
        let mut bytes = 0;
        job.to = disk.appended;
        for (_, block) in self.sealed.range(disk.appended.seq..) {
            if bytes > 0 && bytes + block.payload.len() > JOB_BYTES {
                break;
            }
            bytes += block.payload.len();
            job.records.push(block.record(&disk.clock));
            job.to = block.end();
        }
        job.sync = disk.writing.sync == SyncPolicy::Commit && job.to != disk.written;
        job.removal = match disk.writing.sync {
            // There would never be a sync for it to wait for.
            SyncPolicy::None => Removal::Now,
            SyncPolicy::Interval(_) | SyncPolicy::Commit => Removal::Synced,
        };
        job.version = disk.version;
        job
    }

    /// What the books say now.
    pub(super) fn books(&self) -> Books {
        let mut books = Books::default();
        if let Some(disk) = &self.disk {
            let names = disk.names.iter();
            let cursors = names.zip(&self.positions);
            books.cursors = cursors
                .map(|((pipeline, exporter), position)| position.book(pipeline, exporter))
                .chain(disk.retired.iter().cloned())
                .collect();
            books.carried.clone_from(&disk.carried);
        }
        books
    }

    /// A job is done, or its blocks are written and not `synced`, as they should be. Gives those who wait for what is written
    /// now.
    pub(crate) fn done(&mut self, job: &Job, synced: bool) -> Vec<(Arc<Ack>, Instant)> {
        self.occupy(job.to);
        let Some(disk) = &mut self.disk else {
            return Vec::new();
        };
        disk.appended = job.to;
        if job.books.is_some() {
            disk.persisted = job.version;
            if disk.version == job.version {
                disk.books_at = None;
            }
        }
        if job.sync && !synced {
            disk.unsynced = Some(Instant::now());
            return Vec::new();
        }
        disk.recovered();
        if job.sync {
            disk.unsynced = None;
            disk.is_durable(disk.persisted);
        } else {
            disk.unsynced = disk.unsynced.or_else(|| Some(Instant::now()));
        }
        let written = disk.written.seq..job.to.seq;
        disk.written = job.to;
        let blocks = self.sealed.range_mut(written);
        blocks
            .filter_map(|(_, block)| Some((block.ack.take()?, block.since)))
            .collect()
    }

    /// Counts the log's bytes on disk anew, with those that are promised from `from` on.
    pub(crate) fn occupy(&mut self, from: Totals) {
        let open = self.open.since().map(|_| self.open.bytes());
        let sealed = self.sealed.range(from.seq..);
        let pending = sealed.map(|(_, block)| block.payload.len()).chain(open);
        let pending = pending.map(OnDisk::need).sum();
        if let Some(disk) = &mut self.disk {
            disk.occupy(pending);
        }
    }

    /// Takes over the counts of a log that is at its end.
    pub(super) fn carry(&mut self, log_id: &str, books: &Books, readers: &[Reader]) {
        let Some(disk) = &mut self.disk else { return };
        restore::carry(books, readers, &mut self.positions, &mut disk.retired);
        disk.carried.push(log_id.to_owned());
        disk.touch(true);
    }

    /// A log that was carried is not there any more.
    pub(super) fn carried_is_gone(&mut self, log_id: &str) {
        if let Some(disk) = &mut self.disk {
            disk.carried.retain(|carried| carried != log_id);
            disk.touch(false);
        }
    }

    pub(super) fn is_failing(&self) -> bool {
        self.disk.as_ref().is_some_and(OnDisk::is_failing)
    }

    /// How far blocks are in files.
    pub(crate) fn appended(&self) -> Totals {
        let disk = self.disk.as_ref();
        disk.map_or_else(Totals::default, |disk| disk.appended)
    }

    /// What is to be told.
    pub(super) fn take_losses(&mut self) -> Vec<Loss> {
        let disk = self.disk.as_mut();
        disk.map_or_else(Vec::new, |disk| std::mem::take(&mut disk.losses))
    }

    /// Nothing more is written: gives those who wait in vain.
    pub(crate) fn give_up(&mut self) -> Vec<Arc<Ack>> {
        self.seal();
        let from = self.end().seq;
        let lost = self.sealed.split_off(&from);
        lost.into_values().filter_map(|block| block.ack).collect()
    }
}
