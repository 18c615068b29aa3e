//! Reading back what was let go from memory, and what a process before this one had in flight.
//!
//! *Invariant:* what is read has its memory before; one read at a time for each cursor.

use super::Blocks;
use super::loss::Loss;
use super::state::{Fetch, State, What, reason};
use crate::fate::DropReason;
use crate::log::block::{Block, Clock};
use crate::log::format::{Lost, Record, Totals, Why};
use crate::log::position::{Again, Fetched};
use crate::log::room::Budgets;
use crate::log::segments::{Found, Segments};
use crate::metrics::DiskFault;
use penstock_runtime::Permit;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// After the disk did not let us read; four times as long after each further failure. What it never gives is counted as
/// lost after a few tries, so they should not all be of one bad moment.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Read at once when the size of what is to be read is not known.
const CHUNK: usize = 1 << 20;

impl Blocks {
    /// Reads for a cursor and wakes it when that is done. Goes on when the cursor turns to something else meanwhile.
    pub(super) fn fetch(self: &Arc<Self>, reader: usize, fetch: Fetch) {
        let Some(files) = self.files() else { return };
        let blocks = Arc::clone(self);
        files.tasks.spawn("log read", async move {
            let Some(files) = blocks.files() else { return };
            let Fetch { what, permit } = fetch;
            let segments = Arc::clone(&files.segments);
            let found = files.helper.run(move || read(&segments, what)).await;
            blocks.fetched(reader, what, found, permit);
        });
    }

    fn fetched(
        self: &Arc<Self>,
        reader: usize,
        what: What,
        found: io::Result<Vec<Found>>,
        permit: Permit,
    ) {
        let mut losses = Vec::new();
        let mut state = self.lock();
        state.positions[reader].fetching = false;
        let mut more = None;
        match found {
            Ok(found) => {
                state.positions[reader].fetch_failures = 0;
                let bytes = found.iter().map(|found| match found {
                    Found::Block(record) => record.payload.len(),
                    Found::Lost(_) => 0,
                });
                self.metrics.reread(bytes.sum());
                state.keep_fetched(reader, what, found, permit, &self.budgets, &mut losses);
                if state.exceeds(reader) {
                    more = state.trim(reader, &self.budgets, &mut losses);
                }
            }
            Err(error) => {
                drop(permit);
                let position = &mut state.positions[reader];
                let pause = PAUSE * 4_u32.saturating_pow(position.fetch_failures.min(8));
                position.fetch_failures += 1;
                position.fetch_after = Some(Instant::now() + pause.min(LONGEST_PAUSE));
                self.metrics.fault(DiskFault::Read);
                let path = self.files.as_ref().map(|files| files.path.display());
                tracing::error!(%error, log = %self.log_id, path = path.map(tracing::field::display),
                    "log not readable, will try again");
            }
        }
        drop(state);
        self.tell(losses);
        self.wakes[reader].notify_one();
        self.wake_writer();
        if let Some(more) = more {
            self.fetch(reader, more);
        }
    }
}

/// Blocking.
fn read(segments: &Segments, what: What) -> io::Result<Vec<Found>> {
    match what {
        What::Next(from, bytes) => segments.read(from, bytes),
        What::Again(batch) => read_again(segments, &batch),
    }
}

/// The blocks of a batch; what is lost of it is told without a number of items that can be relied on.
fn read_again(segments: &Segments, batch: &Again) -> io::Result<Vec<Found>> {
    let mut all = Vec::new();
    let mut left = usize::try_from(batch.bytes).unwrap_or(usize::MAX);
    let mut from = Totals {
        seq: batch.first,
        ..Totals::default()
    };
    while from.seq <= batch.last {
        let found = segments.read(from, if left == 0 { CHUNK } else { left })?;
        let Some(last) = found.last() else { break };
        from = match last {
            Found::Block(record) => record.end(),
            Found::Lost(lost) => lost.end,
        };
        for found in found {
            let first = match &found {
                Found::Block(record) => {
                    left = left.saturating_sub(record.payload.len());
                    record.seq
                }
                Found::Lost(lost) => *lost.seqs.start(),
            };
            if first <= batch.last {
                all.push(found);
            }
        }
    }
    Ok(all)
}

impl State {
    fn keep_fetched(
        &mut self,
        reader: usize,
        what: What,
        found: Vec<Found>,
        permit: Permit,
        budgets: &Budgets,
        losses: &mut Vec<Loss>,
    ) {
        let Some(clock) = self.disk.as_ref().map(|disk| disk.clock) else {
            return;
        };
        let mut memory = Memory {
            permit,
            budgets,
            clock,
        };
        match what {
            What::Next(..) => self.keep_next(reader, found, &mut memory),
            What::Again(batch) => {
                let loss = self.keep_again(reader, &batch, found, &mut memory);
                losses.extend(loss);
                for run in &mut self.positions[reader].runs {
                    run.count(&budgets.in_flight);
                }
            }
        }
        self.touch(true);
    }

    fn keep_next(&mut self, reader: usize, found: Vec<Found>, memory: &mut Memory<'_>) {
        let position = &mut self.positions[reader];
        for found in found {
            let end = match &found {
                Found::Block(record) => record.end(),
                Found::Lost(lost) => lost.end,
            };
            if end.seq <= position.read().seq {
                continue;
            }
            position.keep_fetched(match found {
                Found::Block(record) => Fetched::Block(memory.block(record)),
                Found::Lost(lost) => Fetched::Lost(lost),
            });
        }
    }

    fn keep_again(
        &mut self,
        reader: usize,
        batch: &Again,
        found: Vec<Found>,
        memory: &mut Memory<'_>,
    ) -> Option<Loss> {
        let mut why = None::<Why>;
        let mut blocks = Vec::new();
        for found in found {
            match found {
                Found::Block(record) => blocks.push(memory.block(record)),
                Found::Lost(Lost { why: this, .. }) => why = why.or(Some(this)),
            }
        }
        let position = &mut self.positions[reader];
        let cut = position.is_cut(batch);
        let dropped = position.read_again(batch, blocks);
        let reason = match why {
            Some(Why::Missing | Why::Skipped) | None if cut => DropReason::DiskFull,
            Some(why) => reason(why),
            None => DropReason::LogLost,
        };
        Loss::of(reader, reason, dropped, batch.first..=batch.last)
    }
}

/// The memory that was taken for a read, dealt out to what was read.
struct Memory<'a> {
    permit: Permit,
    budgets: &'a Budgets,
    clock: Clock,
}

impl Memory<'_> {
    fn block(&mut self, record: Record) -> Block {
        let bytes = record.payload.len();
        let mut permit = self.permit.split(bytes);
        // A single block may be larger than what was asked for.
        if permit.bytes() < bytes {
            permit.merge(self.budgets.memory.force(bytes - permit.bytes()));
        }
        Block {
            begin: record.begin(),
            items: record.items as usize,
            since: self.clock.instant(record.since_ns),
            payload: record.payload,
            permit: Arc::new(permit),
            ack: None,
        }
    }
}
