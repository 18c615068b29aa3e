//! Where one cursor is in the log.
//!
//! Blocks from `read` on are to be read. Those before it are at their end for this cursor, save for the ones in flight,
//! each with the items that are not yet at their end, and save for batches that are to be read *again*: they were in
//! flight when a process ended, or wait outside the window after many failures. The first of all these is the watermark.
//!
//! *Invariant:* what was read is at its end, in flight or to be read again, so
//! `read - since + carried = fates + unsettled`; the watermark goes on only over blocks whose every item is settled, in
//! whatever order batches end.

use super::block::Block;
use super::books::{CursorBook, InFlight};
use super::format::{Lost, Totals};
use crate::batch::{Ahead, Rule, Run, Tries};
use crate::fate::Fate;
use penstock_hop::Origin;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use tokio::time::Instant;

/// A cursor's place and what it has counted.
#[derive(Debug)]
pub(crate) struct Position {
    pub(crate) rule: Rule,
    /// What may be unread before the oldest of it is dropped.
    pub(crate) limit: Option<Ahead>,
    pub(crate) fates: Fate,
    pub(crate) retried: u64,
    /// Reads no more.
    pub(crate) ended: bool,
    /// Read from disk, to be read by the cursor next: from `read` on, without a gap.
    pub(crate) fetched: VecDeque<Fetched>,
    /// Batches that were read again, to go next.
    pub(crate) runs: VecDeque<Run>,
    /// Something is being read from disk.
    pub(crate) fetching: bool,
    /// The disk did not let us read, so often in a row; not before this again.
    pub(crate) fetch_failures: u32,
    pub(crate) fetch_after: Option<Instant>,
    read: Totals,
    since_items: u64,
    carried_accepted: u64,
    unsettled: BTreeMap<u64, Unsettled>,
    again: Vec<Again>,
}

/// What is found on disk where a block should be.
#[derive(Debug)]
pub(crate) enum Fetched {
    Block(Block),
    Lost(Lost),
}

impl Fetched {
    /// Whether it is what is found in place of this block.
    pub(crate) fn is_at(&self, seq: u64) -> bool {
        match self {
            Self::Block(block) => block.begin.seq == seq,
            Self::Lost(lost) => lost.seqs.contains(&seq),
        }
    }

    pub(crate) fn end(&self) -> Totals {
        match self {
            Self::Block(block) => block.end(),
            Self::Lost(lost) => lost.end,
        }
    }
}

/// A block in flight.
#[derive(Clone, Copy, Debug)]
struct Unsettled {
    items: u64,
    bytes: u64,
    left: u64,
    /// What became of the others.
    pieces: Fate,
    since: Instant,
    /// First block of the batch that it was read in.
    batch: u64,
}

/// A batch that has to be read again before it can go again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Again {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) items: u64,
    /// 0 when nobody knows any more.
    pub(crate) bytes: u64,
    pub(crate) tries: Tries,
    /// It waits outside the window, not before `at`.
    pub(crate) parked: bool,
    pub(crate) at: Option<Instant>,
    /// When its oldest item came, if that is known.
    since: Option<Instant>,
    /// Blocks of it were removed to make room.
    pub(crate) cut: bool,
}

impl Again {
    fn is_due(&self, now: Instant) -> bool {
        self.at.is_none_or(|at| at <= now)
    }
}

impl Position {
    /// A cursor that begins at `at`.
    pub(crate) fn new(rule: Rule, limit: Option<Ahead>, at: Totals) -> Self {
        Self {
            rule,
            limit,
            fates: Fate::default(),
            retried: 0,
            ended: false,
            fetched: VecDeque::new(),
            runs: VecDeque::new(),
            fetching: false,
            fetch_failures: 0,
            fetch_after: None,
            read: at,
            since_items: at.items,
            carried_accepted: 0,
            unsettled: BTreeMap::new(),
            again: Vec::new(),
        }
    }

