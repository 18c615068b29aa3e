//! The segments of a log that can be read, shared by the store that writes them and the cursors that read.
//!
//! *Invariant:* whatever the files have become, reading gives only blocks that were written, and accounts for every number
//! up to the end of the log, as a block or as lost. The lock is never held across a call of the disk.

use super::disk::{Disk, DiskFile};
use super::format::{Kind, Lost, Record, RecordHeader, Totals, Why};
use super::layout::{Layout, Place, Span};
use super::quarantine::Quarantine;
use super::walk::{Step, Unreadable, Walk};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[cfg(test)]
mod tests;

/// Failed reads of a place after which it is lost.
const TRIES: u32 = 3;

/// What can be read of a log.
#[derive(Debug)]
pub(crate) struct Segments {
    disk: Arc<dyn Disk>,
    /// Of the log's id.
    tag: u32,
    quarantine: Quarantine,
    layout: Mutex<Layout>,
    /// Places that could not be read, and how often in a row.
    failed: Mutex<BTreeMap<u64, u32>>,
    /// Bytes of files that are removed from the log and still there.
    leaving: AtomicU64,
}

/// One segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SegmentInfo {
    /// Its first block; `first.seq` is the segment's name.
    pub(crate) first: Totals,
    /// What comes after its last block.
    pub(crate) end: Totals,
    pub(crate) bytes_on_disk: u64,
    /// Nothing more is written to it.
    pub(crate) sealed: bool,
}

/// What is found in place of a block number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Block(Record),
    /// To count, unless it has no items. May span very many numbers.
    Lost(Lost),
}

/// What a read has so far.
struct Reading {
    at: Totals,
    max_bytes: usize,
    bytes: usize,
    found: Vec<Found>,
}

impl Segments {
    pub(crate) fn new(dir: &Path, disk: Arc<dyn Disk>, tag: u32, layout: Layout) -> Self {
        Self {
            quarantine: Quarantine::new(dir, Arc::clone(&disk)),
            disk,
            tag,
            layout: Mutex::new(layout),
            failed: Mutex::default(),
            leaving: AtomicU64::new(0),
        }
    }

    /// Bytes on disk of segments that are not among the others any more and wait for a sync to go.
    pub(crate) fn leaving(&self) -> u64 {
        self.leaving.load(Ordering::Relaxed)
    }

