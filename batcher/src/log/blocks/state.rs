//! What a log knows, all under one lock: the open block, the blocks in memory, the cursors' positions.
//!
//! *Invariant:* every count moves here, so the ledger's law holds at any moment. Nothing here waits or touches files.

use super::disk::OnDisk;
use super::loss::Loss;
use crate::batch::{Ahead, Due, Run, Trigger};
use crate::fate::{DropReason, Fate};
use crate::log::Request;
use crate::log::block::{Ack, Block, OpenBlock};
use crate::log::format::{Totals, Why};
use crate::log::position::{Again, Fetched, Position};
use crate::log::room::Budgets;
use penstock_hop::Origin;
use penstock_runtime::Permit;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use tokio::time::Instant;

/// Most bytes that are read from disk at once.
const CHUNK: usize = 1 << 20;

pub(crate) struct State {
    pub(super) open: OpenBlock,
    /// By number, those in memory. One that waits to be sent again does not keep those after it.
    pub(super) sealed: BTreeMap<u64, Block>,
    pub(super) positions: Vec<Position>,
    pub(super) closed: bool,
    /// For a log on disk.
    pub(super) disk: Option<OnDisk>,
}

/// What a cursor has in flight, as far as it says what it may have more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    /// Nothing: it gets its next batch whatever there is of memory.
    pub(crate) empty: bool,
    /// It takes a batch that waits outside the window.
    pub(crate) parked: bool,
}

/// What a cursor is to do next.
pub(super) enum Next {
    Run(Run),
    Fetch(Fetch),
    Wait(Option<Instant>),
    /// Something is due, but there is no memory for it.
    Starved,
    End,
}

/// What is to be read from disk for a cursor, with the memory for it.
pub(super) struct Fetch {
    pub(super) what: What,
    pub(super) permit: Permit,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    /// What comes next, so many bytes of it.
    Next(Totals, usize),
    /// A batch that was read before.
    Again(Again),
}

/// How far a run goes.
struct Plan {
    blocks: usize,
    bytes: usize,
    /// The block there is not in memory.
    missing: Option<Totals>,
}

impl State {
    /// Where the log ends for those who read it.
    pub(super) fn end(&self) -> Totals {
        match &self.disk {
            Some(disk) => disk.written,
            None => self.open.end(),
        }
    }

    /// Takes a request in. Gives what it has to wait for.
    pub(super) fn append(&mut self, request: Request) -> Option<Arc<Ack>> {
        if self.open.ends_before(&request) {
            self.seal();
        }
        let (alone, ack) = self.open.push(request, self.disk.is_some());
        self.keep(alone);
        ack
    }

    pub(super) fn seal(&mut self) {
        let block = self.open.seal();
        self.keep(block);
    }

    fn keep(&mut self, block: Option<Block>) {
        self.sealed
            .extend(block.map(|block| (block.begin.seq, block)));
    }

    /// Whether something was appended that cursors cannot read yet.
    pub(super) fn is_unwritten(&self) -> bool {
        self.open.end() != self.end()
    }

    pub(super) fn next(
        &mut self,
        reader: usize,
        window: Window,
        budgets: &Budgets,
        losses: &mut Vec<Loss>,
    ) -> Next {
        let now = Instant::now();
        self.pass_lost(reader, losses);
        let position = &mut self.positions[reader];
        if let Some(run) = position.runs.pop_front() {
            return Next::Run(run);
        }
        if position.fetching {
            return Next::Wait(None);
        }
        if let Some(after) = position.fetch_after.filter(|after| *after > now) {
            return Next::Wait(Some(after));
        }
        let again = match position.again(window.parked, now) {
            Ok(batch) => return self.read_again(reader, batch, window, budgets),
            Err(at) => at,
        };
        let position = &self.positions[reader];
        let ahead = position.ahead(self.end());
        let since = self.since_unread(reader, now);
        match position.rule.due(ahead, since, self.closed, now) {
            Due::Now(trigger) => self.read_next(reader, trigger, window, budgets),
            Due::At(at) => Next::Wait(Some(again.map_or(at, |again| again.min(at)))),
            Due::Later if self.closed && !self.is_unwritten() && position.is_settled() => Next::End,
            Due::Later => Next::Wait(again),
        }
    }

    /// When the oldest unread item came. What has been let go is due.
    fn since_unread(&self, reader: usize, now: Instant) -> Option<Instant> {
        let position = &self.positions[reader];
        let seq = position.read().seq;
        if seq >= self.end().seq {
            return None;
        }
        match (position.next_fetched(), self.sealed.get(&seq)) {
            (Some(Fetched::Block(block)), _) | (_, Some(block)) => Some(block.since),
            _ if seq == self.open.begin().seq => self.open.since(),
            _ => Some(now.checked_sub(position.rule.timeout()).unwrap_or(now)),
        }
    }

