//! Where one cursor is in the log.
//!
//! Blocks before the watermark are at their end for this cursor. From the watermark to `next` they are in flight, each
//! with the items that are not yet at their end. From `next` on they are to be read.
//!
//! *Invariant:* the watermark goes on only over blocks whose every item is settled, in whatever order batches end.

use crate::batch::{Ahead, Rule};
use crate::fate::Fate;
use penstock_hop::Origin;
use std::collections::VecDeque;

/// A cursor's place and what it has counted.
#[derive(Debug)]
pub(crate) struct Position {
    pub(crate) rule: Rule,
    /// What is to be read, so that an append need not walk the blocks to see whether a batch is due.
    pub(crate) ahead: Ahead,
    pub(crate) fates: Fate,
    pub(crate) retried: u64,
    pub(crate) ended: bool,
    watermark: u64,
    unsettled: VecDeque<usize>,
}

impl Position {
    pub(crate) fn new(rule: Rule) -> Self {
        Self {
            rule,
            ahead: Ahead::default(),
            fates: Fate::default(),
            retried: 0,
            ended: false,
            watermark: 0,
            unsettled: VecDeque::new(),
        }
    }

    /// First block that is not at its end.
    pub(crate) fn watermark(&self) -> u64 {
        self.watermark
    }

    /// First block that is not yet read.
    pub(crate) fn next(&self) -> u64 {
        self.watermark + self.unsettled.len() as u64
    }

    /// Items read and not yet at their end.
    pub(crate) fn unsettled(&self) -> u64 {
        self.unsettled.iter().map(|items| *items as u64).sum()
    }

    /// Reads the next block.
    pub(crate) fn read(&mut self, items: usize, bytes: usize) {
        self.unsettled.push_back(items);
        self.ahead.items = self.ahead.items.saturating_sub(items);
        self.ahead.bytes = self.ahead.bytes.saturating_sub(bytes);
    }

    /// The `items` at `origin` are at their end. True when the watermark went on.
    pub(crate) fn settle(&mut self, origin: &Origin, items: usize, fate: Fate) -> bool {
        self.fates += fate;
        if origin.parts == 1 {
            for seq in origin.first_block..=origin.last_block {
                if let Some(left) = self.unsettled_at(seq) {
                    *left = 0;
                }
            }
        } else if let Some(left) = self.unsettled_at(origin.first_block) {
            *left = left.saturating_sub(items);
        }
        let before = self.watermark;
        while self.unsettled.front() == Some(&0) {
            self.unsettled.pop_front();
            self.watermark += 1;
        }
        self.watermark > before
    }

    /// Goes to `end` and reads no more; whatever lies before it is dropped.
    pub(crate) fn end(&mut self, end: u64, dropped: u64) {
        self.fates.dropped += dropped;
        self.unsettled.clear();
        self.ahead = Ahead::default();
        self.watermark = end;
        self.ended = true;
    }

    fn unsettled_at(&mut self, seq: u64) -> Option<&mut usize> {
        let index = usize::try_from(seq.checked_sub(self.watermark)?).ok()?;
        self.unsettled.get_mut(index)
    }
}
