//! Losses: each is counted at once and told in one line of the log. A policy that drops a little all the time tells the
//! sum once in a while.
//!
//! *Invariant:* told outside the log's lock, after the books have it.

use super::{Blocks, Reader};
use crate::fate::DropReason;
use std::ops::RangeInclusive;
use std::sync::PoisonError;
use std::time::Duration;
use tokio::time::Instant;

/// How often a policy that drops all the time may say so.
const PERIOD: Duration = Duration::from_secs(1);

/// Items that one cursor will not deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Loss {
    pub(super) reader: usize,
    pub(super) reason: DropReason,
    pub(super) items: u64,
    pub(super) blocks: RangeInclusive<u64>,
}

impl Loss {
    /// Nothing, when no item is lost.
    pub(super) fn of(
        reader: usize,
        reason: DropReason,
        items: u64,
        blocks: RangeInclusive<u64>,
    ) -> Option<Self> {
        (items > 0).then_some(Self {
            reader,
            reason,
            items,
            blocks,
        })
    }
}

/// What was dropped by a policy and not told yet.
#[derive(Debug, Default)]
pub(super) struct Untold {
    items: u64,
    first: u64,
    last: u64,
    told: Option<Instant>,
}

impl Untold {
    /// Adds a loss; gives the sum if it is time to tell.
    pub(super) fn add(&mut self, loss: &Loss) -> Option<(u64, RangeInclusive<u64>)> {
        if self.items == 0 {
            self.first = *loss.blocks.start();
        }
        self.items += loss.items;
        self.last = *loss.blocks.end();
        let due = self.told.is_none_or(|told| told.elapsed() >= PERIOD);
        due.then(|| self.tell()).flatten()
    }

    /// Gives what was not told yet.
    pub(super) fn tell(&mut self) -> Option<(u64, RangeInclusive<u64>)> {
        let items = std::mem::take(&mut self.items);
        self.told = Some(Instant::now());
        (items > 0).then_some((items, self.first..=self.last))
    }
}

impl Blocks {
    /// Counts losses and says so.
    pub(super) fn tell(&self, losses: Vec<Loss>) {
        for loss in losses {
            let reader = &self.readers[loss.reader];
            reader.metrics.dropped(loss.reason, loss.items);
            if matches!(loss.reason, DropReason::Corrupt | DropReason::LogLost) {
                self.metrics.lost(loss.reason, loss.items);
            }
            if loss.reason == DropReason::QueueFull {
                let mut untold = reader.untold.lock().unwrap_or_else(PoisonError::into_inner);
                let told = untold.add(&loss);
                drop(untold);
                if let Some((items, blocks)) = told {
                    self.say(reader, loss.reason, items, &blocks);
                }
            } else {
                self.say(reader, loss.reason, loss.items, &loss.blocks);
            }
        }
    }

    pub(super) fn tell_rest(&self, reader: usize) {
        let reader = &self.readers[reader];
        let mut untold = reader.untold.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = untold.tell();
        drop(untold);
        if let Some((items, blocks)) = rest {
            self.say(reader, DropReason::QueueFull, items, &blocks);
        }
    }

    pub(super) fn say(
        &self,
        reader: &Reader,
        reason: DropReason,
        items: u64,
        blocks: &RangeInclusive<u64>,
    ) {
        let path = self.files.as_ref().map(|files| files.path.display());
        tracing::error!(signal = %self.signal, pipeline = %reader.pipeline, exporter = %reader.exporter,
            reason = reason.name(), items, log = %self.log_id, first_block = blocks.start(), last_block = blocks.end(),
            path = path.map(tracing::field::display), "items dropped from the log");
    }
}
