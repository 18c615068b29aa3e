//! Writes a log into its folder.
//!
//! *Invariant:* an append is whole or it is not there; after an error the next one may be tried. A file whose write failed (but
//! for want of room) is not written again; one whose sync failed neither, nor is it synced again: what was in it and not
//! durable is written to another.

use super::books::Books;
use super::disk::{Disk, DiskFile, is_full, write_all_at};
use super::folders::Folder;
use super::format::{
    Kind, LogId, Lost, Purpose, RECORD_HEADER, Record, SEGMENT_HEADER, SegmentHeader, Totals,
    VERSION, now_ns,
};
use super::layout::Entry;
use super::recover::{self, Opened};
use super::segments::Segments;
use penstock_otlp::Signal;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tracing::warn;

mod group;
mod unsynced;

#[cfg(test)]
pub(crate) mod tests;

pub(super) use group::index_record;
use group::{BooksRecord, Group, NewSegment, unwritten};
pub(super) use unsynced::Unsynced;
pub(crate) use unsynced::{SyncJob, Synced};

/// How a store writes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoreLimits {
    /// A segment ends before it would grow beyond this, unless a single append is larger.
    pub(crate) segment_bytes: u64,
    /// Keep what is written and not synced, to write it again should a sync fail. For those that ack after the sync: what is
    /// not kept is read back from the system's cache then.
    pub(crate) keep_unsynced: bool,
}

/// What a folder held.
#[derive(Debug)]
pub(crate) struct Recovered {
    /// 32 hex digits, the same for the life of the log.
    pub(crate) log_id: String,
    /// The newest that could be read; their law is not checked.
    pub(crate) books: Option<Books>,
    /// The oldest block that is held.
    pub(crate) first: Totals,
    /// Where the next block goes.
    pub(crate) end: Totals,
    /// Known losses between the two, for the log line; cursors come upon them (and others) when they read.
    pub(crate) lost: Vec<Lost>,
    /// Bytes after the last whole record, which were cut off: an append that was under way.
    pub(crate) torn_bytes: u64,
}

/// Why a store cannot be opened or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// No room.
    #[error("no room on the disk of {}: {source}", path.display())]
    Full {
        /// What was written.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The disk does not do it.
    #[error("{} cannot be {doing}: {source}", path.display())]
    Io {
        /// `written`, `synced`, ...
        doing: &'static str,
        /// What it was done to.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Written by a later version of this program.
    #[error(
        "{} has log format {found}, this program knows up to {known}: start the version that wrote it, or move the folder away (nothing was changed)",
        path.display()
    )]
    Newer {
        /// The segment.
        path: PathBuf,
        /// Its version.
        found: u16,
        /// Ours.
        known: u16,
    },
    /// Not a log of this signal.
    #[error(
        "{} holds {found}, not {expected}: move it back to where it belongs (nothing was changed)",
        path.display()
    )]
    Foreign {
        /// The segment.
        path: PathBuf,
        /// What it is.
        found: String,
        /// What it should be.
        expected: String,
    },
    /// Not the next blocks. A bug of the caller; nothing was written.
    #[error("block {found:?} is not the next one, {expected:?}")]
    OutOfOrder {
        /// What was given.
        found: Totals,
        /// What comes next.
        expected: Totals,
    },
}

/// When removed segments leave the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Removal {
    /// With the next good sync, so that after a crash of the machine the books know that they were past them.
    Synced,
    /// Now, to make room.
    Now,
}

/// The writer of one log.
#[derive(Debug)]
pub(crate) struct Store {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    limits: StoreLimits,
    signal: Signal,
    log_id: LogId,
    segments: Arc<Segments>,
    /// The newest, with which each segment begins.
    books: Books,
    active: Option<Active>,
    unsynced: Unsynced,
}

/// The segment that is written to.
#[derive(Debug)]
struct Active {
    first: u64,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    /// Where the next record goes.
    len: u64,
    /// What it had when it was begun.
    begun: u64,
}

impl Store {
    /// Opens the log in a folder, new or left by whoever had it. Blocking.
    ///
    /// # Errors
    /// The log is not one that this program can go on with, or the disk does not let it. Nothing was changed.
    pub(crate) fn open(
        folder: &Folder,
        disk: Arc<dyn Disk>,
        limits: StoreLimits,
        signal: Signal,
    ) -> Result<(Self, Arc<Segments>, Recovered), StoreError> {
        let Opened {
            log_id,
            layout,
            recovered,
            unsynced,
            skipped,
        } = recover::open(&folder.path, &disk, signal)?;
        let segments = Segments::new(&folder.path, Arc::clone(&disk), log_id.tag(), layout);
        let segments = Arc::new(segments);
        let mut store = Self {
            dir: folder.path.clone(),
            disk,
            limits,
            signal,
            log_id,
            segments: Arc::clone(&segments),
            books: recovered.books.clone().unwrap_or_default(),
            active: None,
            unsynced,
        };
        if skipped && let Err(error) = store.skip() {
            warn!(log = %store.dir.display(), error = %error, "numbers left out in vain if the machine stops now");
        }
        Ok((store, segments, recovered))
    }

