//! A budget of bytes: taken before memory is used, given back when it is free again.
//!
//! Waiters are served in order, so a large request is not starved by small ones. New work waits above the *high mark*;
//! work already begun may grow up to the limit, so that what is half received can be finished and let go.
//!
//! *Invariant:* the sum of all permits never exceeds the limit. Knows nothing of what the bytes hold.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

#[cfg(test)]
mod tests;

/// A shared budget of bytes.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    high: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    used: usize,
    growing: VecDeque<Waiter>,
    entering: VecDeque<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    bytes: usize,
    granted: oneshot::Sender<Permit>,
}

/// More bytes were asked for than the budget will ever have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{asked} bytes do not fit into a budget of {limit} bytes")]
pub struct NeverFits {
    /// Bytes asked for.
    pub asked: usize,
    /// The budget's limit.
    pub limit: usize,
}

impl Budget {
    /// A budget of `limit` bytes whose new work waits above `high_mark` (0 to 1) of it.
    #[must_use]
    pub fn new(limit: usize, high_mark: f64) -> Arc<Self> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share of a size in memory, clamped to it"
        )]
        let high = (limit as f64 * high_mark.clamp(0.0, 1.0)) as usize;
        Arc::new(Self {
            limit,
            high,
            state: Mutex::default(),
        })
    }

    /// The limit in bytes.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Bytes taken now.
    #[must_use]
    pub fn used(&self) -> usize {
        self.lock().used
    }

    /// Requests that wait for bytes now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        let state = self.lock();
        state.growing.len() + state.entering.len()
    }

    /// Takes `bytes` for new work, waiting until they are there below the high mark.
    ///
    /// # Errors
    /// [`NeverFits`] when the budget is smaller than `bytes`.
    ///
    /// # Cancel safety
    /// Dropping the future gives up the place in the queue; nothing is taken.
    pub async fn enter(self: &Arc<Self>, bytes: usize) -> Result<Permit, NeverFits> {
        self.take(bytes, true).await
    }

    /// Takes `bytes` at once if they are there below the high mark and nobody waits.
    #[must_use]
    pub fn try_enter(self: &Arc<Self>, bytes: usize) -> Option<Permit> {
        let mut state = self.lock();
        let free = state.entering.is_empty()
            && state.growing.is_empty()
            && self.admits(state.used, bytes, self.high);
        free.then(|| self.grant(&mut state, bytes))
    }

    /// Takes whatever `bytes` says, even beyond the limit: for what must be written down before it can be given back,
    /// such as data read back from elsewhere. Use for bounded amounts only.
    #[must_use]
    pub fn force(self: &Arc<Self>, bytes: usize) -> Permit {
        self.grant(&mut self.lock(), bytes)
    }

    async fn take(self: &Arc<Self>, bytes: usize, entering: bool) -> Result<Permit, NeverFits> {
        if bytes > self.limit {
            return Err(NeverFits {
                asked: bytes,
                limit: self.limit,
            });
        }
        let receiver = {
            let mut state = self.lock();
            let blocked = !state.growing.is_empty() || (entering && !state.entering.is_empty());
            let ceiling = if entering { self.high } else { self.limit };
            if !blocked && self.admits(state.used, bytes, ceiling) {
                return Ok(self.grant(&mut state, bytes));
            }
            let (granted, receiver) = oneshot::channel();
            let queue = if entering {
                &mut state.entering
            } else {
                &mut state.growing
            };
            queue.push_back(Waiter { bytes, granted });
            receiver
        };
        let mut place = Place {
            budget: self,
            receiver,
            granted: false,
        };
        match (&mut place.receiver).await {
            Ok(permit) => {
                place.granted = true;
                Ok(permit)
            }
            Err(_) => unreachable!("a waiter leaves the queue only by a grant"),
        }
    }

    /// An empty budget takes any request up to the limit, or one larger than the high mark would wait for ever.
    fn admits(&self, used: usize, bytes: usize, ceiling: usize) -> bool {
        used.saturating_add(bytes) <= ceiling || (used == 0 && bytes <= self.limit)
    }

    fn grant(self: &Arc<Self>, state: &mut State, bytes: usize) -> Permit {
        state.used += bytes;
        Permit {
            budget: Arc::clone(self),
            bytes,
        }
    }

    fn release(self: &Arc<Self>, bytes: usize) {
        self.lock().used -= bytes;
        self.serve();
    }

    /// Grants to whoever is next, first to those who grow. A grant to one who has gone away comes back by its drop.
    fn serve(self: &Arc<Self>) {
        loop {
            let (waiter, permit) = {
                let mut state = self.lock();
                state.growing.retain(|waiter| !waiter.granted.is_closed());
                let ceiling = if state.growing.is_empty() {
                    self.high
                } else {
                    self.limit
                };
                let used = state.used;
                let queue = if state.growing.is_empty() {
                    &mut state.entering
                } else {
                    &mut state.growing
                };
                let fits = queue
                    .front()
                    .is_some_and(|next| self.admits(used, next.bytes, ceiling));
                if !fits {
                    return;
                }
                let Some(waiter) = queue.pop_front() else {
                    return;
                };
                let permit = self.grant(&mut state, waiter.bytes);
                (waiter, permit)
            };
            // Sent outside the lock: a permit that nobody takes is dropped here and locks again.
            drop(waiter.granted.send(permit));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the queue. Leaving it early may let the next one in.
struct Place<'a> {
    budget: &'a Arc<Budget>,
    receiver: oneshot::Receiver<Permit>,
    granted: bool,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        // Out of the queue already, which may be long.
        if self.granted {
            return;
        }
        self.receiver.close();
        drop(self.receiver.try_recv());
        self.budget
            .lock()
            .entering
            .retain(|waiter| !waiter.granted.is_closed());
        self.budget.serve();
    }
}

/// Bytes taken from a [`Budget`]; given back on drop.
#[derive(Debug)]
pub struct Permit {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Permit {
    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes `more` bytes, waiting for them if need be; up to the limit, not the high mark.
    ///
    /// # Errors
    /// [`NeverFits`] when the permit would be larger than the whole budget.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the permit as it was.
    pub async fn grow(&mut self, more: usize) -> Result<(), NeverFits> {
        if self.bytes.saturating_add(more) > self.budget.limit {
            return Err(NeverFits {
                asked: self.bytes.saturating_add(more),
                limit: self.budget.limit,
            });
        }
        let budget = Arc::clone(&self.budget);
        let extra = budget.take(more, false).await?;
        self.merge(extra);
        Ok(())
    }

    /// Gives back all but `bytes`.
    pub fn shrink_to(&mut self, bytes: usize) {
        if bytes < self.bytes {
            drop(self.split(self.bytes - bytes));
        }
    }

    /// Takes `bytes` (at most all) out of this permit into one of their own.
    #[must_use]
    pub fn split(&mut self, bytes: usize) -> Self {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        Self {
            budget: Arc::clone(&self.budget),
            bytes,
        }
    }

    /// Adds another permit of the same budget to this one.
    ///
    /// # Panics
    /// When the other permit is of another budget.
    pub fn merge(&mut self, mut other: Self) {
        assert!(
            Arc::ptr_eq(&self.budget, &other.budget),
            "permits of two budgets cannot merge"
        );
        self.bytes += other.bytes;
        other.bytes = 0;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.bytes > 0 {
            self.budget.release(self.bytes);
        }
    }
}
