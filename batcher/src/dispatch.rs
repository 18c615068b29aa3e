//! One batch until its end: attempts, waits, cuts, and the count of what became of it.
//!
//! *Invariant:* a batch that went in is settled in full: every item is delivered, rejected or dropped, and every loss
//! has its counter and its line in the log. The one exception is a future that is dropped; then the items stay held,
//! and the cursor accounts for them.

use crate::CursorSettings;
use crate::backoff::{Backoff, Gate, Pass, Wait, later};
use crate::batch::Load;
use crate::fate::{DropReason, Fate, RejectReason};
use crate::log::blocks::Blocks;
use crate::metrics::{CursorMetrics, InFlight};
use penstock_hop::{Batch, Outcome, Transport};
use penstock_settings::Retry;
use std::sync::Arc;
use tokio::time::{Instant, timeout_at};

/// Cuts of a rejected batch, in search of what is bad in it, until one piece is delivered: enough to find one item among
/// 60,000. A peer that rejects everything costs no more calls than about twice that.
const MAX_CUTS: u32 = 16;

/// Sends one cursor's batches.
#[derive(Debug)]
pub(crate) struct Dispatcher<T: Transport> {
    reader: usize,
    pipeline: String,
    exporter: String,
    retry: Retry,
    transport: Arc<T>,
    gate: Gate,
    blocks: Arc<Blocks>,
    pub(crate) metrics: CursorMetrics,
}

/// How a batch, or a piece of one, ended.
enum End {
    Delivered { rejected: usize, message: String },
    Rejected { why: String },
    TooLarge { why: String },
    Dropped { reason: DropReason, why: String },
}

impl<T: Transport> Dispatcher<T> {
    pub(crate) fn new(reader: usize, cursor: CursorSettings<T>, blocks: Arc<Blocks>) -> Self {
        let CursorSettings {
            pipeline,
            exporter,
            retry,
            transport,
            ..
        } = cursor;
        Self {
            reader,
            metrics: CursorMetrics::new(blocks.signal, &pipeline, &exporter),
            gate: Gate::new(Backoff::new(&retry)),
            pipeline,
            exporter,
            retry,
            transport,
            blocks,
        }
    }

    /// No long waits from now on.
    pub(crate) fn hurry(&self) {
        self.gate.hurry();
    }

    /// Sends a batch until its end. Pieces of one that is too large, or that has something bad in it, go one after the
    /// other.
    pub(crate) async fn deliver(&self, load: Load) {
        let _in_flight = InFlight::new(&self.metrics.in_flight);
        let mut left = vec![load];
        let mut cuts = MAX_CUTS;
        while let Some(load) = left.pop() {
            let end = self.send(&load.batch).await;
            let halves = match &end {
                End::TooLarge { why } => self.cut(&load, why),
                End::Rejected { why } if cuts > 0 => {
                    cuts -= 1;
                    self.cut(&load, why)
                }
                _ => Vec::new(),
            };
            if halves.is_empty() {
                if matches!(end, End::Delivered { .. }) {
                    cuts = MAX_CUTS;
                }
                self.settle(&load.batch, end);
            }
            left.extend(halves.into_iter().rev());
        }
    }

    fn cut(&self, load: &Load, why: &str) -> Vec<Load> {
        let halves = load.halves();
        if !halves.is_empty() {
            tracing::debug!(exporter = %self.exporter, items = load.batch.items, why, "batch not taken, cut");
        }
        halves
    }

