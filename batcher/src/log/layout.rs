//! Which segment has what: the part of a log's state that is in memory.
//!
//! *Invariant:* a few marks for each segment, never anything for each block. No segment goes on beyond the first block of the
//! next.

use super::disk::DiskFile;
use super::format::{Lost, Mark, SEGMENT_HEADER, Totals, Why};
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::Arc;

/// Places remembered for those who read on.
const HINTS: usize = 16;

/// A segment.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) path: PathBuf,
    pub(crate) first: Totals,
    pub(crate) end: Totals,
    /// Where its records end that may be read.
    pub(crate) readable: u64,
    pub(crate) on_disk: u64,
    pub(crate) sealed: bool,
    /// Its last books.
    pub(crate) books_at: u64,
    pub(crate) marks: Vec<Mark>,
    /// Open while it is written or not yet durable: only then another file may take its place.
    pub(crate) file: Option<Arc<dyn DiskFile>>,
}

/// All segments of a log.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    /// By number of the first block.
    pub(crate) entries: BTreeMap<u64, Entry>,
    /// The place of the next block.
    pub(crate) end: Totals,
    hints: VecDeque<Hint>,
}

#[derive(Clone, Copy, Debug)]
struct Hint {
    segment: u64,
    seq: u64,
    offset: u64,
}

/// What is at a place of the log.
#[derive(Debug)]
pub(crate) enum Place {
    /// In this segment.
    In(Span),
    /// In none.
    Gap(Lost),
    /// The log ends here.
    End,
}

/// The part of a segment that has a block and those after it.
#[derive(Debug)]
pub(crate) struct Span {
    pub(crate) segment: u64,
    pub(crate) path: PathBuf,
    pub(crate) file: Option<Arc<dyn DiskFile>>,
    /// A record at or before the block.
    pub(crate) offset: u64,
    pub(crate) readable: u64,
    /// Where the segment ends.
    pub(crate) end: Totals,
}

impl Layout {
    /// Where a block is.
    pub(crate) fn place(&self, at: Totals) -> Place {
        let mut before = self.entries.range(..=at.seq).rev();
        if let Some((segment, entry)) = before.next().filter(|(_, own)| own.end.seq > at.seq) {
            return Place::In(Span {
                segment: *segment,
                path: entry.path.clone(),
                file: entry.file.clone(),
                offset: self.offset(*segment, entry, at.seq),
                readable: entry.readable,
                end: entry.end,
            });
        }
        let after = (Bound::Excluded(at.seq), Bound::Unbounded);
        let next = self.entries.range(after).next();
        let end = next.map_or(self.end, |(_, next)| next.first);
        if end.seq > at.seq {
            Place::Gap(at.lost_to(end, Why::Missing))
        } else {
            Place::End
        }
    }

    /// Remembers where a block begins, for whoever reads on from there.
    pub(crate) fn remember(&mut self, segment: u64, seq: u64, offset: u64) {
        if self.hints.len() >= HINTS {
            self.hints.pop_front();
        }
        self.hints.push_back(Hint {
            segment,
            seq,
            offset,
        });
    }

    /// Adds a segment; gives the one of the same first block that it takes the place of.
    pub(crate) fn insert(&mut self, entry: Entry) -> Option<Entry> {
        let segment = entry.first.seq;
        self.forget(segment);
        self.entries.insert(segment, entry)
    }

    /// Takes a segment out.
    pub(crate) fn remove(&mut self, segment: u64) -> Option<Entry> {
        self.forget(segment);
        self.entries.remove(&segment)
    }

    fn forget(&mut self, segment: u64) {
        self.hints.retain(|hint| hint.segment != segment);
    }

    fn offset(&self, segment: u64, entry: &Entry, seq: u64) -> u64 {
        let after = entry.marks.partition_point(|mark| mark.at.seq <= seq);
        let marked = after.checked_sub(1).map(|at| entry.marks[at].offset);
        let hints = self.hints.iter();
        let hinted = hints
            .filter(|hint| hint.segment == segment && hint.seq <= seq)
            .map(|hint| hint.offset);
        hinted.chain(marked).max().unwrap_or(SEGMENT_HEADER as u64)
    }
}
