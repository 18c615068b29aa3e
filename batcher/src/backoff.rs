//! Waiting after failures: how long, and for how many.
//!
//! A failure says more about the exporter than about the batch, so all batches of a cursor share one [`Gate`]. The
//! first retryable failure closes it. When its time is over one batch goes through as a probe while the others wait;
//! the first success of any batch opens it for all. A batch that keeps failing while others succeed is at fault itself:
//! it waits longer and longer on its own, probes last, and does not close the gate again.
//!
//! *Invariant:* a dead exporter sees one attempt at a time, whatever waits for it; nobody tries before its `after`.

use penstock_settings::Retry;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

#[cfg(test)]
mod tests;

/// What stands for an instant that is too far away to be represented.
pub(crate) const FAR: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// The shortest wait: without one, a dead exporter would be asked without pause.
const SHORTEST: Duration = Duration::from_millis(1);

/// Exponential back-off with jitter.
#[derive(Clone, Debug)]
pub(crate) struct Backoff {
    initial: Duration,
    max: Duration,
    multiplier: f64,
    jitter: f64,
}

impl Backoff {
    pub(crate) fn new(retry: &Retry) -> Self {
        Self {
            initial: retry.initial_interval.max(SHORTEST),
            max: retry.max_interval.max(retry.initial_interval).max(SHORTEST),
            multiplier: retry.multiplier.max(1.0),
            jitter: retry.randomization_factor.clamp(0.0, 1.0),
        }
    }

    /// How long to wait after so many failures in a row, the first being 1.
    pub(crate) fn delay(&self, failures: u32) -> Duration {
        let power = i32::try_from(failures.saturating_sub(1)).unwrap_or(i32::MAX);
        let grown = self.initial.as_secs_f64() * self.multiplier.powi(power);
        let interval = grown.min(self.max.as_secs_f64());
        let spread = 1.0 + self.jitter * (fastrand::f64() * 2.0 - 1.0);
        Duration::try_from_secs_f64(interval * spread).unwrap_or(self.max)
    }
}

/// The way to one exporter, closed while it fails.
#[derive(Debug)]
pub(crate) struct Gate {
    backoff: Backoff,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// `Some` while closed: when the next probe may go.
    closed_until: Option<Instant>,
    probing: bool,
    failures: u32,
    /// Batches at the gate that have not failed yet: they probe first.
    fresh: usize,
    /// Moves with every closing and opening, so that an attempt begun before tells nothing new.
    epoch: u64,
    /// How often the gate opened again.
    openings: u64,
    hurry: bool,
}

/// How long a batch that failed waits on its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wait {
    /// Not before this, whatever happens.
    earliest: Instant,
    /// Not before this, unless others succeed meanwhile.
    until: Instant,
    openings: u64,
}

impl Wait {
    /// A wait that is over, of a batch that has failed before.
    pub(crate) fn over() -> Self {
        let now = Instant::now();
        Self {
            earliest: now,
            until: now,
            openings: 0,
        }
    }

    /// When it is over, whatever becomes of the others.
    pub(crate) fn until(&self) -> Instant {
        self.until
    }
}

/// Leave to make one attempt. Dropped without a word, it leaves the probe to another.
#[derive(Debug)]
pub(crate) struct Pass<'a> {
    gate: &'a Gate,
    epoch: u64,
    probe: bool,
}

/// The place of a batch that waits and has not failed yet.
struct Fresh<'a>(&'a Gate);

/// What a batch has to wait for.
enum Step {
    Go { probe: bool },
    At(Instant),
    Change,
}

