//! One batch until its end: attempts, waits, cuts, and the count of what became of it.
//!
//! *Invariant:* a batch that went in is settled in full: every item is delivered, rejected or dropped, and every loss
//! has its counter and its line in the log. The one exception is a future that is dropped; then the items stay held,
//! and the cursor accounts for them.
//!
//! Where every Resource has a replica that owns it, a batch goes in shares (`shares.rs`).

mod end;
mod hand_over;
mod shares;
mod tell;

use crate::backoff::{Backoff, Gate, Pass, Wait, later};
use crate::batch::{Load, Tries, Trigger};
use crate::fate::DropReason;
use crate::log::blocks::Blocks;
use crate::metrics::{CursorMetrics, InFlight};
use crate::{CursorSettings, DeadLetters};
use penstock_hop::{Batch, Outcome, Owner, Transport};
use penstock_runtime::{Drain, Phase};
use penstock_settings::Retry;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

/// Cuts of a rejected batch, in search of what is bad in it, until one piece is delivered: enough to find one item among
/// 60,000. A peer that rejects everything costs no more calls than about twice that.
const MAX_CUTS: u32 = 16;
/// Failed attempts after which a batch gives its place in a full window to another.
const PATIENCE: u32 = 5;
/// The same when others are answered meanwhile: then it is this batch that is at fault.
const SHORT_PATIENCE: u32 = 3;

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
    gate: Arc<Gate>,
    /// Of the replicas that own something.
    gates: Mutex<HashMap<String, Arc<Gate>>>,
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
    /// Others own its Resources by now; the exporter has not got it.
    Moved {
        begun: Instant,
    },
}

/// Which way attempts go.
struct Route {
    gate: Arc<Gate>,
    /// The owner of all that is in the batch, and since when; otherwise any replica will do.
    owner: Option<(Owner, u64)>,
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
            gate: Arc::new(Gate::new(Backoff::new(&retry))),
            gates: Mutex::default(),
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
        let gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        gates.values().for_each(|gate| gate.hurry());
    }

    /// Whether the window is full, and one more batch may wait outside of it in memory.
    pub(crate) fn crowd(&self, full: bool, room: bool) {
        self.crowd.send_if_modified(|crowd| {
            let news = (crowd.full, crowd.room) != (full, room);
            (crowd.full, crowd.room) = (full, room);
            news
        });
    }

    /// Sends a batch until its end, or until it gives its place away.
    pub(crate) async fn deliver(&self, load: Load) -> Ended {
        let _in_flight = InFlight::new(&self.metrics().in_flight);
        match self.transport.owners() {
            None => self.deliver_whole(load).await,
            Some(owners) => Box::pin(self.deliver_shares(load, owners)).await,
        }
    }

    /// Pieces of a batch that is too large, or that has something bad in it, go one after the other.
    async fn deliver_whole(&self, load: Load) -> Ended {
        let mut ended = Ended {
            parked: load.parked,
            left: Vec::new(),
        };
        let route = Route {
            gate: Arc::clone(&self.gate),
            owner: None,
        };
        let mut left = vec![load];
        let mut cuts = MAX_CUTS;
        while let Some(mut load) = left.pop() {
            let end = self.send(&load, &route).await;
            if let Some(halves) = self.halves(&load, &end, &mut cuts) {
                left.extend(halves);
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
                end => self.settle(&load.batch, end).await,
            }
        }
        ended
    }

    /// The halves that go instead, the second one first; `None` when this is the end. Fewer `cuts` are left for the next.
    fn halves(&self, load: &Load, end: &End, cuts: &mut u32) -> Option<Vec<Load>> {
        let mut halves = match end {
            End::TooLarge { why, .. } => self.cut(load, why),
            End::Rejected { why } if *cuts > 0 => {
                *cuts -= 1;
                self.cut(load, why)
            }
            End::Delivered { .. } => {
                *cuts = MAX_CUTS;
                Vec::new()
            }
            _ => Vec::new(),
        };
        halves.reverse();
        (!halves.is_empty()).then_some(halves)
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
    async fn send(&self, load: &Load, route: &Route) -> End {
        match (self.attempts(load, route).await, &self.hand_over) {
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
    async fn attempt(&self, batch: &Batch, attempt: u32, route: &Route) -> Option<Outcome> {
        let send = async {
            match &route.owner {
                None => self.transport.send(batch, attempt).await,
                Some((owner, _)) => self.transport.send_to(owner, batch, attempt).await,
            }
        };
        let too_late = async {
            self.handing_over().await;
            sleep(self.drain.left() / 2).await;
        };
        tokio::select! {
            biased;
            outcome = send => Some(outcome),
            () = too_late => None,
        }
    }

    /// Resolves when others own what goes this way.
    async fn moved(&self, route: &Route) {
        match &route.owner {
            Some((_, epoch)) => self.transport.moved(*epoch).await,
            None => std::future::pending().await,
        }
    }

    /// `None` when it is another receiver's turn.
    async fn attempts(&self, load: &Load, route: &Route) -> Option<End> {
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
                () = self.moved(route) => return Some(End::Moved { begun }),
                pass = Self::pass(&route.gate, wait, give_up) => pass,
                at = self.in_the_way(load, route, failed, answers, wait) => {
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
            match self.attempt(batch, attempt, route).await? {
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
        route: &Route,
        failed: u32,
        answers: u64,
        wait: Option<Wait>,
    ) -> Instant {
        // What of a share is at its end is not in the books before all of its batch is, so it keeps its place.
        let may = failed > load.tries.failed && route.owner.is_none();
        let (Some(wait), true) = (wait, may) else {
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

    /// Leave for the next attempt; `None` when the time is over before.
    async fn pass(gate: &Gate, wait: Option<Wait>, give_up: Option<Instant>) -> Option<Pass<'_>> {
        let pass = gate.enter(wait);
        match give_up {
            Some(give_up) if give_up <= Instant::now() => None,
            Some(give_up) => timeout_at(give_up, pass).await.ok(),
            None => Some(pass.await),
        }
    }
}