    /// As the books have it. Batches that were in flight go again, those that waited outside the window after `wait`.
    pub(crate) fn restore(
        rule: Rule,
        limit: Option<Ahead>,
        book: &CursorBook,
        wait: Instant,
    ) -> Self {
        let again = book.in_flight.iter().map(|batch| Again {
            first: batch.first,
            last: batch.last,
            items: batch.items,
            bytes: batch.bytes,
            tries: Tries::default(),
            parked: batch.parked,
            at: batch.parked.then_some(wait),
            since: None,
            cut: false,
        });
        let read = Totals {
            seq: book.next,
            items: book.read_items,
            bytes: book.read_bytes,
        };
        Self {
            fates: fates(book),
            retried: book.retried,
            since_items: book.since_items,
            carried_accepted: book.carried_accepted,
            again: again.collect(),
            ..Self::new(rule, limit, read)
        }
    }

    /// For the books. A block that is not wholly settled is in flight as a whole: it is sent again whole.
    pub(crate) fn book(&self, pipeline: &str, exporter: &str) -> CursorBook {
        let mut fates = self.fates;
        let mut in_flight: Vec<_> = self.again.iter().map(InFlight::from).collect();
        let mut batch = None;
        for (seq, block) in &self.unsettled {
            fates -= block.pieces;
            match in_flight.last_mut() {
                Some(last) if batch == Some(block.batch) && last.last + 1 == *seq => {
                    last.last = *seq;
                    last.items += block.items;
                    last.bytes += block.bytes;
                }
                _ => in_flight.push(InFlight {
                    first: *seq,
                    last: *seq,
                    items: block.items,
                    bytes: block.bytes,
                    parked: false,
                }),
            }
            batch = Some(block.batch);
        }
        in_flight.sort_unstable_by_key(|batch| batch.first);
        CursorBook {
            pipeline: pipeline.to_owned(),
            exporter: exporter.to_owned(),
            next: self.read.seq,
            read_items: self.read.items,
            read_bytes: self.read.bytes,
            since_items: self.since_items,
            carried_accepted: self.carried_accepted,
            delivered: fates.delivered,
            rejected: fates.rejected,
            dropped: fates.dropped,
            retried: self.retried,
            handed_over: fates.handed_over,
            in_flight,
            retired: false,
        }
    }

    /// First block that is not yet read, and what lies before it.
    pub(crate) fn read(&self) -> Totals {
        self.read
    }

    /// Whether every block of `first..end` is at its end.
    pub(crate) fn is_past(&self, first: u64, end: u64) -> bool {
        end <= self.read.seq
            && self.unsettled.range(first..end).next().is_none()
            && self.again.iter().all(|a| a.last < first || a.first >= end)
    }

    /// Items that the log accepted for this cursor, up to `end`.
    pub(crate) fn accepted(&self, end: Totals) -> u64 {
        (end.items + self.carried_accepted).saturating_sub(self.since_items)
    }

    /// Items that are not yet at their end, up to `end`.
    pub(crate) fn held(&self, end: Totals) -> u64 {
        let unsettled: u64 = self.unsettled.values().map(|block| block.left).sum();
        let again: u64 = self.again.iter().map(|batch| batch.items).sum();
        unsettled + again + end.items.saturating_sub(self.read.items)
    }

    /// Payload bytes of the blocks with these items.
    pub(crate) fn held_bytes(&self, end: Totals) -> u64 {
        let unsettled: u64 = self.unsettled.values().map(|block| block.bytes).sum();
        let again: u64 = self.again.iter().map(|batch| batch.bytes).sum();
        unsettled + again + end.bytes.saturating_sub(self.read.bytes)
    }

    /// What is to be read, up to `end`.
    pub(crate) fn ahead(&self, end: Totals) -> Ahead {
        let part =
            |end: u64, read: u64| usize::try_from(end.saturating_sub(read)).unwrap_or(usize::MAX);
        Ahead {
            items: part(end.items, self.read.items),
            bytes: part(end.bytes, self.read.bytes),
        }
    }