    /// Where the next block goes.
    pub(crate) fn end(&self) -> Totals {
        self.segments.end()
    }

    /// Writes blocks, and after them the books if given, in one write: all of it or nothing. Blocking.
    ///
    /// Each segment begins with the newest books.
    ///
    /// # Errors
    /// Nothing was written; the same append may be tried again.
    pub(crate) fn append(
        &mut self,
        blocks: &[Record],
        books: Option<&Books>,
    ) -> Result<(), StoreError> {
        let begin = self.end();
        let mut end = begin;
        for block in blocks {
            let follows = block.begin() == end && u32::try_from(block.payload.len()).is_ok();
            let after = end.after(block.items, block.payload.len() as u32);
            end = after.filter(|_| follows).ok_or(StoreError::OutOfOrder {
                found: block.begin(),
                expected: end,
            })?;
        }
        if blocks.is_empty() && books.is_none() {
            return Ok(());
        }
        let group = Group::new(
            blocks,
            self.log_id,
            books.map(|books| self.books_record(books, end)),
        );
        let grown = |active: &Active| {
            active.len > active.begun && active.len + group.len > self.limits.segment_bytes
        };
        if self.active.as_ref().is_some_and(grown) {
            self.seal();
        }
        match self.active.take() {
            Some(active) => self.write(active, blocks, &group, end)?,
            None => self.begin(begin, books, blocks, &group, end)?,
        }
        if let Some(books) = books {
            self.books.clone_from(books);
        }
        if self.limits.keep_unsynced {
            self.unsynced.keep(blocks);
        }
        Ok(())
    }

    /// Ends the segment that is written to; the next append begins another.
    pub(crate) fn seal(&mut self) {
        let Some(active) = self.active.take() else {
            return;
        };
        let mut layout = self.segments.layout();
        let Some(entry) = layout.entries.get_mut(&active.first) else {
            return;
        };
        entry.sealed = true;
        let record = index_record(entry, self.log_id);
        drop(layout);
        let mut bufs = [IoSlice::new(&record)];
        match write_all_at(&*active.file, &mut bufs, active.len) {
            Ok(()) => {
                let on_disk = active.len + record.len() as u64;
                if let Some(entry) = self.segments.layout().entries.get_mut(&active.first) {
                    entry.on_disk = on_disk;
                }
                self.unsynced.written(active.first, on_disk, None);
            }
            Err(error) => {
                warn!(
                    segment = %active.path.display(),
                    error = %error,
                    "log segment gets no index, so the next start reads all of it"
                );
                let _cut = active.file.truncate(active.len).is_ok();
            }
        }
    }

    /// Takes segments (by `first.seq`) away: readers find them no more. The newest stays, as it has the books.
    ///
    /// Gives the bytes on disk that this frees (now, or with the next good sync).
    ///
    /// # Errors
    /// A file could not be removed; it is taken away with the next good sync. Or none was, as the newest segment could not be
    /// made durable, without which they must not go.
    pub(crate) fn remove_segments(
        &mut self,
        firsts: &[u64],
        when: Removal,
    ) -> Result<u64, StoreError> {
        let mut freed = 0;
        let mut failed = None;
        if when == Removal::Now {
            self.secure_newest()?;
        }
        for first in firsts {
            let mut layout = self.segments.layout();
            let newest = layout.entries.last_key_value().map(|(newest, _)| *newest);
            let removed = (newest != Some(*first)).then(|| layout.remove(*first));
            drop(layout);
            let Some(entry) = removed.flatten() else {
                continue;
            };
            self.unsynced.forget(*first);
            freed += entry.on_disk;
            match when {
                Removal::Synced => self.remove_later(entry.path, entry.on_disk),
                Removal::Now => {
                    if let Err(error) = self.disk.remove_file(&entry.path) {
                        failed = Some(io_error("removed", &entry.path, error));
                        self.remove_later(entry.path, entry.on_disk);
                    }
                }
            }
        }
        failed.map_or(Ok(freed), Err)
    }

    /// Makes it durable that numbers were left out. Else, should the machine stop again, they would be left out once more in
    /// place of the ones that were used since.
    fn skip(&mut self) -> Result<(), StoreError> {
        let end = self.end();
        let nothing = Group::new(&[], self.log_id, None);
        self.begin(end, None, &[], &nothing, end)?;
        self.sync()
    }

