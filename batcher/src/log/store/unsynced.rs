//! What is written and not yet durable, and how it becomes so.
//!
//! *Invariant:* a file is never synced again after a sync of it failed: the system may have forgotten what it could not
//! write. Blocks of such a file that were not durable go to a new one, from memory if they were kept, else as they are read
//! back from the system's cache.

use super::{Active, Group, NewSegment, Store, StoreError, index_record, io_error};
use crate::log::disk::{Disk, DiskFile, is_full, write_all_at};
use crate::log::format::{Kind, Record, SEGMENT_HEADER, Totals};
use crate::log::segments::Segments;
use crate::log::walk::{Step, Unreadable, Walk};
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::sync::Arc;
use tracing::error;

/// Payload bytes written at once when a segment is written again.
const CHUNK: usize = 4 << 20;

/// What is not durable.
#[derive(Debug, Default)]
pub(crate) struct Unsynced {
    /// By number of the segment's first block.
    files: BTreeMap<u64, Dirty>,
    /// Blocks of these files, when they are to be kept.
    kept: VecDeque<Record>,
    /// Files to remove once all is durable.
    remove: Vec<(PathBuf, u64)>,
    /// A job is under way.
    asked: bool,
}

/// A file with a part that is not durable.
#[derive(Debug)]
struct Dirty {
    file: Arc<dyn DiskFile>,
    /// Its name is durable.
    named: bool,
    /// What is durable.
    synced: Extent,
    /// What is there.
    written: Extent,
    /// A sync failed.
    failed: bool,
}

/// How far a file goes.
#[derive(Clone, Copy, Debug)]
struct Extent {
    end: Totals,
    len: u64,
}

/// A sync that can run beside writes.
#[derive(Debug)]
pub(crate) struct SyncJob {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    files: Vec<Asked>,
    names: bool,
    remove: Vec<(PathBuf, u64)>,
    segments: Arc<Segments>,
}

/// What became of a [`SyncJob`].
#[derive(Debug)]
pub(crate) struct Synced {
    files: Vec<(Asked, io::Result<()>)>,
    /// The names are durable, as far as they were not before.
    names: io::Result<()>,
    remove: Vec<(PathBuf, u64)>,
}

#[derive(Debug)]
struct Asked {
    first: u64,
    file: Arc<dyn DiskFile>,
    written: Extent,
}

impl SyncJob {
    /// Syncs. Blocking.
    pub(crate) fn run(self) -> Synced {
        let sync = |asked: Asked| {
            let done = asked.file.sync();
            (asked, done)
        };
        let files: Vec<_> = self.files.into_iter().map(sync).collect();
        let names = if self.names {
            self.disk.sync_dir(&self.dir)
        } else {
            Ok(())
        };
        let mut remove = self.remove;
        if names.is_ok() && files.iter().all(|(_, done)| done.is_ok()) {
            remove.retain(|(path, bytes)| {
                let removed = self.disk.remove_file(path);
                let gone = removed.map_or_else(|e| e.kind() == io::ErrorKind::NotFound, |()| true);
                if gone {
                    self.segments.left(*bytes);
                }
                !gone
            });
        }
        Synced {
            files,
            names,
            remove,
        }
    }
}

impl Unsynced {
    /// A file begins to be written.
    pub(crate) fn begun(&mut self, first: Totals, end: Totals, file: Arc<dyn DiskFile>, len: u64) {
        let dirty = Dirty {
            file,
            named: false,
            synced: Extent { end: first, len: 0 },
            written: Extent { end, len },
            failed: false,
        };
        self.files.insert(first.seq, dirty);
    }

    /// A file goes on.
    pub(super) fn written(&mut self, first: u64, len: u64, end: Option<Totals>) {
        if let Some(dirty) = self.files.get_mut(&first) {
            dirty.written.len = len;
            dirty.written.end = end.unwrap_or(dirty.written.end);
        }
    }

    /// A file need not become durable any more.
    pub(super) fn forget(&mut self, first: u64) {
        self.files.remove(&first);
        self.let_go();
    }

    pub(super) fn keep(&mut self, blocks: &[Record]) {
        self.kept.extend(blocks.iter().cloned());
    }

    /// Lets go of kept blocks that are durable.
    fn let_go(&mut self) {
        let Self { files, kept, .. } = self;
        kept.retain(|block| {
            files
                .values()
                .any(|dirty| (dirty.synced.end.seq..dirty.written.end.seq).contains(&block.seq))
        });
    }
}

impl Store {
    /// Makes all that was appended durable. Blocking. The same as [`Self::sync_job`], run, and [`Self::synced`].
    ///
    /// # Errors
    /// As for [`Self::synced`].
    pub(crate) fn sync(&mut self) -> Result<(), StoreError> {
        let done = self.sync_job()?.run();
        self.synced(done)
    }

