//! One batch until its end: attempts, waits, cuts, and the count of what became of it.
//!
//! *Invariant:* a batch that went in is settled in full: every item is delivered, rejected or dropped, and every loss
//! has its counter and its line in the log. The one exception is a future that is dropped; then the items stay held,
//! and the cursor accounts for them.

use crate::backoff::{Backoff, Gate, Pass, Wait, later};
use crate::batch::{Load, Tries, Trigger};
use crate::dead_letter::Meta;
use crate::fate::{DropReason, Fate, RejectReason};
use crate::log::blocks::Blocks;
use crate::metrics::{CursorMetrics, InFlight};
use crate::{CursorSettings, DeadLetters};
use penstock_hop::{Batch, Outcome, Transport};
use penstock_runtime::{Drain, Phase};
use penstock_settings::Retry;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

mod tell;

/// Cuts of a rejected batch, in search of what is bad in it, until one piece is delivered: enough to find one item among
/// 60,000. A peer that rejects everything costs no more calls than about twice that.
const MAX_CUTS: u32 = 16;
/// Failed attempts after which a batch gives its place in a full window to another.
const PATIENCE: u32 = 5;
/// The same when others are answered meanwhile: then it is this batch that is at fault.
const SHORT_PATIENCE: u32 = 3;
/// Pauses between tries to hand over: little time is left.
const HAND_OVER_PAUSES: [Duration; 3] = [
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_secs(1),
];

/// Sends one cursor's batches.
#[derive(Debug)]
pub(crate) struct Dispatcher<T: Transport> {
    reader: usize,
    pipeline: String,
    exporter: String,
    retry: Retry,
    transport: Arc<T>,
    hand_over: Option<Arc<T>>,
    dead_letters: Option<Arc<DeadLetters>>,
    gate: Gate,
    crowd: watch::Sender<Crowd>,
    blocks: Arc<Blocks>,
    drain: Drain,
}

/// Whether a batch that fails is in the way of others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Crowd {
    /// The window is full.
    full: bool,
    /// There is room for one more outside of it.
    room: bool,
    /// Attempts that the exporter has answered for good.
    answers: u64,
}

/// A batch that gave its place in the window away.
#[derive(Debug)]
pub(crate) struct Parked {
    pub(crate) load: Load,
    /// When it is to be sent again.
    pub(crate) at: Instant,
}

/// A place in the window is free again.
#[derive(Debug)]
pub(crate) struct Ended {
    /// It was given to a batch from outside.
    pub(crate) parked: bool,
    /// What of the batch is not at its end.
    pub(crate) left: Vec<Parked>,
}

/// How a batch, or a piece of one, ended.
enum End {
    Delivered {
        rejected: usize,
        message: String,
        handed_over: bool,
    },
    Rejected {
        why: String,
    },
    TooLarge {
        why: String,
        handed_over: bool,
    },
    Dropped {
        reason: DropReason,
        why: String,
    },
    Parked {
        failed: u32,
        begun: Instant,
        at: Instant,
    },
}

impl<T: Transport> Dispatcher<T> {
    pub(crate) fn new(
        reader: usize,
        cursor: CursorSettings<T>,
        blocks: Arc<Blocks>,
        drain: Drain,
    ) -> Self {
        let CursorSettings {
            pipeline,
            exporter,
            retry,
            transport,
            hand_over,
            dead_letters,
            ..
        } = cursor;
        Self {
            reader,
            gate: Gate::new(Backoff::new(&retry)),
            crowd: watch::Sender::default(),
            pipeline,
            exporter,
            retry,
            transport,
            hand_over,
            dead_letters,
            blocks,
            drain,
        }
    }

    fn metrics(&self) -> &CursorMetrics {
        &self.blocks.readers()[self.reader].metrics
    }

    /// A batch was made.
    pub(crate) fn count_batch(&self, trigger: Trigger, batch: &Batch) {
        self.metrics().batch(trigger, batch);
    }

    /// No long waits from now on.
    pub(crate) fn hurry(&self) {
        self.gate.hurry();
    }

    /// Whether the window is full, and one more batch may wait outside of it in memory.
    pub(crate) fn crowd(&self, full: bool, room: bool) {
        self.crowd.send_if_modified(|crowd| {
            let news = (crowd.full, crowd.room) != (full, room);
            (crowd.full, crowd.room) = (full, room);
            news
        });
    }