    /// Writes on in a segment. On failure it is cut back, and goes on only if there was no room.
    fn write(
        &mut self,
        mut active: Active,
        blocks: &[Record],
        group: &Group,
        end: Totals,
    ) -> Result<(), StoreError> {
        let mut bufs = group.slices(blocks);
        if let Err(error) = write_all_at(&*active.file, &mut bufs, active.len) {
            let cut = active.file.truncate(active.len);
            let failed = io_error("written", &active.path, error);
            if cut.is_ok() && matches!(failed, StoreError::Full { .. }) {
                self.active = Some(active);
            } else if let Some(entry) = self.segments.layout().entries.get_mut(&active.first) {
                entry.sealed = true;
            }
            return Err(failed);
        }
        let begin = active.len;
        active.len += group.len;
        let mut layout = self.segments.layout();
        if let Some(entry) = layout.entries.get_mut(&active.first) {
            group.note(entry, blocks, begin, end);
        }
        layout.end = end;
        drop(layout);
        self.unsynced.written(active.first, active.len, Some(end));
        self.active = Some(active);
        Ok(())
    }

    /// Begins a segment with the books and the group.
    fn begin(
        &mut self,
        first: Totals,
        books: Option<&Books>,
        blocks: &[Record],
        group: &Group,
        end: Totals,
    ) -> Result<(), StoreError> {
        let mut new = self.create(first, books.unwrap_or(&self.books))?;
        let begun = new.entry.on_disk;
        // Otherwise the same books would be there twice.
        if !blocks.is_empty() {
            new.push(&*self.disk, blocks, group, end)?;
        }
        new.finish(&*self.disk)?;
        self.active = Some(Active {
            first: first.seq,
            path: new.entry.path.clone(),
            file: Arc::clone(&new.file),
            len: new.entry.on_disk,
            begun,
        });
        self.publish(new, end);
        Ok(())
    }

    /// A new segment with nothing but the books, not yet among the others.
    fn create(&self, first: Totals, books: &Books) -> Result<NewSegment, StoreError> {
        let books = self.books_record(books, first);
        let header = SegmentHeader {
            version: VERSION,
            signal: Some(self.signal),
            purpose: Purpose::Log,
            log_id: self.log_id,
            first,
            created_ns: now_ns(),
            boot: self.disk.boot(),
        }
        .encode();
        let path = self.dir.join(format!("{:016x}.seg", first.seq));
        let unfinished = path.with_extension("new");
        let file = self
            .disk
            .create(&unfinished)
            .map_err(|error| io_error("begun", &unfinished, error))?;
        let begun = (SEGMENT_HEADER + RECORD_HEADER + books.payload.len()) as u64;
        let new = NewSegment {
            entry: Entry {
                path,
                first,
                end: first,
                readable: begun,
                on_disk: begun,
                sealed: false,
                books_at: SEGMENT_HEADER as u64,
                marks: Vec::new(),
                file: Some(Arc::clone(&file)),
            },
            unfinished,
            replaces: self.segments.layout().entries.contains_key(&first.seq),
            file,
        };
        let mut bufs = [
            IoSlice::new(&header),
            IoSlice::new(&books.header),
            IoSlice::new(&books.payload),
        ];
        let written = write_all_at(&*new.file, &mut bufs, 0);
        new.or_gone(&*self.disk, written)?;
        Ok(new)
    }

    /// Lets readers have a new segment.
    fn publish(&mut self, new: NewSegment, end: Totals) {
        let NewSegment { file, entry, .. } = new;
        let (first, own_end, on_disk) = (entry.first, entry.end, entry.on_disk);
        let path = entry.path.clone();
        let mut layout = self.segments.layout();
        let replaced = layout.insert(entry);
        layout.end = end;
        drop(layout);
        self.unsynced.begun(first, own_end, file, on_disk);
        // One that was found under another name than its first block's.
        if let Some(old) = replaced.filter(|old| old.path != path) {
            self.remove_later(old.path, old.on_disk);
        }
    }

    fn books_record(&self, books: &Books, at: Totals) -> BooksRecord {
        let books = Books {
            log: self.log_id.to_string(),
            next_seq: at.seq,
            accepted: at.items,
            ..books.clone()
        };
        #[expect(clippy::expect_used, reason = "strings and numbers only")]
        let payload = serde_json::to_vec(&books).expect("books are plain data");
        let header = unwritten(Kind::Books, &payload, at, self.log_id).encode();
        BooksRecord { header, payload }
    }
}

pub(super) fn io_error(doing: &'static str, path: &Path, source: io::Error) -> StoreError {
    let path = path.to_owned();
    if is_full(&source) {
        StoreError::Full { path, source }
    } else {
        StoreError::Io {
            doing,
            path,
            source,
        }
    }
}