    pub(super) fn leaves(&self, bytes: u64) {
        self.leaving.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn left(&self, bytes: u64) {
        self.leaving.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Every segment in order.
    pub(crate) fn list(&self) -> Vec<SegmentInfo> {
        let layout = self.layout();
        let segments = layout.entries.values().map(|entry| SegmentInfo {
            first: entry.first,
            end: entry.end,
            bytes_on_disk: entry.on_disk,
            sealed: entry.sealed,
        });
        segments.collect()
    }

    /// Where the log ends: the place of the next block.
    pub(crate) fn end(&self) -> Totals {
        self.layout().end
    }

    /// Reads in order from `from` on: as many blocks as have `max_bytes` of payload, at least one; nothing at the end.
    ///
    /// Blocking. Check sums are verified, bad bytes go into quarantine, and every number is accounted for, as a block or as
    /// lost. The items of a loss that begins at `from` are counted from `from.items`; a caller that does not know these
    /// (such as for a batch in the books) takes the difference itself.
    ///
    /// # Errors
    /// What the disk says. Try again later: what stays unreadable is told as lost after a few tries.
    pub(crate) fn read(&self, from: Totals, max_bytes: usize) -> io::Result<Vec<Found>> {
        let mut reading = Reading {
            at: from,
            max_bytes,
            bytes: 0,
            found: Vec::new(),
        };
        loop {
            let place = self.layout().place(reading.at);
            match place {
                Place::End => return Ok(reading.found),
                Place::Gap(lost) => reading.lose(lost),
                Place::In(span) => match self.read_span(&span, &mut reading) {
                    Ok(true) => {}
                    Ok(false) => return Ok(reading.found),
                    // What was found must not wait for what was not; the next call comes back here.
                    Err(_) if !reading.found.is_empty() => return Ok(reading.found),
                    Err(error) => return Err(error),
                },
            }
        }
    }

    /// Reads on within a segment; `false` when there is enough.
    fn read_span(&self, span: &Span, reading: &mut Reading) -> io::Result<bool> {
        let file = match &span.file {
            Some(file) => Arc::clone(file),
            None => match self.disk.open(&span.path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    // Removed while we looked, or by somebody else.
                    if self.layout().entries.contains_key(&span.segment) {
                        reading.lose(reading.at.lost_to(span.end, Why::Missing));
                    }
                    return Ok(true);
                }
                Err(error) => return Err(error),
            },
        };
        let begun = reading.at.seq;
        let tries = self.failed().get(&begun).copied().unwrap_or(0);
        let unreadable = if tries < TRIES {
            Unreadable::Fails
        } else {
            Unreadable::Skipped
        };
        let range = span.offset..span.readable;
        let mut walk = Walk::new(&*file, Some(self.tag), range, unreadable);
        let outcome = self.walk(&mut walk, &*file, span, reading);
        if reading.at.seq > begun {
            self.failed().remove(&begun);
        } else if outcome.is_err() {
            *self.failed().entry(begun).or_default() += 1;
        }
        if let Ok(Some(offset)) = outcome {
            let seq = reading.at.seq;
            self.layout().remember(span.segment, seq, offset);
            return Ok(false);
        }
        outcome.map(|_| true)
    }

    /// Walks a segment; tells where to go on when there is enough.
    fn walk(
        &self,
        walk: &mut Walk<'_>,
        file: &dyn DiskFile,
        span: &Span,
        reading: &mut Reading,
    ) -> io::Result<Option<u64>> {
        let mut why = Why::Missing;
        while let Some(step) = walk.step()? {
            let (offset, header) = match step {
                Step::Record { offset, header } if header.kind == Kind::Block => (offset, header),
                Step::Record { .. } => continue,
                Step::Bad { range, unreadable } => {
                    why = self.bad(&span.path, file, range, unreadable);
                    continue;
                }
            };
            if header.at.seq < reading.at.seq {
                why = Why::Missing;
                continue;
            }
            if header.at.seq >= span.end.seq {
                break;
            }
            if header.at.seq > reading.at.seq {
                reading.lose(reading.at.lost_to(header.at, why));
                why = Why::Missing;
            }
            if reading.is_enough(&header) {
                return Ok(Some(offset));
            }
            match walk.payload(&header)? {
                Ok(payload) => reading.take(&header, payload),
                Err(why) => {
                    let range = offset..offset + header.record_len();
                    self.bad(&span.path, file, range, why == Why::Unreadable);
                    // As the header has it, whatever the caller thinks lies before.
                    reading.lose(header.at.lost_to(header.end(), why));
                }
            }
        }
        if reading.at.seq < span.end.seq {
            reading.lose(reading.at.lost_to(span.end, why));
        }
        Ok(None)
    }

    fn bad(
        &self,
        path: &Path,
        file: &dyn DiskFile,
        range: std::ops::Range<u64>,
        unreadable: bool,
    ) -> Why {
        if unreadable {
            return Why::Unreadable;
        }
        self.quarantine.keep(path, file, range);
        Why::Damaged
    }

    pub(super) fn layout(&self) -> MutexGuard<'_, Layout> {
        self.layout.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self) -> MutexGuard<'_, BTreeMap<u64, u32>> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reading {
    /// Whether a block is one too many.
    fn is_enough(&self, header: &RecordHeader) -> bool {
        !self.found.is_empty() && self.bytes + header.payload_len as usize > self.max_bytes
    }

    fn take(&mut self, header: &RecordHeader, payload: bytes::Bytes) {
        self.bytes += payload.len();
        self.at = header.end();
        self.found.push(Found::Block(Record {
            seq: header.at.seq,
            items: header.items,
            items_before: header.at.items,
            bytes_before: header.at.bytes,
            since_ns: header.since_ns,
            payload,
        }));
    }

    fn lose(&mut self, lost: Lost) {
        self.at = lost.end;
        self.found.push(Found::Lost(lost));
    }
}