    /// Sends a batch until its end, or until it gives its place away. Pieces of one that is too large, or that has something
    /// bad in it, go one after the other.
    pub(crate) async fn deliver(&self, load: Load) -> Ended {
        let _in_flight = InFlight::new(&self.metrics().in_flight);
        let mut ended = Ended {
            parked: load.parked,
            left: Vec::new(),
        };
        let mut left = vec![load];
        let mut cuts = MAX_CUTS;
        while let Some(mut load) = left.pop() {
            let end = self.send(&load).await;
            let halves = match &end {
                End::TooLarge { why, .. } => self.cut(&load, why),
                End::Rejected { why } if cuts > 0 => {
                    cuts -= 1;
                    self.cut(&load, why)
                }
                _ => Vec::new(),
            };
            if !halves.is_empty() {
                left.extend(halves.into_iter().rev());
                continue;
            }
            match end {
                End::Parked { failed, begun, at } => {
                    load.tries = Tries {
                        failed,
                        begun: Some(begun),
                    };
                    load.parked = true;
                    self.metrics().parked.increment(1);
                    ended.left.push(Parked { load, at });
                }
                // What another receiver will not take stays ours.
                End::TooLarge {
                    handed_over: true, ..
                } => std::future::pending().await,
                end => {
                    if matches!(end, End::Delivered { .. }) {
                        cuts = MAX_CUTS;
                    }
                    self.settle(&load.batch, end).await;
                }
            }
        }
        ended
    }

    fn cut(&self, load: &Load, why: &str) -> Vec<Load> {
        let halves = load.halves();
        if !halves.is_empty() {
            tracing::debug!(exporter = %self.exporter, items = load.batch.items, why, "batch not taken, cut");
        }
        halves
    }

    /// Attempts until the outcome is final for this payload, at the exporter or, when the process has to end, at another
    /// receiver.
    async fn send(&self, load: &Load) -> End {
        match (self.attempts(load).await, &self.hand_over) {
            (None, Some(other)) => self.give_away(other, &load.batch).await,
            (None, None) => std::future::pending().await,
            (Some(end), _) => end,
        }
    }

    /// Resolves when what the exporter has not got is for another receiver.
    async fn handing_over(&self) {
        if self.hand_over.is_none() {
            std::future::pending::<()>().await;
        }
        self.drain.reached(Phase::HandingOver).await;
    }

    /// One attempt; `None` when its answer comes too late to hand the batch over. Until then it is waited for: an exporter
    /// that is slow has the batch, and would have it twice.
    async fn attempt(&self, batch: &Batch, attempt: u32) -> Option<Outcome> {
        let too_late = async {
            self.handing_over().await;
            sleep(self.drain.left() / 2).await;
        };
        tokio::select! {
            biased;
            outcome = self.transport.send(batch, attempt) => Some(outcome),
            () = too_late => None,
        }
    }

    /// `None` when it is another receiver's turn.
    async fn attempts(&self, load: &Load) -> Option<End> {
        let batch = &load.batch;
        let begun = load.tries.begun.unwrap_or_else(Instant::now);
        let give_up = self.retry.max_elapsed_time.map(|limit| later(begun, limit));
        let mut failed = load.tries.failed;
        let answers = self.crowd.borrow().answers;
        let mut failure =
            (failed > 0).then(|| (Wait::over(), "set aside after failures".to_owned()));
        loop {
            let wait = failure.as_ref().map(|(wait, _)| *wait);
            let pass = tokio::select! {
                biased;
                () = self.handing_over() => return None,
                pass = self.pass(wait, give_up) => pass,
                at = self.in_the_way(load, failed, answers, wait) => {
                    let at = give_up.map_or(at, |give_up| at.min(give_up));
                    return Some(End::Parked { failed, begun, at });
                }
            };
            let Some(pass) = pass else {
                let why = failure.map_or_else(|| "exporter unavailable".to_owned(), |(_, why)| why);
                return Some(End::Dropped {
                    reason: DropReason::MaxElapsedTime,
                    why,
                });
            };
            let attempt = failed.saturating_add(1);
            if attempt > 1 {
                self.metrics().retried.increment(batch.items as u64);
                self.blocks.retried(self.reader, batch.items as u64);
            }
            match self.attempt(batch, attempt).await? {
                Outcome::Retry { reason, .. } | Outcome::Unreached { reason, .. }
                    if !self.retry.enabled =>
                {
                    return Some(End::Dropped {
                        reason: DropReason::RetryDisabled,
                        why: reason,
                    });
                }
                Outcome::Retry { after, reason } => {
                    let (wait, closed) = pass.failed(attempt, after);
                    self.tell_failed(closed, &reason);
                    failure = Some((wait, reason));
                    failed = attempt;
                }
                Outcome::Unreached { after, reason } => {
                    let (wait, closed) = pass.unreached(after);
                    self.tell_failed(closed, &reason);
                    failure = Some((wait, reason));
                }
                Outcome::Delivered { rejected, message } => {
                    self.answered(pass);
                    return Some(End::Delivered {
                        rejected,
                        message,
                        handed_over: false,
                    });
                }
                Outcome::TooLarge { reason } => {
                    self.answered(pass);
                    return Some(End::TooLarge {
                        why: reason,
                        handed_over: false,
                    });
                }
                Outcome::Rejected { reason } => {
                    self.answered(pass);
                    return Some(End::Rejected { why: reason });
                }
            }
        }
    }