    /// Attempts until the outcome is final for this payload.
    async fn send(&self, batch: &Batch) -> End {
        let give_up = self
            .retry
            .max_elapsed_time
            .map(|limit| later(Instant::now(), limit));
        let mut failure = None::<(Wait, String)>;
        let mut attempt = 1;
        loop {
            let wait = failure.as_ref().map(|(wait, _)| *wait);
            let Some(pass) = self.pass(wait, give_up).await else {
                let why = failure.map_or_else(|| "exporter unavailable".to_owned(), |(_, why)| why);
                return End::Dropped {
                    reason: DropReason::MaxElapsedTime,
                    why,
                };
            };
            if attempt > 1 {
                self.metrics.retried.increment(batch.items as u64);
                self.blocks.retried(self.reader, batch.items as u64);
            }
            match self.transport.send(batch, attempt).await {
                Outcome::Retry { reason, .. } | Outcome::Unreached { reason, .. }
                    if !self.retry.enabled =>
                {
                    return End::Dropped {
                        reason: DropReason::RetryDisabled,
                        why: reason,
                    };
                }
                Outcome::Retry { after, reason } => {
                    let (wait, closed) = pass.failed(attempt, after);
                    self.tell_closed(closed, &reason);
                    failure = Some((wait, reason));
                    attempt = attempt.saturating_add(1);
                }
                Outcome::Unreached { after, reason } => {
                    let (wait, closed) = pass.unreached(after);
                    self.tell_closed(closed, &reason);
                    failure = Some((wait, reason));
                }
                Outcome::Delivered { rejected, message } => {
                    self.answered(pass);
                    return End::Delivered { rejected, message };
                }
                Outcome::TooLarge { reason } => {
                    self.answered(pass);
                    return End::TooLarge { why: reason };
                }
                Outcome::Rejected { reason } => {
                    self.answered(pass);
                    return End::Rejected { why: reason };
                }
            }
        }
    }

    /// Leave for the next attempt; `None` when the time is over before.
    async fn pass(&self, wait: Option<Wait>, give_up: Option<Instant>) -> Option<Pass<'_>> {
        let pass = self.gate.enter(wait);
        match give_up {
            Some(give_up) if give_up <= Instant::now() => None,
            Some(give_up) => timeout_at(give_up, pass).await.ok(),
            None => Some(pass.await),
        }
    }

    fn tell_closed(&self, closed: bool, why: &str) {
        if closed {
            tracing::warn!(signal = %self.blocks.signal, pipeline = %self.pipeline, exporter = %self.exporter,
                error = why, "exporter fails, its batches wait");
        }
    }

    fn answered(&self, pass: Pass<'_>) {
        if pass.succeeded() {
            tracing::info!(signal = %self.blocks.signal, pipeline = %self.pipeline, exporter = %self.exporter,
                "exporter answers again");
        }
    }

    fn settle(&self, batch: &Batch, end: End) {
        match end {
            End::Delivered {
                rejected: 0,
                message,
            } => {
                if !message.is_empty() {
                    tracing::debug!(exporter = %self.exporter, %message, "batch delivered with a remark");
                }
                self.delivered(batch, 0);
            }
            End::Delivered { rejected, message } => {
                let rejected = rejected.min(batch.items);
                self.delivered(batch, rejected);
                self.tell_rejected(RejectReason::PartialSuccess, rejected, &message);
            }
            End::Rejected { why } => {
                self.reject(batch, RejectReason::Permanent, batch.items, &why);
            }
            End::TooLarge { why } => {
                self.reject(batch, RejectReason::TooLarge, batch.items, &why);
            }
            End::Dropped { reason, why } => {
                let items = batch.items as u64;
                self.end(
                    batch,
                    Fate {
                        dropped: items,
                        ..Fate::default()
                    },
                );
                self.tell_dropped(reason, items, &why);
            }
        }
    }

    fn delivered(&self, batch: &Batch, rejected: usize) {
        let delivered = (batch.items - rejected) as u64;
        self.end(
            batch,
            Fate {
                delivered,
                rejected: rejected as u64,
                dropped: 0,
            },
        );
        self.metrics.delivered.increment(delivered);
    }

    fn reject(&self, batch: &Batch, reason: RejectReason, items: usize, why: &str) {
        self.end(
            batch,
            Fate {
                rejected: items as u64,
                ..Fate::default()
            },
        );
        self.tell_rejected(reason, items, why);
    }

    fn end(&self, batch: &Batch, fate: Fate) {
        self.blocks
            .settle(self.reader, &batch.origin, batch.items, fate);
    }

    fn tell_rejected(&self, reason: RejectReason, items: usize, why: &str) {
        self.metrics.rejected(reason, items as u64);
        tracing::error!(signal = %self.blocks.signal, pipeline = %self.pipeline, exporter = %self.exporter,
            reason = reason.name(), items, error = %why, "items rejected");
    }

    /// Counts items that the books already have as dropped, and says so.
    pub(crate) fn tell_dropped(&self, reason: DropReason, items: u64, why: &str) {
        self.metrics.dropped(reason, items);
        tracing::error!(signal = %self.blocks.signal, pipeline = %self.pipeline, exporter = %self.exporter,
            reason = reason.name(), items, error = %why, "items dropped");
    }
}
