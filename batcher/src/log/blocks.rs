//! The log in memory: the open block, the sealed ones, and the cursors' positions.
//!
//! One lock holds all of it and is taken for moments only; a log belongs to one shard, so only the ledger's readers
//! ever compete for it. As every count moves under this lock, the ledger's law holds at any moment.
//!
//! *Invariant:* a block stays until every cursor is past it; then its bytes return to the budget, whatever becomes of the
//! blocks before it. Nothing is appended after [`Blocks::close`].

use super::block::{Block, BlockLimits, OpenBlock};
use super::position::Position;
use super::{AppendError, Request};
use crate::batch::{Due, Load, Rule, Run};
use crate::fate::Fate;
use crate::metrics;
use ::metrics::Counter;
use penstock_hop::Origin;
use penstock_otlp::Signal;
use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

#[cfg(test)]
mod tests;

/// Who reads the log, and when its batches go.
#[derive(Clone, Debug)]
pub(crate) struct Reader {
    pub(crate) pipeline: String,
    pub(crate) exporter: String,
    pub(crate) rule: Rule,
}

/// The log of one signal and shard.
pub(crate) struct Blocks {
    pub(crate) signal: Signal,
    log_id: String,
    readers: Vec<Reader>,
    state: Mutex<State>,
    wakes: Vec<Notify>,
    reading: watch::Sender<usize>,
    accepted: Counter,
}

struct State {
    open: OpenBlock,
    /// By number. One that waits to be sent again does not keep those after it.
    sealed: BTreeMap<u64, Block>,
    positions: Vec<Position>,
    accepted: u64,
    closed: bool,
}

/// What a cursor is to do next.
enum Next {
    Run(Run),
    Wait(Option<Instant>),
    End,
}

/// One cursor's counts, all of the same moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    pub(crate) accepted: u64,
    pub(crate) fates: Fate,
    pub(crate) retried: u64,
    /// From the blocks, not from the other counts.
    pub(crate) held: u64,
    pub(crate) since: Option<Instant>,
}

/// A log's counts, all of the same moment.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) accepted: u64,
    pub(crate) items: u64,
    pub(crate) bytes: u64,
    /// In the order of the readers.
    pub(crate) cursors: Vec<Counts>,
}

impl fmt::Debug for Blocks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocks")
            .field("log_id", &self.log_id)
            .field("readers", &self.readers)
            .finish_non_exhaustive()
    }
}

impl Blocks {
    pub(crate) fn new(
        signal: Signal,
        log_id: String,
        block_bytes: usize,
        readers: Vec<Reader>,
    ) -> Self {
        // Blocks fit every reader's batches, so that only a request alone beyond a limit has to be cut.
        let limits = BlockLimits {
            bytes: readers
                .iter()
                .map(|r| r.rule.max_bytes)
                .fold(block_bytes, usize::min),
            items: readers
                .iter()
                .map(|r| r.rule.max_items)
                .fold(usize::MAX, usize::min),
        };
        let state = State {
            open: OpenBlock::new(limits),
            sealed: BTreeMap::new(),
            positions: readers
                .iter()
                .map(|r| Position::new(r.rule.clone()))
                .collect(),
            accepted: 0,
            // What nobody reads would never leave.
            closed: readers.is_empty(),
        };
        Self {
            signal,
            log_id,
            state: Mutex::new(state),
            wakes: readers.iter().map(|_| Notify::new()).collect(),
            reading: watch::Sender::new(readers.len()),
            accepted: metrics::accepted(signal),
            readers,
        }
    }

    pub(crate) fn readers(&self) -> &[Reader] {
        &self.readers
    }

    pub(crate) fn append(&self, request: Request) -> Result<(), AppendError> {
        let items = request.items;
        let mut state = self.lock();
        if state.closed {
            return Err(AppendError::Closed);
        }
        if items > 0 {
            state.append(request, &self.wakes);
            drop(state);
            self.accepted.increment(items as u64);
        }
        Ok(())
    }