    /// Resolves when a batch that waits after failures should leave its place to others; gives when to try it again. Whoever
    /// was given a place may make an attempt.
    async fn in_the_way(
        &self,
        load: &Load,
        failed: u32,
        answers: u64,
        wait: Option<Wait>,
    ) -> Instant {
        let (Some(wait), true) = (wait, failed > load.tries.failed) else {
            return std::future::pending().await;
        };
        let origin = &load.batch.origin;
        let is_in_the_way = |crowd: &Crowd| {
            let patience = if crowd.answers > answers {
                SHORT_PATIENCE
            } else {
                PATIENCE
            };
            crowd.full
                && failed >= patience
                && self.blocks.may_park(self.reader, origin, crowd.room)
        };
        let mut crowd = self.crowd.subscribe();
        // The sender lives in `self`, so waiting cannot fail.
        let _told = crowd.wait_for(is_in_the_way).await.is_ok();
        let pause = later(Instant::now(), self.gate.pause(failed));
        wait.until().max(pause)
    }

    /// Gives a batch to another receiver, as long as there is time.
    async fn give_away(&self, other: &T, batch: &Batch) -> End {
        let mut pauses = HAND_OVER_PAUSES.iter();
        let mut pause = Duration::ZERO;
        let mut attempt = 1;
        loop {
            let outcome = other.send(batch, attempt).await;
            attempt = attempt.saturating_add(1);
            pause = pauses.next().copied().unwrap_or(pause);
            match outcome {
                Outcome::Delivered { rejected, message } => {
                    return End::Delivered {
                        rejected,
                        message,
                        handed_over: true,
                    };
                }
                Outcome::TooLarge { reason } if batch.items > 1 => {
                    return End::TooLarge {
                        why: reason,
                        handed_over: true,
                    };
                }
                // No answer of a receiver makes an item lost, and the next one may be of another mind.
                Outcome::Rejected { reason } | Outcome::TooLarge { reason } => {
                    tracing::warn!(exporter = %self.exporter, error = %reason, "batch not handed over");
                    sleep(pause).await;
                }
                Outcome::Retry { after, reason } => {
                    tracing::debug!(exporter = %self.exporter, error = %reason, "batch not handed over");
                    sleep(after.map_or(pause, |after| after.max(pause))).await;
                }
                Outcome::Unreached { after, reason } => {
                    tracing::debug!(exporter = %self.exporter, error = %reason, "batch not handed over");
                    sleep(after.max(pause)).await;
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

    async fn settle(&self, batch: &Batch, end: End) {
        let items = batch.items;
        match end {
            End::Delivered {
                rejected,
                message,
                handed_over,
            } => {
                let rejected = rejected.min(items);
                if rejected == 0 && !message.is_empty() {
                    tracing::debug!(exporter = %self.exporter, %message, "batch delivered with a remark");
                }
                let delivered = (items - rejected) as u64;
                let fate = Fate {
                    delivered,
                    rejected: rejected as u64,
                    dropped: 0,
                    handed_over: if handed_over { delivered } else { 0 },
                };
                self.end(batch, fate);
                self.metrics().delivered.increment(delivered);
                self.metrics().handed_over.increment(fate.handed_over);
                if rejected > 0 {
                    // Which items, the backend does not say: the whole batch as a dead letter would be mostly what it has.
                    self.tell_rejected(RejectReason::PartialSuccess, rejected, &message);
                }
            }
            End::Rejected { why } => self.reject(batch, RejectReason::Permanent, &why).await,
            End::TooLarge { why, .. } => self.reject(batch, RejectReason::TooLarge, &why).await,
            End::Dropped { reason, why } => {
                let fate = Fate {
                    dropped: items as u64,
                    ..Fate::default()
                };
                self.end(batch, fate);
                self.tell_dropped(reason, items as u64, &why);
            }
            End::Parked { .. } => {}
        }
    }

    async fn reject(&self, batch: &Batch, reason: RejectReason, why: &str) {
        self.keep(batch, reason, why).await;
        let fate = Fate {
            rejected: batch.items as u64,
            ..Fate::default()
        };
        self.end(batch, fate);
        self.tell_rejected(reason, batch.items, why);
    }

    /// Keeps what is rejected for a look, before it is settled: a process that dies in between sends it again.
    async fn keep(&self, batch: &Batch, reason: RejectReason, why: &str) {
        if let Some(letters) = &self.dead_letters {
            let meta = Meta::now(
                self.blocks.signal,
                &self.pipeline,
                &self.exporter,
                reason.name(),
                why,
            );
            letters.put(meta, batch).await;
        }
    }

    fn end(&self, batch: &Batch, fate: Fate) {
        self.blocks
            .settle(self.reader, &batch.origin, batch.items, fate);
    }
}