    /// Payload bytes of the blocks that are in flight.
    pub(crate) fn in_flight_bytes(&self) -> usize {
        let bytes: u64 = self.unsettled.values().map(|block| block.bytes).sum();
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    /// When the oldest item came that was read and is not at its end, as far as is known.
    pub(crate) fn since(&self) -> Option<Instant> {
        let again = self.again.iter().filter_map(|batch| batch.since);
        let in_flight = self.unsettled.first_key_value();
        again.chain(in_flight.map(|(_, block)| block.since)).min()
    }

    /// Whether nothing is left of what was read.
    pub(crate) fn is_settled(&self) -> bool {
        self.unsettled.is_empty() && self.again.is_empty()
    }

    /// The next block is in flight as part of the batch that begins with block `batch`.
    pub(crate) fn take(&mut self, batch: u64, items: usize, bytes: usize, since: Instant) {
        self.insert(self.read.seq, batch, items, bytes, since);
        self.pass(super::block::after(self.read, items, bytes));
    }

    fn insert(&mut self, seq: u64, batch: u64, items: usize, bytes: usize, since: Instant) {
        let items = items as u64;
        let block = Unsettled {
            items,
            bytes: bytes as u64,
            left: items,
            pieces: Fate::default(),
            since,
            batch,
        };
        self.unsettled.insert(seq, block);
    }

    /// What was read from disk of where the cursor is.
    pub(crate) fn next_fetched(&self) -> Option<&Fetched> {
        let next = self.fetched.front();
        next.filter(|next| next.is_at(self.read.seq))
    }

    /// Keeps what was read from disk if nothing is left out before it. The cursor may have been sent on meanwhile, by a
    /// policy that drops what is old.
    pub(crate) fn keep_fetched(&mut self, found: Fetched) {
        let last = self.fetched.back();
        let next = last.map_or(self.read.seq, |last| last.end().seq);
        if found.is_at(next) {
            self.fetched.push_back(found);
        }
    }

    /// Goes to `end` without sending what lies before it, and counts that as dropped. Tells how many items these are.
    pub(crate) fn skip(&mut self, end: Totals) -> u64 {
        if end.seq <= self.read.seq {
            return 0;
        }
        let dropped = end.items.saturating_sub(self.read.items);
        self.fates.dropped += dropped;
        self.pass(end);
        dropped
    }

    fn pass(&mut self, end: Totals) {
        self.read = end;
        while self
            .fetched
            .front()
            .is_some_and(|first| first.end().seq <= end.seq)
        {
            self.fetched.pop_front();
        }
    }

    /// The `items` at `origin` are at their end.
    pub(crate) fn settle(&mut self, origin: &Origin, items: usize, fate: Fate) {
        self.fates += fate;
        for seq in origin.first_block..=origin.last_block {
            if let Entry::Occupied(mut block) = self.unsettled.entry(seq) {
                // A piece of a block leaves the other pieces' items.
                match block.get().left.saturating_sub(items as u64) {
                    some @ 1.. if origin.parts > 1 => {
                        block.get_mut().left = some;
                        block.get_mut().pieces += fate;
                    }
                    _ => {
                        block.remove();
                    }
                }
            }
        }
    }

    /// The whole blocks at `origin` wait outside the window until `at`, to be read again then.
    pub(crate) fn park(&mut self, origin: &Origin, tries: Tries, at: Instant) {
        let range = origin.first_block..=origin.last_block;
        let (mut items, mut bytes, mut since) = (0, 0, None);
        for (_, block) in self.unsettled.extract_if(range, |_, _| true) {
            items += block.items;
            bytes += block.bytes;
            since = since.or(Some(block.since));
        }
        self.again.push(Again {
            first: origin.first_block,
            last: origin.last_block,
            items,
            bytes,
            tries,
            parked: true,
            at: Some(at),
            since,
            cut: false,
        });
    }

    /// How many batches wait outside the window.
    pub(crate) fn parked(&self) -> usize {
        self.again.iter().filter(|batch| batch.parked).count()
    }

    /// The next batch to be read again, or when there will be one. Those outside the window come last, and only with
    /// `parked`.
    pub(crate) fn again(&self, parked: bool, now: Instant) -> Result<Again, Option<Instant>> {
        let may = |batch: &&Again| parked || !batch.parked;
        let due = self.again.iter().filter(may).filter(|b| b.is_due(now));
        match due.min_by_key(|batch| (batch.parked, batch.first)) {
            Some(batch) => Ok(*batch),
            None => Err(self.again.iter().filter(may).filter_map(|b| b.at).min()),
        }
    }

    /// Nothing waits any longer before it is read again.
    pub(crate) fn hurry(&mut self) {
        for batch in &mut self.again {
            batch.at = None;
        }
    }

    /// Whether blocks of a batch that is to be read again were removed to make room.
    pub(crate) fn is_cut(&self, batch: &Again) -> bool {
        self.again
            .iter()
            .any(|other| other.first == batch.first && other.cut)
    }

    /// What was to be read again is there, but for what is lost of it: puts that in flight, as runs of blocks, and counts
    /// the rest as dropped. Tells how many items are dropped.
    pub(crate) fn read_again(&mut self, batch: &Again, blocks: Vec<Block>) -> u64 {
        let known = self.again.len();
        self.again
            .retain(|other| (other.first, other.last) != (batch.first, batch.last));
        if self.again.len() == known {
            // It was dropped meanwhile.
            return 0;
        }
        let mut found = 0;
        let mut runs: Vec<Run> = Vec::new();
        for block in blocks {
            found += block.items as u64;
            let seq = block.begin.seq;
            match runs.last_mut() {
                Some(run) if run.end() == seq => run.push(&block),
                _ => {
                    let mut run = Run::again(seq, batch.tries, batch.parked);
                    run.push(&block);
                    runs.push(run);
                }
            }
            let first = runs.last().map_or(seq, Run::first);
            self.insert(seq, first, block.items, block.payload.len(), block.since);
        }
        self.runs.extend(runs);
        let dropped = batch.items.saturating_sub(found);
        self.fates.dropped += dropped;
        dropped
    }

    /// The blocks of `first..end` go from the disk: what of them is to be read again will not be found.
    pub(crate) fn cut_again(&mut self, first: u64, end: u64) {
        for batch in &mut self.again {
            batch.cut |= batch.first < end && batch.last >= first;
        }
    }

    /// Goes to `end` and reads no more; whatever lies before it is dropped. Tells how much that is.
    pub(crate) fn abandon(&mut self, end: Totals) -> u64 {
        let dropped = self.held(end);
        self.fates.dropped += dropped;
        self.unsettled.clear();
        self.again.clear();
        self.runs.clear();
        self.pass(end);
        self.ended = true;
        dropped
    }

    /// Takes over the counts of a cursor that is done with its log.
    pub(crate) fn carry(&mut self, book: &CursorBook) {
        self.fates += fates(book);
        self.retried += book.retried;
        self.carried_accepted += at_end(book);
    }

    /// Ends a cursor without an exporter: it accepts nothing more, and what it holds is dropped.
    pub(crate) fn retire(
        &mut self,
        end: Totals,
        pipeline: &str,
        exporter: &str,
    ) -> (CursorBook, u64) {
        let dropped = self.abandon(end);
        let mut book = self.book(pipeline, exporter);
        book.retired = true;
        (book, dropped)
    }
}

/// Items that a cursor's log accepted for it, up to `end` items.
pub(crate) fn accepted(book: &CursorBook, end: u64) -> u64 {
    (end + book.carried_accepted).saturating_sub(book.since_items)
}

/// Items of a cursor that are at their end. That is all it accepted, once its log is emptied and its last books are written.
pub(crate) fn at_end(book: &CursorBook) -> u64 {
    book.delivered + book.rejected + book.dropped
}

/// What became of a cursor's items.
pub(crate) fn fates(book: &CursorBook) -> Fate {
    Fate {
        delivered: book.delivered,
        rejected: book.rejected,
        dropped: book.dropped,
        handed_over: book.handed_over,
    }
}

impl From<&Again> for InFlight {
    fn from(batch: &Again) -> Self {
        Self {
            first: batch.first,
            last: batch.last,
            items: batch.items,
            bytes: batch.bytes,
            parked: batch.parked,
        }
    }
}