    /// Takes nothing more; what there is goes at once.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        for wake in &self.wakes {
            wake.notify_one();
        }
    }

    /// The next batches for a reader, when they are due; `None` when nothing will come any more.
    ///
    /// # Cancel safety
    /// Nothing is read unless it is returned.
    pub(crate) async fn next(&self, reader: usize) -> Option<(Run, &Rule)> {
        loop {
            let next = self.lock().next(reader);
            let at = match next {
                Next::Run(run) => return Some((run, &self.readers[reader].rule)),
                Next::End => return None,
                Next::Wait(at) => at,
            };
            let woken = self.wakes[reader].notified();
            match at {
                Some(at) => tokio::select! {
                    () = woken => {}
                    () = sleep_until(at) => {}
                },
                None => woken.await,
            }
        }
    }

    /// The batches of a run.
    pub(crate) fn batches(&self, run: Run, rule: &Rule) -> Vec<Load> {
        run.batches(self.signal, &self.log_id, rule)
    }

    /// The `items` at `origin` are at their end for a reader.
    pub(crate) fn settle(&self, reader: usize, origin: &Origin, items: usize, fate: Fate) {
        let mut state = self.lock();
        state.positions[reader].settle(origin, items, fate);
        let released = state.release(origin.first_block..=origin.last_block);
        // Bytes return to the budget outside the lock, as that may wake those who wait for them.
        drop(state);
        drop(released);
    }

    pub(crate) fn retried(&self, reader: usize, items: u64) {
        self.lock().positions[reader].retried += items;
    }

    /// The reader reads no more: what the log holds for it is dropped. Tells how much that is.
    ///
    /// A log on disk would keep it and the watermark instead.
    pub(crate) fn end(&self, reader: usize) -> u64 {
        let mut state = self.lock();
        state.closed = true;
        state.seal();
        let dropped = state.held(&state.positions[reader]);
        let end = state.open.seq();
        state.positions[reader].end(end, dropped);
        let released = state.release(0..=end);
        drop(state);
        drop(released);
        self.reading.send_modify(|reading| *reading -= 1);
        dropped
    }

    /// Resolves when every reader has ended.
    pub(crate) async fn ended(&self) {
        let mut reading = self.reading.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let _ended = reading.wait_for(|reading| *reading == 0).await.is_ok();
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let state = self.lock();
        let count = |position: &Position| Counts {
            accepted: state.accepted,
            fates: position.fates,
            retried: position.retried,
            held: state.held(position),
            since: state.since(position.watermark()),
        };
        let sealed_items: usize = state.sealed.values().map(|block| block.items).sum();
        let sealed_bytes: usize = state.sealed.values().map(|block| block.payload.len()).sum();
        Snapshot {
            accepted: state.accepted,
            items: (sealed_items + state.open.items()) as u64,
            bytes: (sealed_bytes + state.open.bytes()) as u64,
            cursors: state.positions.iter().map(count).collect(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn append(&mut self, request: Request, wakes: &[Notify]) {
        let (items, bytes) = (request.items, request.body.len());
        if self.open.ends_before(&request) {
            self.seal();
        }
        self.accepted += items as u64;
        let alone = self.open.push(request);
        self.keep(alone);
        for (position, wake) in self.positions.iter_mut().zip(wakes) {
            let before = position.ahead;
            position.ahead.items += items;
            position.ahead.bytes += bytes;
            if position.rule.wakes(before, position.ahead) {
                wake.notify_one();
            }
        }
    }

    fn seal(&mut self) {
        let block = self.open.seal();
        self.keep(block);
    }

    fn keep(&mut self, block: Option<Block>) {
        self.sealed.extend(block.map(|block| (block.seq, block)));
    }

    fn next(&mut self, reader: usize) -> Next {
        let position = &self.positions[reader];
        let since = self.since(position.next());
        match position
            .rule
            .due(position.ahead, since, self.closed, Instant::now())
        {
            Due::Now(trigger) => {
                let run = Run::new(position.next(), trigger);
                Next::Run(self.fill(run, reader))
            }
            Due::At(at) => Next::Wait(Some(at)),
            Due::Later if self.closed => Next::End,
            Due::Later => Next::Wait(None),
        }
    }

    /// Reads blocks into the run, as many as it takes. The open block is sealed if it is one of them.
    fn fill(&mut self, mut run: Run, reader: usize) -> Run {
        loop {
            let next = self.positions[reader].next();
            if next == self.open.seq() {
                let (items, bytes) = (self.open.items(), self.open.bytes());
                if items == 0 || !run.takes(&self.positions[reader].rule, items, bytes) {
                    return run;
                }
                self.seal();
            }
            let Some(block) = self.sealed.get(&next) else {
                return run;
            };
            let (items, bytes) = (block.items, block.payload.len());
            if !run.takes(&self.positions[reader].rule, items, bytes) {
                return run;
            }
            run.push(block.payload.clone(), items);
            self.positions[reader].read(items, bytes);
        }
    }

    /// Takes out those of the blocks that every cursor is past.
    fn release(&mut self, of: RangeInclusive<u64>) -> Vec<Block> {
        let Self {
            sealed, positions, ..
        } = self;
        let past = |seq: &u64, _: &mut Block| positions.iter().all(|at| at.is_past(*seq));
        sealed
            .extract_if(of, past)
            .map(|(_, block)| block)
            .collect()
    }

    /// Items that the blocks hold for a cursor.
    fn held(&self, position: &Position) -> u64 {
        if position.ended {
            return 0;
        }
        let unread = self.sealed.range(position.next()..);
        let sealed: usize = unread.map(|(_, block)| block.items).sum();
        position.unsettled() + (sealed + self.open.items()) as u64
    }

    /// When the oldest item of block `seq` came, which is there or will be the next.
    fn since(&self, seq: u64) -> Option<Instant> {
        match self.sealed.get(&seq) {
            Some(block) => Some(block.since),
            None => self.open.since(),
        }
    }
}
