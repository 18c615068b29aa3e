//! When a batch goes and what is in it.
//!
//! A batch is a run of whole blocks; the log closes blocks early enough for that. Only a request that is alone beyond
//! the limits is cut, into several batches.
//!
//! *Invariant:* the same blocks and rule give the same batches, so an [`Origin`] names one payload.

use crate::log::block::Block;
use bytes::Bytes;
use penstock_hop::{Batch, Origin, Owners, Share};
use penstock_otlp::Signal;
use penstock_otlp::resource::{self, shares};
use penstock_otlp::split::{Limits, split};
use penstock_runtime::Permit;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;

#[cfg(test)]
mod tests;

/// What made a batch go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trigger {
    /// `send_batch_size` items.
    Items,
    /// `max_bytes`.
    Bytes,
    /// The oldest item waited for `timeout`.
    Age,
    /// The process is stopping, or the log takes nothing more.
    Drain,
    /// It was made before: in flight when a process ended, or set aside after many failures.
    Again,
}

impl Trigger {
    pub(crate) const ALL: [Self; 5] = [
        Self::Items,
        Self::Bytes,
        Self::Age,
        Self::Drain,
        Self::Again,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Items => "size",
            Self::Bytes => "bytes",
            Self::Age => "age",
            Self::Drain => "drain",
            Self::Again => "again",
        }
    }
}

/// What lies ahead of a cursor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ahead {
    pub(crate) items: usize,
    pub(crate) bytes: usize,
}

/// Whether a batch goes now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Now(Trigger),
    At(Instant),
    /// Only more data makes a batch go.
    Later,
}

/// The `batch` processor's settings as the log uses them.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    size: usize,
    timeout: Duration,
    pub(crate) max_items: usize,
    pub(crate) max_bytes: usize,
}

impl Rule {
    pub(crate) fn new(settings: &penstock_settings::Batch) -> Self {
        let max_items = match settings.send_batch_max_size {
            0 => usize::MAX,
            max => max,
        };
        Self {
            size: settings.send_batch_size,
            timeout: settings.timeout,
            max_items,
            max_bytes: settings.max_bytes,
        }
    }

    /// How long the oldest item waits for others.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Whether what lies ahead goes, `since` being when its oldest item came.
    pub(crate) fn due(
        &self,
        ahead: Ahead,
        since: Option<Instant>,
        draining: bool,
        now: Instant,
    ) -> Due {
        let Some(since) = since else {
            return Due::Later;
        };
        match self.full(ahead) {
            Some(trigger) => Due::Now(trigger),
            None if draining => Due::Now(Trigger::Drain),
            None => match since.checked_add(self.timeout) {
                Some(at) if at <= now => Due::Now(Trigger::Age),
                Some(at) => Due::At(at),
                None => Due::Later,
            },
        }
    }

    /// Whether a cursor that waits has to look again, now that there is `after` and no longer `before` ahead: the
    /// clock of the first item has to be set, or a limit was crossed.
    pub(crate) fn wakes(&self, before: Ahead, after: Ahead) -> bool {
        before.items == 0 || (self.full(before).is_none() && self.full(after).is_some())
    }

    /// Whether a run of `run` still takes a block of `more`.
    pub(crate) fn takes(&self, run: Ahead, more: Ahead) -> bool {
        // A size of 0 means "at once", not batches of nothing.
        let wants = self.size == 0 || run.items < self.size;
        run.items == 0
            || (wants
                && run.items.saturating_add(more.items) <= self.max_items
                && run.bytes.saturating_add(more.bytes) <= self.max_bytes)
    }

    fn full(&self, ahead: Ahead) -> Option<Trigger> {
        if ahead.items >= self.size {
            Some(Trigger::Items)
        } else if ahead.bytes >= self.max_bytes {
            Some(Trigger::Bytes)
        } else {
            None
        }
    }
}

/// What was done for a batch before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tries {
    /// Attempts that failed.
    pub(crate) failed: u32,
    /// When the first one was made.
    pub(crate) begun: Option<Instant>,
}

/// Keeps the memory of a batch's blocks accounted for, as long as any piece of the batch is there.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    permits: Vec<Arc<Permit>>,
    in_flight: Option<InFlightBytes>,
}

/// Bytes that batches of one signal keep in memory.
#[derive(Debug)]
pub(crate) struct InFlightBytes {
    all: Arc<AtomicUsize>,
    bytes: usize,
}

impl InFlightBytes {
    pub(crate) fn new(all: &Arc<AtomicUsize>, bytes: usize) -> Self {
        all.fetch_add(bytes, Ordering::Relaxed);
        Self {
            all: Arc::clone(all),
            bytes,
        }
    }
}

impl Drop for InFlightBytes {
    fn drop(&mut self) {
        self.all.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Blocks that a cursor reads at once.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) trigger: Trigger,
    first: u64,
    blocks: Vec<(Bytes, usize)>,
    sum: Ahead,
    guard: Guard,
    tries: Tries,
    parked: bool,
}

impl Run {
    pub(crate) fn new(first: u64, trigger: Trigger) -> Self {
        Self {
            trigger,
            first,
            blocks: Vec::new(),
            sum: Ahead::default(),
            guard: Guard::default(),
            tries: Tries::default(),
            parked: false,
        }
    }

    /// Blocks that were read before.
    pub(crate) fn again(first: u64, tries: Tries, parked: bool) -> Self {
        Self {
            tries,
            parked,
            ..Self::new(first, Trigger::Again)
        }
    }

    /// First block.
    pub(crate) fn first(&self) -> u64 {
        self.first
    }

    /// Number of the block that would be next.
    pub(crate) fn end(&self) -> u64 {
        self.first + self.blocks.len() as u64
    }

