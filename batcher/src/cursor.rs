//! One exporter's way through the log: batches are made as they are due and sent, several at once.
//!
//! A batch that waits to be sent again keeps its place in the window, so a dead exporter stops its own cursor only.
//!
//! *Invariant:* when a cursor ends, nothing is held for it any more.

use crate::CursorSettings;
use crate::batch::Load;
use crate::dispatch::Dispatcher;
use crate::fate::DropReason;
use crate::log::blocks::Blocks;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use penstock_hop::Transport;
use penstock_runtime::{Drain, Phase};
use std::collections::VecDeque;
use std::pin::pin;
use std::sync::Arc;

/// A reader of the log for one exporter.
#[derive(Debug)]
pub(crate) struct Cursor<T: Transport> {
    reader: usize,
    in_flight: usize,
    dispatcher: Dispatcher<T>,
    blocks: Arc<Blocks>,
    drain: Drain,
}

impl<T: Transport> Cursor<T> {
    pub(crate) fn new(
        reader: usize,
        settings: CursorSettings<T>,
        blocks: Arc<Blocks>,
        drain: Drain,
    ) -> Self {
        let in_flight = settings.in_flight.max(1);
        let dispatcher = Dispatcher::new(reader, settings, Arc::clone(&blocks));
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
        let mut ready: VecDeque<Load> = VecDeque::new();
        let mut flushing = false;
        let mut more = true;
        let mut flush = pin!(self.drain.reached(Phase::Flushing));
        while more || !window.is_empty() || !ready.is_empty() {
            while window.len() < self.in_flight
                && let Some(load) = ready.pop_front()
            {
                window.push(self.dispatcher.deliver(load));
            }
            tokio::select! {
                biased;
                () = &mut flush, if !flushing => {
                    flushing = true;
                    self.blocks.close();
                    self.dispatcher.hurry();
                }
                Some(()) = window.next(), if !window.is_empty() => {}
                next = self.blocks.next(self.reader), if more && window.len() < self.in_flight => match next {
                    Some((run, rule)) => {
                        let trigger = run.trigger;
                        ready.extend(self.blocks.batches(run, rule));
                        (0..ready.len()).for_each(|_| self.dispatcher.metrics.batch(trigger));
                    }
                    None => more = false,
                },
            }
        }
    }
}