    /// What is to sync now. Run it wherever blocking is fine, then give what comes of it to [`Self::synced`], before the next
    /// job is taken.
    ///
    /// # Errors
    /// What had to be written again after an earlier failure could not be.
    pub(crate) fn sync_job(&mut self) -> Result<SyncJob, StoreError> {
        self.write_again()?;
        self.unsynced.asked = true;
        let behind = |dirty: &Dirty| !dirty.named || dirty.synced.len < dirty.written.len;
        let files = self.unsynced.files.iter();
        let asked = files
            .filter(|(_, dirty)| behind(dirty))
            .map(|(first, dirty)| Asked {
                first: *first,
                file: Arc::clone(&dirty.file),
                written: dirty.written,
            });
        Ok(SyncJob {
            disk: Arc::clone(&self.disk),
            dir: self.dir.clone(),
            files: asked.collect(),
            names: self.unsynced.files.values().any(|dirty| !dirty.named),
            remove: std::mem::take(&mut self.unsynced.remove),
            segments: Arc::clone(&self.segments),
        })
    }

    /// A file goes with the next good sync.
    pub(super) fn remove_later(&mut self, path: PathBuf, bytes: u64) {
        self.segments.leaves(bytes);
        self.unsynced.remove.push((path, bytes));
    }

    /// Takes note of what became of a job. Blocking after a failed one: what is not durable is written again to new files.
    ///
    /// # Errors
    /// The sync failed; nothing of it counts as durable. Another may be tried at once, of other files.
    pub(crate) fn synced(&mut self, done: Synced) -> Result<(), StoreError> {
        self.unsynced.asked = false;
        self.unsynced.remove.extend(done.remove);
        let mut failure = None;
        if let Err(error) = done.names {
            failure = Some(io_error("synced", &self.dir, error));
            self.give_names_up();
        }
        for (asked, synced) in done.files {
            let dirty = self.unsynced.files.get_mut(&asked.first);
            let Some(dirty) = dirty.filter(|dirty| Arc::ptr_eq(&dirty.file, &asked.file)) else {
                // Removed meanwhile. It may have had books that no other durable file has.
                let error = synced
                    .err()
                    .map(|error| io_error("synced", &self.dir, error));
                failure = failure.or(error);
                continue;
            };
            dirty.failed |= synced.is_err();
            if !dirty.failed {
                dirty.named = true;
                dirty.synced = asked.written;
                continue;
            }
            let path = self.close(asked.first);
            let error = synced.err();
            let error = error.unwrap_or_else(|| io::Error::other("its name may be lost"));
            error!(segment = %path.display(), error = %error, "log not synced");
            failure = failure.or(Some(io_error("synced", &path, error)));
        }
        self.settle();
        match failure {
            None => Ok(()),
            Some(failure) => {
                // Told with the next job, should it fail: then there is something to wait for.
                let _again = self.write_again().is_ok();
                Err(failure)
            }
        }
    }

    /// Makes the newest segment durable if none of it is yet: without it and the older ones that are to be removed nothing might
    /// be left, not even the log's id.
    ///
    /// May run beside a [`SyncJob`]: a file opened anew has its own account of what failed, so that the job is told as well.
    ///
    /// # Errors
    /// It is not durable; but not if that was for want of room, which only a removal can make.
    pub(super) fn secure_newest(&mut self) -> Result<(), StoreError> {
        // A job's files must not be replaced under it; it takes care of them itself.
        if !self.unsynced.asked {
            self.write_again()?;
        }
        let layout = self.segments.layout();
        let newest = layout.entries.last_key_value();
        let newest = newest.map(|(first, entry)| (*first, entry.path.clone()));
        drop(layout);
        let Some((first, path)) = newest else {
            return Ok(());
        };
        let unnamed = |dirty: &Dirty| !dirty.named;
        if !self.unsynced.files.get(&first).is_some_and(unnamed) {
            return Ok(());
        }
        if self.unsynced.files.values().any(|dirty| dirty.failed) {
            let error = io::Error::other("an earlier sync failed");
            return Err(io_error("synced", &path, error));
        }
        let synced = self.disk.open(&path).and_then(|file| file.sync());
        if let Err(error) = synced
            && !is_full(&error)
        {
            return Err(io_error("synced", &path, error));
        }
        let Err(error) = self.disk.sync_dir(&self.dir) else {
            return Ok(());
        };
        self.give_names_up();
        Err(io_error("synced", &self.dir, error))
    }

    /// A sync of the folder failed: the system may have forgotten every name that is not durable.
    fn give_names_up(&mut self) {
        let files = self.unsynced.files.iter_mut();
        let given_up: Vec<_> = files
            .filter(|(_, dirty)| !dirty.named)
            .map(|(first, dirty)| {
                dirty.failed = true;
                *first
            })
            .collect();
        for first in given_up {
            self.close(first);
        }
    }