    pub(crate) fn push(&mut self, block: &Block) {
        self.sum.items += block.items;
        self.sum.bytes += block.payload.len();
        self.blocks.push((block.payload.clone(), block.items));
        self.guard.permits.push(Arc::clone(&block.permit));
    }

    /// Counts its bytes into `all` for as long as it is there.
    pub(crate) fn count(&mut self, all: &Arc<AtomicUsize>) {
        self.guard.in_flight = Some(InFlightBytes::new(all, self.sum.bytes));
    }

    /// The batches of the run: one, unless it is a single block beyond the limits.
    pub(crate) fn batches(self, signal: Signal, log_id: &str, rule: &Rule) -> Vec<Load> {
        let guard = Arc::new(self.guard);
        let mut whole = Load::whole(signal, log_id, self.first, self.blocks, guard);
        whole.tries = self.tries;
        whole.parked = self.parked;
        let within = self.sum.items <= rule.max_items && self.sum.bytes <= rule.max_bytes;
        if within || whole.batch.chunks.len() != 1 {
            return vec![whole];
        }
        let limits = Limits {
            items: rule.max_items,
            bytes: rule.max_bytes,
        };
        let pieces = whole.cut(limits);
        if pieces.is_empty() {
            vec![whole]
        } else {
            pieces
        }
    }
}

/// A batch with the items of each of its chunks, so that it can be cut further.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    pub(crate) batch: Batch,
    items: Vec<usize>,
    guard: Arc<Guard>,
    /// Of this very batch; pieces of it begin anew.
    pub(crate) tries: Tries,
    /// It comes from outside the window.
    pub(crate) parked: bool,
}

impl Load {
    /// Whole blocks from `first` on.
    fn whole(
        signal: Signal,
        log_id: &str,
        first: u64,
        blocks: Vec<(Bytes, usize)>,
        guard: Arc<Guard>,
    ) -> Self {
        let (chunks, items): (Vec<_>, Vec<_>) = blocks.into_iter().unzip();
        let last_block = first + (chunks.len() as u64).saturating_sub(1);
        let origin = Origin {
            log_id: log_id.to_owned(),
            first_block: first,
            last_block,
            part: 0,
            parts: 1,
            share: None,
        };
        Self {
            batch: Batch {
                signal,
                chunks,
                items: items.iter().sum(),
                origin,
            },
            items,
            guard,
            tries: Tries::default(),
            parked: false,
        }
    }

    /// Two smaller loads, or none when there is nothing to cut.
    pub(crate) fn halves(&self) -> Vec<Self> {
        let Batch {
            signal,
            chunks,
            origin,
            items,
        } = &self.batch;
        if chunks.len() < 2 {
            return self.cut(Limits {
                items: items.div_ceil(2),
                bytes: usize::MAX,
            });
        }
        // Chunks are blocks: their halves are runs of whole blocks again.
        let blocks: Vec<_> = chunks
            .iter()
            .cloned()
            .zip(self.items.iter().copied())
            .collect();
        let (front, back) = blocks.split_at(blocks.len() / 2);
        let part = |first, blocks: &[(Bytes, usize)]| Self {
            parked: self.parked,
            ..Self::whole(
                *signal,
                &origin.log_id,
                first,
                blocks.to_vec(),
                Arc::clone(&self.guard),
            )
        };
        vec![
            part(origin.first_block, front),
            part(origin.first_block + front.len() as u64, back),
        ]
    }

    /// What of it each owner gets, by the owner's index. Shares without items are left out.
    pub(crate) fn shares(&self, owners: &Owners) -> Vec<(usize, Self)> {
        let Batch {
            signal,
            chunks,
            origin,
            ..
        } = &self.batch;
        let owner = |key| owners.index_of(key).unwrap_or_default();
        let mut shares = shares(*signal, chunks, owner);
        shares.retain(|share| share.items > 0);
        let load = |share: resource::Share| {
            let owner = &owners.list()[share.place];
            let load = Self {
                batch: Batch {
                    signal: *signal,
                    chunks: vec![share.body],
                    items: share.items,
                    origin: Origin {
                        share: Some(Share::of(owner, owners.epoch(), origin.share)),
                        ..origin.clone()
                    },
                },
                items: vec![share.items],
                guard: Arc::clone(&self.guard),
                tries: self.tries,
                parked: self.parked,
            };
            (share.place, load)
        };
        shares.into_iter().map(load).collect()
    }

    /// The pieces of a load of one chunk, or none when it cannot be cut.
    fn cut(&self, limits: Limits) -> Vec<Self> {
        let Batch {
            signal,
            chunks,
            origin,
            items,
        } = &self.batch;
        let [chunk] = chunks.as_slice() else {
            return Vec::new();
        };
        let mut pieces = split(*signal, chunk, limits);
        pieces.retain(|piece| piece.items > 0);
        let sum: usize = pieces.iter().map(|piece| piece.items).sum();
        if pieces.len() < 2 || sum != *items {
            return Vec::new();
        }
        let count = u32::try_from(pieces.len()).unwrap_or(u32::MAX);
        let parts = origin.parts.saturating_mul(count);
        let first = origin.part.saturating_mul(count);
        (first..)
            .zip(pieces)
            .map(|(part, piece)| Self {
                batch: Batch {
                    signal: *signal,
                    chunks: vec![piece.body],
                    items: piece.items,
                    origin: Origin {
                        part,
                        parts,
                        ..origin.clone()
                    },
                },
                items: vec![piece.items],
                guard: Arc::clone(&self.guard),
                tries: Tries::default(),
                parked: self.parked,
            })
            .collect()
    }
}