impl Gate {
    pub(crate) fn new(backoff: Backoff) -> Self {
        Self {
            backoff,
            state: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// Resolves when the next attempt may be made.
    ///
    /// # Cancel safety
    /// Dropping the future gives up nothing.
    pub(crate) async fn enter(&self, wait: Option<Wait>) -> Pass<'_> {
        let mut place = None::<Fresh<'_>>;
        loop {
            let changed = self.changed.notified();
            let step = {
                let mut state = self.lock();
                let step = state.step(wait, Instant::now());
                if let Step::Go { probe } = step {
                    state.probing |= probe;
                    return Pass {
                        gate: self,
                        epoch: state.epoch,
                        probe,
                    };
                }
                if wait.is_none() && place.is_none() {
                    state.fresh += 1;
                    place = Some(Fresh(self));
                }
                step
            };
            match step {
                Step::At(at) => tokio::select! {
                    () = changed => {}
                    () = sleep_until(at) => {}
                },
                Step::Change | Step::Go { .. } => changed.await,
            }
        }
    }

    /// How long a batch with so many failures is left alone.
    pub(crate) fn pause(&self, failures: u32) -> Duration {
        self.backoff.delay(failures)
    }

    /// No long waits from now on: there is little time left.
    pub(crate) fn hurry(&self) {
        let mut state = self.lock();
        state.hurry = true;
        state.failures = 0;
        if state.closed_until.is_some() {
            state.closed_until = Some(Instant::now());
        }
        drop(state);
        self.changed.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn step(&self, wait: Option<Wait>, now: Instant) -> Step {
        let own = wait.map_or(now, |wait| {
            let early = self.hurry || self.openings > wait.openings;
            if early { wait.earliest } else { wait.until }
        });
        let at = match self.closed_until {
            Some(_) if self.probing || (wait.is_some() && self.fresh > 0) => return Step::Change,
            Some(until) => until.max(own),
            None => own,
        };
        if at > now {
            Step::At(at)
        } else {
            Step::Go {
                probe: self.closed_until.is_some(),
            }
        }
    }
}

impl Pass<'_> {
    /// The exporter answered. True when the gate was closed until now.
    pub(crate) fn succeeded(mut self) -> bool {
        self.probe = false;
        let mut state = self.gate.lock();
        let reopened = state.closed_until.take().is_some();
        if reopened {
            state.probing = false;
            state.failures = 0;
            state.epoch += 1;
            state.openings += 1;
            drop(state);
            self.gate.changed.notify_waiters();
        }
        reopened
    }

    /// The `attempt`th attempt failed; the peer may have said not to come back before `after`. Also tells whether this
    /// closed an open gate.
    pub(crate) fn failed(mut self, attempt: u32, after: Option<Duration>) -> (Wait, bool) {
        let probe = std::mem::take(&mut self.probe);
        let now = Instant::now();
        let gate = self.gate;
        let mut state = gate.lock();
        let after = after.map(|after| later(now, after));
        let mut closed = false;
        if state.epoch == self.epoch && (probe || attempt == 1) {
            closed = state.closed_until.is_none();
            state.failures = if state.hurry {
                1
            } else {
                state.failures.saturating_add(1)
            };
            let until = later(now, gate.backoff.delay(state.failures));
            state.closed_until = Some(after.map_or(until, |after| until.max(after)));
            state.probing = false;
            state.epoch += 1;
        } else if let (Some(until), Some(after)) = (state.closed_until, after) {
            state.closed_until = Some(until.max(after));
        }
        let earliest = later(now, gate.backoff.delay(1));
        let until = later(now, gate.backoff.delay(attempt)).max(earliest);
        let not_before = |at: Instant| after.map_or(at, |after| at.max(after));
        let wait = Wait {
            earliest: not_before(earliest),
            until: not_before(until),
            openings: state.openings,
        };
        drop(state);
        gate.changed.notify_waiters();
        (wait, closed)
    }

    /// Nothing was sent, as no replica may be called before `after`. The hop knows when it is worth while to try, so this
    /// makes no wait longer. Also tells whether this closed an open gate.
    pub(crate) fn unreached(mut self, after: Duration) -> (Wait, bool) {
        self.probe = false;
        let at = later(Instant::now(), after.max(SHORTEST));
        let gate = self.gate;
        let mut state = gate.lock();
        let mut closed = false;
        if state.epoch == self.epoch {
            closed = state.closed_until.replace(at).is_none();
            state.probing = false;
            state.epoch += 1;
        }
        let wait = Wait {
            earliest: at,
            until: at,
            openings: state.openings,
        };
        drop(state);
        gate.changed.notify_waiters();
        (wait, closed)
    }
}

impl Drop for Fresh<'_> {
    fn drop(&mut self) {
        self.0.lock().fresh -= 1;
        self.0.changed.notify_waiters();
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.probe {
            let mut state = self.gate.lock();
            if state.epoch == self.epoch {
                state.probing = false;
                drop(state);
                self.gate.changed.notify_waiters();
            }
        }
    }
}

/// `wait` from `now`.
pub(crate) fn later(now: Instant, wait: Duration) -> Instant {
    now + wait.min(FAR)
}
