//! The part of a log's state that is there for its files: what is written, what the books are to say, and what the writer
//! does next.
//!
//! *Invariant:* blocks are written in order and told written once; a segment goes only when the books on disk know that every
//! cursor is past it, or when there is no room for anything else.

use super::loss::Loss;
use super::state::State;
use super::{Counts, Reader};
use crate::fate::DropReason;
use crate::log::block::{Ack, Clock};
use crate::log::books::{Books, CursorBook};
use crate::log::format::{Record, Totals};
use crate::log::position::{accepted, fates};
use crate::log::restore;
use crate::log::room::Share;
use crate::log::segments::{SegmentInfo, Segments};
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
    syncing: bool,
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
            syncing: false,
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

    /// The disk has done what it was asked.
    fn recovered(&mut self) {
        self.failures = 0;
        self.retry_at = None;
        self.refused = false;
    }

    /// It has not; `full` when there was no room. Tells how often in a row that is.
    pub(crate) fn failed(&mut self, full: bool) -> u32 {
        let pause = SHORTEST_PAUSE * 2_u32.saturating_pow(self.failures.min(16));
        self.failures += 1;
        self.refused = full;
        self.retry_at = Some(Instant::now() + pause.min(LONGEST_PAUSE));
        self.failures
    }

    /// The sync that ran beside the writes is done.
    pub(crate) fn synced(&mut self, well: bool) {
        self.syncing = false;
        if !well {
            self.unsynced = Some(Instant::now());
        }
    }

    /// Counts the bytes on disk anew, beside those that are still to be written.
    fn occupy(&mut self, pending: u64) {
        let segments = self.segments.list();
        let bytes: u64 = segments.iter().map(|segment| segment.bytes_on_disk).sum();
        self.share.set(bytes + pending);
    }
}

impl State {
    /// What is to be done now. `finishing` when no cursor reads any more; `starving` when the signal's logs have no room for
    /// those who wait, and this one should give some.
    pub(crate) fn step(&mut self, finishing: bool, starving: bool) -> Step {
        let now = Instant::now();
        let Some(disk) = &mut self.disk else {
            return Step::Finish;
        };
        if let Some(at) = disk.retry_at.filter(|at| *at > now) {
            return Step::Wait(Some(at));
        }
        let linger = disk.writing.linger;
        let open_at = self.open.since().map(|since| since + linger);
        let mut due = [open_at, disk.books_at].into_iter().flatten().min();
        let sealed = self.open.begin().seq > disk.appended.seq;
        if finishing || self.closed {
            due = due.map(|_| now);
        }
        if (starving || disk.refused)
            && let Some(job) = self.make_room()
        {
            return Step::Write(job);
        }
        let Some(disk) = &mut self.disk else {
            return Step::Finish;
        };
        if sealed || due.is_some_and(|due| due <= now) || disk.failures > 0 {
            if open_at.is_some_and(|at| at <= now) || finishing || self.closed {
                self.seal();
            }
            return Step::Write(self.job());
        }
        let Some(disk) = &mut self.disk else {
            return Step::Finish;
        };
        let sync_at = match disk.writing.sync {
            SyncPolicy::Interval(every) => disk.unsynced.map(|since| since + every),
            SyncPolicy::Commit if finishing => disk.unsynced,
            SyncPolicy::None | SyncPolicy::Commit => None,
        };
        match sync_at.filter(|_| !disk.syncing) {
            Some(at) if at <= now || finishing => {
                disk.syncing = true;
                disk.unsynced = None;
                return Step::Sync;
            }
            Some(at) => due = Some(due.map_or(at, |due| due.min(at))),
            None => {}
        }
        if finishing && !disk.syncing {
            return Step::Finish;
        }
        Step::Wait(due)
    }

    /// Writes what there is, the books included if they have changed.
    fn job(&mut self) -> Job {
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

    fn blocks_job(&self) -> Job {
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

    fn is_past(&self, segment: &SegmentInfo) -> bool {
        let (first, end) = (segment.first.seq, segment.end.seq);
        self.positions.iter().all(|at| at.is_past(first, end))
    }

    /// The segments that no cursor needs any more.
    fn removable(&self) -> Vec<u64> {
        let Some(disk) = &self.disk else {
            return Vec::new();
        };
        let segments = disk.segments.list().into_iter();
        segments
            .filter(|segment| segment.sealed && self.is_past(segment))
            .map(|segment| segment.first.seq)
            .collect()
    }

    /// A job that frees room: the newest segment if nobody needs it any more; else, if the policy is so, the oldest, unread
    /// or not.
    fn make_room(&mut self) -> Option<Job> {
        let disk = self.disk.as_ref()?;
        let drops = disk.writing.on_full == OnFull::DropOldest;
        let segments = disk.segments.list();
        let newest = segments.last()?;
        let dead = newest.end.seq > newest.first.seq && self.is_past(newest);
        let removed = if dead {
            *newest
        } else if drops {
            *segments.iter().find(|s| s.end.seq > s.first.seq)?
        } else {
            return None;
        };
        if drops && !dead {
            self.drop_segment(&removed);
        }
        self.touch(true);
        let refused = self.disk.as_ref().is_some_and(|disk| disk.refused);
        let books = Some(self.books());
        let mut job = self.blocks_job();
        job.seal = !removed.sealed;
        job.books = books;
        job.remove = vec![removed.first.seq];
        job.remove_first = refused && removed.sealed;
        job.removal = Removal::Now;
        Some(job)
    }

    /// A segment goes: what a cursor has not read of it is dropped. Batches in flight are in memory and end as usual.
    fn drop_segment(&mut self, segment: &SegmentInfo) {
        let mut losses = Vec::new();
        for (reader, position) in self.positions.iter_mut().enumerate() {
            let first = position.read().seq;
            if first < segment.end.seq {
                let items = position.skip(segment.end);
                let blocks = first..=segment.end.seq - 1;
                losses.extend(Loss::of(reader, DropReason::DiskFull, items, blocks));
            }
            position.cut_again(segment.first.seq, segment.end.seq);
        }
        if let Some(disk) = &mut self.disk {
            disk.losses.extend(losses);
        }
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
            return Vec::new();
        }
        disk.recovered();
        if !job.sync {
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

    /// How far blocks are in files.
    pub(crate) fn appended(&self) -> Totals {
        let disk = self.disk.as_ref();
        disk.map_or_else(Totals::default, |disk| disk.appended)
    }

    /// The version of the books now, and the one on disk.
    pub(crate) fn versions(&self) -> (u64, u64) {
        let disk = self.disk.as_ref();
        disk.map_or((0, 0), |disk| (disk.version, disk.persisted))
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
