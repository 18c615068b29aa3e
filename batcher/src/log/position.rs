//! Where one cursor is in the log.
//!
//! Blocks from `next` on are to be read. Those before it are at their end for this cursor, save for the ones in flight,
//! each with the items that are not yet at their end. The first of these is the watermark.
//!
//! *Invariant:* the watermark goes on only over blocks whose every item is settled, in whatever order batches end.

use crate::batch::{Ahead, Rule};
use crate::fate::Fate;
use penstock_hop::Origin;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// A cursor's place and what it has counted.
#[derive(Debug)]
pub(crate) struct Position {
    pub(crate) rule: Rule,
    /// What is to be read, so that an append need not walk the blocks to see whether a batch is due.
    pub(crate) ahead: Ahead,
    pub(crate) fates: Fate,
    pub(crate) retried: u64,
    pub(crate) ended: bool,
    next: u64,
    unsettled: BTreeMap<u64, usize>,
}

impl Position {
    pub(crate) fn new(rule: Rule) -> Self {
        Self {
            rule,
            ahead: Ahead::default(),
            fates: Fate::default(),
            retried: 0,
            ended: false,
            next: 0,
            unsettled: BTreeMap::new(),
        }
    }

    /// First block that is not at its end.
    pub(crate) fn watermark(&self) -> u64 {
        self.unsettled
            .first_key_value()
            .map_or(self.next, |(seq, _)| *seq)
    }

    /// First block that is not yet read.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    /// Whether block `seq` is at its end.
    pub(crate) fn is_past(&self, seq: u64) -> bool {
        seq < self.next && !self.unsettled.contains_key(&seq)
    }

    /// Items read and not yet at their end.
    pub(crate) fn unsettled(&self) -> u64 {
        self.unsettled.values().map(|items| *items as u64).sum()
    }

    /// Reads the next block.
    pub(crate) fn read(&mut self, items: usize, bytes: usize) {
        self.unsettled.insert(self.next, items);
        self.next += 1;
        self.ahead.items = self.ahead.items.saturating_sub(items);
        self.ahead.bytes = self.ahead.bytes.saturating_sub(bytes);
    }

    /// The `items` at `origin` are at their end.
    pub(crate) fn settle(&mut self, origin: &Origin, items: usize, fate: Fate) {
        self.fates += fate;
        for seq in origin.first_block..=origin.last_block {
            if let Entry::Occupied(mut left) = self.unsettled.entry(seq) {
                // A piece of a block leaves the other pieces' items.
                match left.get().saturating_sub(items) {
                    some @ 1.. if origin.parts > 1 => *left.get_mut() = some,
                    _ => {
                        left.remove();
                    }
                }
            }
        }
    }

    /// Goes to `end` and reads no more; whatever lies before it is dropped.
    pub(crate) fn end(&mut self, end: u64, dropped: u64) {
        self.fates.dropped += dropped;
        self.unsettled.clear();
        self.ahead = Ahead::default();
        self.next = end;
        self.ended = true;
    }
}