    fn read_again(
        &mut self,
        reader: usize,
        batch: Again,
        window: Window,
        budgets: &Budgets,
    ) -> Next {
        let position = &mut self.positions[reader];
        let known = usize::try_from(batch.bytes).unwrap_or(usize::MAX);
        let bytes = if known == 0 {
            position.rule.max_bytes
        } else {
            known
        };
        match memory_for(position.in_flight_bytes(), bytes, window, budgets) {
            Some(permit) => {
                position.fetching = true;
                let what = What::Again(batch);
                Next::Fetch(Fetch { what, permit })
            }
            None => Next::Starved,
        }
    }

    fn read_next(
        &mut self,
        reader: usize,
        trigger: Trigger,
        window: Window,
        budgets: &Budgets,
    ) -> Next {
        let plan = self.plan(reader);
        // What is there in memory after what was fetched goes first: what is fetched is to be without a gap.
        if let Some(from) = plan.missing
            && plan.blocks <= self.positions[reader].fetched.len()
            && let Some(fetch) = self.fetch_next(reader, from, plan.bytes, window, budgets)
        {
            return Next::Fetch(fetch);
        }
        // A log in memory holds its blocks whether they are in flight or not.
        let fits = window.empty || self.disk.is_none() || {
            let own = self.positions[reader].in_flight_bytes();
            budgets.may_fly(own, plan.bytes)
        };
        if !fits || (plan.blocks == 0 && plan.missing.is_some()) {
            return Next::Starved;
        }
        if plan.blocks == 0 {
            return Next::Wait(None);
        }
        let mut run = self.take(reader, trigger, plan.blocks);
        if self.disk.is_some() {
            run.count(&budgets.in_flight);
        }
        self.touch(true);
        Next::Run(run)
    }

    /// How many blocks the next run takes of those that can be had. The open block is sealed if it is one of them.
    fn plan(&mut self, reader: usize) -> Plan {
        let end = self.end();
        let mut at = self.positions[reader].read();
        let mut sum = Ahead::default();
        let mut blocks = 0;
        loop {
            if at.seq >= end.seq {
                break;
            }
            if at.seq == self.open.begin().seq {
                let (items, bytes) = (self.open.items(), self.open.bytes());
                if !self.positions[reader]
                    .rule
                    .takes(sum, Ahead { items, bytes })
                {
                    break;
                }
                self.seal();
            }
            let position = &self.positions[reader];
            let fetched = position.fetched.get(blocks);
            let block = match fetched.filter(|fetched| fetched.is_at(at.seq)) {
                Some(Fetched::Block(block)) => block,
                Some(Fetched::Lost(_)) => break,
                None => match self.sealed.get(&at.seq) {
                    Some(block) => block,
                    None => {
                        return Plan {
                            blocks,
                            bytes: sum.bytes,
                            missing: Some(at),
                        };
                    }
                },
            };
            let more = Ahead {
                items: block.items,
                bytes: block.payload.len(),
            };
            if !position.rule.takes(sum, more) {
                break;
            }
            sum.items += more.items;
            sum.bytes += more.bytes;
            blocks += 1;
            at = block.end();
        }
        Plan {
            blocks,
            bytes: sum.bytes,
            missing: None,
        }
    }

    /// Leave to read on from `from`, beside `planned` bytes that the run has already.
    fn fetch_next(
        &mut self,
        reader: usize,
        from: Totals,
        planned: usize,
        window: Window,
        budgets: &Budgets,
    ) -> Option<Fetch> {
        let left = self.end().bytes.saturating_sub(from.bytes);
        let position = &mut self.positions[reader];
        let most = CHUNK.min(position.rule.max_bytes).max(1);
        let bytes = usize::try_from(left).unwrap_or(most).clamp(1, most);
        let own = position.in_flight_bytes();
        if !window.empty && !budgets.may_fly(own, planned + bytes) {
            return None;
        }
        let permit = memory_for(own, bytes, window, budgets)?;
        position.fetching = true;
        let what = What::Next(from, bytes);
        Some(Fetch { what, permit })
    }

    /// The next `blocks` blocks, which are there.
    fn take(&mut self, reader: usize, trigger: Trigger, blocks: usize) -> Run {
        let Self {
            sealed, positions, ..
        } = self;
        let position = &mut positions[reader];
        let first = position.read().seq;
        let mut run = Run::new(first, trigger);
        for _ in 0..blocks {
            let seq = position.read().seq;
            let fetched = position.fetched.pop_front_if(|fetched| fetched.is_at(seq));
            let block = match &fetched {
                Some(Fetched::Block(block)) => Some(block),
                Some(Fetched::Lost(_)) => None,
                None => sealed.get(&seq),
            };
            let Some(block) = block else { break };
            run.push(block);
            position.take(first, block.items, block.payload.len(), block.since);
        }
        run
    }

    /// Goes over what is lost where the cursor is.
    ///
    /// No further than what is written: what comes after it is not yet accepted.
    fn pass_lost(&mut self, reader: usize, losses: &mut Vec<Loss>) {
        let written = self.end();
        let position = &mut self.positions[reader];
        let mut passed = false;
        while let Some(Fetched::Lost(lost)) = position.fetched.front() {
            let first = position.read().seq;
            if first >= written.seq {
                break;
            }
            let why = lost.why;
            let end = if lost.end.seq > written.seq {
                written
            } else {
                lost.end
            };
            let items = position.skip(end);
            losses.extend(Loss::of(reader, reason(why), items, first..=end.seq - 1));
            passed = true;
        }
        if passed {
            self.touch(true);
        }
    }

