//! One exporter's way through the log: batches are made as they are due and sent, several at once.
//!
//! A batch that waits to be sent again keeps its place in the window, so a dead exporter stops its own cursor only. One that
//! fails again and again while others want its place is set aside, outside the window: on disk if it can be read again,
//! else in memory.
//!
//! *Invariant:* when the cursor of a log in memory ends, nothing is held for it any more; what a log on disk holds stays.

use crate::CursorSettings;
use crate::batch::Load;
use crate::dispatch::{Dispatcher, Parked};
use crate::fate::DropReason;
use crate::log::blocks::{Blocks, Read, Window};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use penstock_hop::Transport;
use penstock_runtime::{Drain, Phase};
use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Most batches that wait outside the window in memory.
const MAX_KEPT: usize = 16;
/// Part of the window (one over it) that batches from outside of it may have.
const PARKED_PART: usize = 4;
/// How long a cursor that got no memory waits before it asks again. Nobody tells it when there is some.
const STARVED_PAUSE: Duration = Duration::from_millis(50);

/// A reader of the log for one exporter.
#[derive(Debug)]
pub(crate) struct Cursor<T: Transport> {
    reader: usize,
    in_flight: usize,
    dispatcher: Dispatcher<T>,
    blocks: Arc<Blocks>,
    drain: Drain,
}

/// Batches that are not in the window.
#[derive(Debug, Default)]
struct Outside {
    /// To go as soon as there is a place.
    ready: VecDeque<Load>,
    /// Set aside in memory.
    kept: Vec<Parked>,
}

impl Outside {
    /// When the first of those set aside may go.
    fn next_at(&self) -> Option<Instant> {
        self.kept.iter().map(|parked| parked.at).min()
    }

    /// Makes those ready that may go by now.
    fn wake(&mut self, now: Instant) {
        let due = self.kept.extract_if(.., |parked| parked.at <= now);
        self.ready.extend(due.map(|parked| parked.load));
    }

    fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.kept.is_empty()
    }
}

impl<T: Transport> Cursor<T> {
    pub(crate) fn new(
        reader: usize,
        settings: CursorSettings<T>,
        blocks: Arc<Blocks>,
        drain: Drain,
    ) -> Self {
        let in_flight = settings.in_flight.max(1);
        let dispatcher = Dispatcher::new(reader, settings, Arc::clone(&blocks), drain.clone());
        Self {
            reader,
            in_flight,
            dispatcher,
            blocks,
            drain,
        }
    }

    /// Reads and sends until the drain has emptied the log, or its time is over.
    pub(crate) async fn run(self) {
        let done = tokio::select! {
            biased;
            () = self.out_of_time() => false,
            () = self.work() => true,
        };
        let dropped = self.blocks.end(self.reader);
        if dropped > 0 {
            self.dispatcher.tell_dropped(
                DropReason::Shutdown,
                dropped,
                "still in memory at the end of the drain",
            );
        }
        debug_assert!(!done || dropped == 0, "a cursor that is done holds nothing");
    }

    async fn out_of_time(&self) {
        tokio::select! {
            () = self.drain.expired() => {}
            () = self.drain.reached(Phase::Stopped) => {}
        }
    }

    async fn work(&self) {
        let mut window = FuturesUnordered::new();
        let mut outside = Outside::default();
        let (mut flushing, mut handing, mut more) = (false, false, true);
        // Of the window's batches, those that came from outside.
        let mut parked = 0;
        // Got no memory for more, and asks again then.
        let mut starved = None;
        let mut flush = pin!(self.drain.reached(Phase::Flushing));
        let mut hand = pin!(self.drain.reached(Phase::HandingOver));
        while more || !window.is_empty() || !outside.is_empty() {
            while window.len() < self.in_flight
                && let Some(load) = outside.ready.pop_front()
            {
                parked += usize::from(load.parked);
                window.push(self.dispatcher.deliver(load));
            }
            let full = window.len() >= self.in_flight;
            let may_wake = !full && parked < self.in_flight.div_ceil(PARKED_PART);
            let kept_at = outside.next_at().filter(|_| may_wake);
            // For want of memory a batch is in the way of others as for want of a place.
            let crowded = full || starved.is_some();
            self.dispatcher
                .crowd(crowded, outside.kept.len() < MAX_KEPT);
            let room = Window {
                empty: window.is_empty(),
                parked: may_wake,
            };
            tokio::select! {
                biased;
                () = &mut flush, if !flushing => {
                    flushing = true;
                    self.blocks.close();
                    self.dispatcher.hurry();
                    outside.wake(Instant::now() + crate::backoff::FAR);
                }
                () = &mut hand, if !handing => {
                    handing = true;
                    self.blocks.hurry(self.reader);
                    outside.wake(Instant::now() + crate::backoff::FAR);
                }
                Some(end) = window.next(), if !window.is_empty() => {
                    parked -= usize::from(end.parked);
                    starved = None;
                    for parked in end.left {
                        let Parked { load, at } = &parked;
                        if !self.blocks.park(self.reader, &load.batch.origin, load.tries, *at) {
                            outside.kept.push(parked);
                        }
                    }
                }
                next = self.blocks.next(self.reader, room), if more && !full && starved.is_none() => match next {
                    Some(Read::Run(run, rule)) => {
                        let trigger = run.trigger;
                        outside.ready.extend(self.blocks.batches(run, rule));
                        for load in &outside.ready {
                            self.dispatcher.count_batch(trigger, &load.batch);
                        }
                    }
                    Some(Read::Starved) => starved = Some(Instant::now() + STARVED_PAUSE),
                    None => more = false,
                },
                () = until(starved), if starved.is_some() => starved = None,
                () = until(kept_at), if kept_at.is_some() => outside.wake(Instant::now()),
            }
        }
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
