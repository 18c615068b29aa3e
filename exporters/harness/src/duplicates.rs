//! Duplicate suppression: a batch that was delivered, or is on its way, is not given to the backend again.
//!
//! A receiver repeats a batch when it did not get the answer. As long as this process remembers the batch's origin, the
//! repeat gets the answer of the first.
//!
//! *Invariant:* remembers only what the backend took, and no more than its bound. Never a promise of exactly-once:
//! another replica or a restarted one knows nothing.

use crate::{ExportError, Exported};
use penstock_hop::Origin;
use penstock_otlp::Signal;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

#[cfg(test)]
mod tests;

/// What a backend made of a batch.
pub(crate) type Answer = Result<Exported, ExportError>;
type Key = (Signal, Origin);

/// The memory. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Duplicates {
    state: Arc<Mutex<State>>,
    limit: usize,
}

#[derive(Debug, Default)]
struct State {
    running: HashMap<Key, watch::Receiver<Option<Answer>>>,
    delivered: HashMap<Key, Exported>,
    order: VecDeque<Key>,
}

/// What is known of a batch that comes in.
#[derive(Debug)]
pub(crate) enum Seen {
    /// Nothing: whoever holds the claim exports it.
    New(Claim),
    /// Another call exports it now.
    Running(Running),
    /// The backend has it.
    Delivered(Exported),
}

impl Duplicates {
    /// Remembers the last `limit` delivered batches.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            state: Arc::default(),
            limit,
        }
    }

    pub(crate) fn look(&self, signal: Signal, origin: Origin) -> Seen {
        let key = (signal, origin);
        let mut state = self.lock();
        if let Some(exported) = state.delivered.get(&key) {
            return Seen::Delivered(exported.clone());
        }
        if let Some(answer) = state.running.get(&key) {
            return Seen::Running(Running(answer.clone()));
        }
        let (answer, waiting) = watch::channel(None);
        state.running.insert(key.clone(), waiting);
        Seen::New(Claim {
            duplicates: self.clone(),
            key,
            answer,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to export a batch. Dropped without an answer, the next call gets it.
#[derive(Debug)]
pub(crate) struct Claim {
    duplicates: Duplicates,
    key: Key,
    answer: watch::Sender<Option<Answer>>,
}

impl Claim {
    /// Tells everyone who waits, and remembers a success.
    pub(crate) fn answer(self, answer: Answer) {
        if let Ok(exported) = &answer {
            let mut state = self.duplicates.lock();
            if state
                .delivered
                .insert(self.key.clone(), exported.clone())
                .is_none()
            {
                state.order.push_back(self.key.clone());
            }
            while state.order.len() > self.duplicates.limit {
                if let Some(oldest) = state.order.pop_front() {
                    state.delivered.remove(&oldest);
                }
            }
        }
        self.answer.send_replace(Some(answer));
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.duplicates.lock().running.remove(&self.key);
    }
}

/// A call that exports the same batch.
#[derive(Debug)]
pub(crate) struct Running(watch::Receiver<Option<Answer>>);

impl Running {
    /// Its answer.
    pub(crate) async fn answer(mut self) -> Answer {
        match self
            .0
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|answer| answer.clone())
        {
            Some(answer) => answer,
            None => Err(ExportError::Retry {
                after: None,
                reason: "the export of this batch was given up".to_owned(),
            }),
        }
    }
}
