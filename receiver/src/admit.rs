//! Admission: a byte permit before a body is buffered; hold first, refuse last.
//!
//! One budget per signal covers everything that was received and is not delivered yet. A call takes its declared length
//! before its body is read; a body of unknown length, and what decompression adds, is taken as it grows. Above the high
//! mark a call waits with its body unread, so that transports push back on the sender. Only after the longest hold, or when
//! its transport has no room for one more held call, is it refused, and then its items are counted under a small reserve of its own, one call at a time.
//!
//! *Invariant:* apart from what transports buffer by themselves (their windows), no byte of a body is in memory without
//! a permit. Calls that wait for more while they hold some cannot wait for each other for ever: the hold ends them.

mod body;

#[cfg(test)]
mod tests;

use crate::metrics::RefusedFor;
use crate::pipeline::{BodySource, Call, Denial};
use body::{Body, Fault};
use bytes::Bytes;
use penstock_otlp::Signal;
use penstock_otlp::check;
use penstock_runtime::{Budget, Permit};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// How long the body of a refused call may take to be counted, queueing included. Together with the default hold it
/// stays below the metric SDK's deadline of 10 s.
const COUNT_TIMEOUT: Duration = Duration::from_secs(1);
/// What a sender's own deadline leaves for the answer's way back.
const ANSWER_MARGIN: Duration = Duration::from_millis(500);
/// What a refused sender is told.
const FULL: &str = "the receiver holds as much undelivered data as its memory budget allows";

/// The byte budgets of one signal, shared by all shards.
#[derive(Clone, Debug)]
pub(crate) struct SignalBudget {
    /// Everything received and not yet delivered.
    pub(crate) held: Arc<Budget>,
    /// For counting the items of refused requests: one at a time.
    reserve: Arc<Budget>,
}

impl SignalBudget {
    /// A budget of `limit` bytes for requests of at most `max_request` bytes.
    pub(crate) fn new(limit: usize, high_mark: f64, max_request: usize) -> Self {
        // Twice: a compressed body lies beside what it inflates to.
        let reserve = max_request.min(limit).saturating_mul(2);
        Self {
            held: Budget::new(limit, high_mark),
            reserve: Budget::new(reserve, 1.0),
        }
    }
}

/// The admission of one signal.
#[derive(Clone, Debug)]
pub(crate) struct Admit {
    signal: Signal,
    budget: SignalBudget,
    max_hold: Duration,
}

/// A request in memory with the permit for it.
#[derive(Debug)]
pub(crate) struct Admitted {
    /// Protobuf, not yet checked.
    pub(crate) request: Bytes,
    /// Covers `request`.
    pub(crate) permit: Permit,
    /// Bytes of the body as it came.
    pub(crate) wire_bytes: usize,
}

impl Admit {
    pub(crate) fn new(signal: Signal, budget: SignalBudget, max_hold: Duration) -> Self {
        Self {
            signal,
            budget,
            max_hold,
        }
    }

    /// Reads the body of a call as soon as there is room for it.
    pub(crate) async fn take<B: BodySource>(
        &self,
        call: &Call,
        source: &mut B,
    ) -> Result<Admitted, Denial> {
        let hold = self.hold(call.patience);
        let until = Instant::now() + hold;
        let mut body = Body::new(self.signal, call, source, self.budget.held.limit());
        match self.admit(&mut body, until).await {
            Ok(admitted) => Ok(admitted),
            Err(Fault::Held) => {
                if hold == self.max_hold && Instant::now() >= until {
                    body.overdue();
                }
                let items = timeout(COUNT_TIMEOUT, self.count(&mut body))
                    .await
                    .ok()
                    .flatten();
                Err(Denial::refused(RefusedFor::Memory, items, FULL))
            }
            Err(Fault::Denied(denial)) => Err(*denial),
        }
    }

    /// Makes the permit cover `bytes`, for what a later stage has added. Never waits: the addition is small, and its
    /// request is already in memory.
    pub(crate) fn settle(&self, permit: &mut Permit, bytes: usize) {
        match bytes.checked_sub(permit.bytes()) {
            None => permit.shrink_to(bytes),
            Some(0) => {}
            Some(more) => permit.merge(self.budget.held.force(more)),
        }
    }

    async fn admit<B: BodySource>(
        &self,
        body: &mut Body<'_, B>,
        until: Instant,
    ) -> Result<Admitted, Fault> {
        let first = body.first_bytes()?;
        let mut permit = match self.budget.held.try_enter(first) {
            Some(permit) => permit,
            None if !body.hold() => return Err(Fault::Held),
            None => match timeout_at(until, self.budget.held.enter(first)).await {
                Ok(Ok(permit)) => permit,
                Ok(Err(_never)) => return Err(body.too_large()),
                Err(_held) => return Err(Fault::Held),
            },
        };
        body.read(&mut permit, until).await?;
        let request = body.decode(&mut permit, until).await?;
        permit.shrink_to(request.len());
        Ok(Admitted {
            request,
            permit,
            wire_bytes: body.wire_bytes(),
        })
    }

    /// The items of a refused call, if its body can be had and is valid.
    async fn count<B: BodySource>(&self, body: &mut Body<'_, B>) -> Option<usize> {
        let whole = self.budget.reserve.limit();
        let mut permit = self.budget.reserve.enter(whole).await.ok()?;
        let until = Instant::now() + COUNT_TIMEOUT;
        body.read(&mut permit, until).await.ok()?;
        let request = body.decode(&mut permit, until).await.ok()?;
        check::check(self.signal, request)
            .ok()
            .map(|checked| checked.items)
    }

    fn hold(&self, patience: Option<Duration>) -> Duration {
        match patience {
            None => self.max_hold,
            Some(patience) => self
                .max_hold
                .min(patience - ANSWER_MARGIN.min(patience / 2)),
        }
    }
}