    /// Forgets files that are durable and get no more.
    fn settle(&mut self) {
        let active = self.active.as_ref().map(|active| active.first);
        let mut layout = self.segments.layout();
        self.unsynced.files.retain(|first, dirty| {
            let done = dirty.named
                && !dirty.failed
                && dirty.synced.len >= dirty.written.len
                && active != Some(*first);
            if done && let Some(entry) = layout.entries.get_mut(first) {
                entry.file = None;
            }
            !done
        });
        drop(layout);
        self.unsynced.let_go();
    }

    /// Nothing more is written to a segment. Gives its path.
    fn close(&mut self, first: u64) -> PathBuf {
        self.active.take_if(|active| active.first == first);
        let mut layout = self.segments.layout();
        let Some(entry) = layout.entries.get_mut(&first) else {
            return self.dir.clone();
        };
        entry.sealed = true;
        entry.path.clone()
    }

    fn write_again(&mut self) -> Result<(), StoreError> {
        let files = self.unsynced.files.iter();
        let failed: Vec<_> = files
            .filter(|(_, dirty)| dirty.failed)
            .map(|(first, _)| *first)
            .collect();
        failed.into_iter().try_for_each(|first| self.replace(first))
    }

    /// Writes what is not durable of a segment to a new one.
    fn replace(&mut self, first: u64) -> Result<(), StoreError> {
        let Some(dirty) = self.unsynced.files.get(&first) else {
            return Ok(());
        };
        let (begin, end) = (dirty.synced.end, dirty.written.end);
        let layout = self.segments.layout();
        let newest = layout.entries.last_key_value().map(|(newest, _)| *newest) == Some(first);
        let log_end = layout.end;
        drop(layout);
        // Without blocks it only has books, and those after it have newer ones.
        if newest || begin.seq < end.seq {
            let mut new = self.create(begin, &self.books)?;
            let begun = new.entry.on_disk;
            self.copy(dirty, &mut new)?;
            if !newest {
                let index = index_record(&new.entry, self.log_id);
                let mut bufs = [IoSlice::new(&index)];
                let written = write_all_at(&*new.file, &mut bufs, new.entry.on_disk);
                new.or_gone(&*self.disk, written)?;
                new.entry.on_disk += index.len() as u64;
                new.entry.sealed = true;
            }
            new.finish(&*self.disk)?;
            if newest {
                self.active = Some(Active {
                    first: begin.seq,
                    path: new.entry.path.clone(),
                    file: Arc::clone(&new.file),
                    len: new.entry.on_disk,
                    begun,
                });
            }
            self.publish(new, log_end);
        }
        if begin.seq != first || begin.seq == end.seq && !newest {
            self.unsynced.files.remove(&first);
            if let Some(entry) = self.segments.layout().entries.get_mut(&first) {
                entry.end = begin;
                entry.file = None;
            }
        }
        Ok(())
    }

    /// Copies what is not durable of a file.
    fn copy(&self, from: &Dirty, to: &mut NewSegment) -> Result<(), StoreError> {
        let (begin, end) = (from.synced.end.seq, from.written.end.seq);
        let kept = self.unsynced.kept.iter();
        let kept: Vec<_> = kept
            .filter(|block| (begin..end).contains(&block.seq))
            .cloned()
            .collect();
        let read_to = kept.first().map_or(end, |block| block.seq);
        let range = from.synced.len.max(SEGMENT_HEADER as u64)..from.written.len;
        let tag = Some(self.log_id.tag());
        let mut walk = Walk::new(&*from.file, tag, range, Unreadable::Skipped);
        let mut blocks = Vec::new();
        let mut bytes = 0;
        // Never an error, as what cannot be read is skipped.
        while let Ok(Some(step)) = walk.step() {
            let Step::Record { header, .. } = step else {
                continue;
            };
            if header.kind != Kind::Block || !(begin..read_to).contains(&header.at.seq) {
                continue;
            }
            if let Ok(Ok(payload)) = walk.payload(&header) {
                bytes += payload.len();
                blocks.push(Record {
                    seq: header.at.seq,
                    items: header.items,
                    items_before: header.at.items,
                    bytes_before: header.at.bytes,
                    since_ns: header.since_ns,
                    payload,
                });
            }
            if bytes >= CHUNK {
                let group = Group::new(&blocks, self.log_id, None);
                let end = blocks.last().map_or(to.entry.end, Record::end);
                to.push(&*self.disk, &blocks, &group, end)?;
                blocks.clear();
                bytes = 0;
            }
        }
        blocks.extend(kept);
        // They name the end: what could not be read back is lost, and has to show.
        let books = self.books_record(&self.books, from.written.end);
        let group = Group::new(&blocks, self.log_id, Some(books));
        to.push(&*self.disk, &blocks, &group, from.written.end)
    }
}
