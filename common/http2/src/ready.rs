//! Which calls want to be polled.
//!
//! All calls of a connection run inside its task. Each slot for a call has a waker of its own, made once and used for
//! all calls in that slot, so a wake-up costs no allocation and polls no other call. However many calls become ready
//! together, the task is woken once.
//!
//! *Invariant:* a wake-up between `enter` and a successful `leave` is never lost and never wakes the task.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Wake, Waker},
};

/// The slot number of the shutdown signal.
pub(crate) const SHUTDOWN: u32 = u32::MAX;

/// A poisoned lock is as good as any here: every critical section leaves valid state behind.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug, Default)]
struct Inner {
    queue: Vec<u32>,
    /// Something other than a call wants the connection's attention.
    wanted: bool,
    /// The connection is being polled and will look here before it rests.
    polling: bool,
    task: Option<Waker>,
}

/// The queue of ready calls.
#[derive(Debug, Default)]
pub(crate) struct Ready(Mutex<Inner>);

impl Ready {
    /// The connection begins to be polled.
    pub(crate) fn enter(&self, task: &Waker) {
        let mut inner = lock(&self.0);
        inner.polling = true;
        inner.wanted = false;
        if !inner
            .task
            .as_ref()
            .is_some_and(|known| known.will_wake(task))
        {
            inner.task = Some(task.clone());
        }
    }

    /// The connection wants to rest. False if something has become ready meanwhile.
    pub(crate) fn leave(&self) -> bool {
        let mut inner = lock(&self.0);
        if inner.wanted || !inner.queue.is_empty() {
            inner.wanted = false;
            return false;
        }
        inner.polling = false;
        true
    }

    /// The connection rests although something may be ready: it has arranged to be polled again.
    pub(crate) fn pause(&self) {
        lock(&self.0).polling = false;
    }

    /// Exchanges the queue with an empty one.
    pub(crate) fn take(&self, queue: &mut Vec<u32>) {
        std::mem::swap(queue, &mut lock(&self.0).queue);
    }

    /// Has the connection polled.
    pub(crate) fn wake(&self) {
        let mut inner = lock(&self.0);
        if inner.polling {
            inner.wanted = true;
            return;
        }
        let task = inner.task.clone();
        drop(inner);
        if let Some(task) = task {
            task.wake();
        }
    }

    fn push(&self, slot: u32) {
        let mut inner = lock(&self.0);
        inner.queue.push(slot);
        if inner.polling || inner.queue.len() > 1 {
            return;
        }
        let task = inner.task.clone();
        drop(inner);
        if let Some(task) = task {
            task.wake();
        }
    }
}

/// Wakes one slot.
#[derive(Debug)]
pub(crate) struct SlotWaker {
    ready: Arc<Ready>,
    slot: u32,
    queued: AtomicBool,
}

impl SlotWaker {
    pub(crate) fn new(ready: &Arc<Ready>, slot: u32) -> Arc<Self> {
        Arc::new(Self {
            ready: Arc::clone(ready),
            slot,
            queued: AtomicBool::new(false),
        })
    }

    /// Must be called before the slot is polled, so that wake-ups during the poll count.
    pub(crate) fn polled(&self) {
        self.queued.swap(false, Ordering::AcqRel);
    }
}

impl Wake for SlotWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.ready.push(self.slot);
        }
    }
}

#[cfg(test)]
mod tests;