    /// Drops the oldest of what a cursor has not read, as far as its limit is exceeded. Gives what has to be read from disk
    /// before it is known how far that is.
    pub(super) fn trim(
        &mut self,
        reader: usize,
        budgets: &Budgets,
        losses: &mut Vec<Loss>,
    ) -> Option<Fetch> {
        let limit = self.positions[reader].limit?;
        let end = self.end();
        let first = self.positions[reader].read().seq;
        let mut dropped = 0;
        let mut fetch = None;
        loop {
            self.pass_lost(reader, losses);
            let position = &mut self.positions[reader];
            let ahead = position.ahead(end);
            let at = position.read();
            if position.ended || (ahead.items <= limit.items && ahead.bytes <= limit.bytes) {
                break;
            }
            let block_end = match (position.next_fetched(), self.sealed.get(&at.seq)) {
                (Some(Fetched::Block(block)), _) | (None, Some(block)) => block.end(),
                _ if at.seq >= self.open.begin().seq || position.fetching => break,
                _ => {
                    // One chunk is less than a batch, which the cursor may have in any case.
                    let window = Window {
                        empty: true,
                        parked: false,
                    };
                    fetch = self.fetch_next(reader, at, 0, window, budgets);
                    break;
                }
            };
            // What came last stays, however large.
            if block_end.seq >= end.seq {
                break;
            }
            dropped += position.skip(block_end);
        }
        let read = self.positions[reader].read().seq;
        if dropped > 0 {
            losses.extend(Loss::of(
                reader,
                DropReason::QueueFull,
                dropped,
                first..=read - 1,
            ));
            self.touch(true);
        }
        fetch
    }

    /// Whether a cursor that has a limit is beyond it.
    pub(super) fn exceeds(&self, reader: usize) -> bool {
        let position = &self.positions[reader];
        position.limit.is_some_and(|limit| {
            let ahead = position.ahead(self.end());
            ahead.items > limit.items || ahead.bytes > limit.bytes
        })
    }

    /// The items at `origin` are at their end for a reader. Gives the blocks that nobody needs any more.
    pub(super) fn settle(
        &mut self,
        reader: usize,
        origin: &Origin,
        items: usize,
        fate: Fate,
    ) -> Vec<Block> {
        self.positions[reader].settle(origin, items, fate);
        self.touch(false);
        self.release(origin.first_block..=origin.last_block)
    }

    /// Takes out those of the blocks that every cursor is past.
    pub(super) fn release(&mut self, of: RangeInclusive<u64>) -> Vec<Block> {
        let written = self.end().seq;
        let Self {
            sealed, positions, ..
        } = self;
        let past = |seq: &u64, _: &mut Block| {
            *seq < written && positions.iter().all(|at| at.is_past(*seq, *seq + 1))
        };
        sealed
            .extract_if(of, past)
            .map(|(_, block)| block)
            .collect()
    }

    /// Lets go of the oldest written blocks, at least `over` bytes if they can be had.
    pub(super) fn evict(&mut self, over: usize) -> Vec<Block> {
        let mut freed = 0;
        let mut gone = Vec::new();
        for (seq, block) in self.sealed.range(..self.end().seq) {
            if freed >= over {
                break;
            }
            // Whoever has it in flight keeps its memory, so nothing would be won.
            if Arc::strong_count(&block.permit) == 1 {
                freed += block.permit.bytes();
                gone.push(*seq);
            }
        }
        let sealed = &mut self.sealed;
        gone.iter().filter_map(|seq| sealed.remove(seq)).collect()
    }

    /// The books have to be written, at once or soon.
    pub(super) fn touch(&mut self, at_once: bool) {
        if let Some(disk) = &mut self.disk {
            disk.touch(at_once);
        }
    }

    /// When the oldest item came that is not at its end for a cursor, as far as is known.
    pub(super) fn since(&self, position: &Position) -> Option<Instant> {
        let seq = position.read().seq;
        position.since().or_else(|| match self.sealed.get(&seq) {
            Some(block) => Some(block.since),
            None if seq == self.open.begin().seq => self.open.since(),
            None => None,
        })
    }
}

/// Why a cursor does not get what it should read.
pub(super) fn reason(why: Why) -> DropReason {
    match why {
        Why::Damaged | Why::Unreadable => DropReason::Corrupt,
        Why::Missing | Why::Skipped => DropReason::LogLost,
    }
}

/// Memory to read `bytes` into: a cursor that has nothing in flight always gets it, so that there is progress.
fn memory_for(own: usize, bytes: usize, window: Window, budgets: &Budgets) -> Option<Permit> {
    if window.empty {
        Some(budgets.memory.force(bytes))
    } else if budgets.may_fly(own, bytes) {
        budgets.memory.try_enter(bytes)
    } else {
        None
    }
}
