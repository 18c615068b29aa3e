//! Tasks with a name and an owner.
//!
//! *Invariant:* a task that panics, or one that must not end and does, is a failure of the process: [`Tasks::failed`]
//! tells it with the task's name.

use futures_util::FutureExt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

#[cfg(test)]
mod tests;

/// Owner of a set of tasks. Clones share the set.
#[derive(Clone, Debug)]
pub struct Tasks {
    tracker: TaskTracker,
    failure: Arc<watch::Sender<Option<Failure>>>,
}

/// Why the process has to stop.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("task `{task}` {what}")]
pub struct Failure {
    /// The task's name.
    pub task: &'static str,
    /// `panicked: ...` or `ended`.
    pub what: String,
}

impl Default for Tasks {
    fn default() -> Self {
        Self::new()
    }
}

impl Tasks {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self {
            tracker: TaskTracker::new(),
            failure: Arc::new(watch::Sender::new(None)),
        }
    }

    /// Starts a task on the current runtime; it may end when its work is done.
    pub fn spawn<F>(&self, name: &'static str, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let work = watched(name, Arc::clone(&self.failure), future);
        let span = tracing::debug_span!("task", name);
        self.tracker.spawn(work.instrument(span));
    }

    /// Starts a task that must outlive everything else: its end is a failure.
    pub fn spawn_forever<F>(&self, name: &'static str, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let failure = Arc::clone(&self.failure);
        let ended = move |()| {
            let what = "ended".to_owned();
            fail(&failure, Failure { task: name, what });
        };
        self.spawn(name, future.map(ended));
    }

    /// Resolves when a task has failed. Never resolves otherwise.
    pub async fn failed(&self) -> Failure {
        let mut receiver = self.failure.subscribe();
        loop {
            if let Some(failure) = receiver.borrow_and_update().clone() {
                return failure;
            }
            if receiver.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Waits until every task has ended.
    pub async fn ended(&self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}

/// The future, with its panic told. An async block would do the same but hold the future twice, and there is a task for each
/// connection.
fn watched<F>(
    name: &'static str,
    failure: Arc<watch::Sender<Option<Failure>>>,
    future: F,
) -> impl Future<Output = ()> + Send
where
    F: Future<Output = ()> + Send,
{
    AssertUnwindSafe(future).catch_unwind().map(move |ended| {
        if let Err(panic) = ended {
            let what = format!("panicked: {}", panic_text(panic.as_ref()));
            fail(&failure, Failure { task: name, what });
        }
    })
}

fn fail(failure: &watch::Sender<Option<Failure>>, new: Failure) {
    tracing::error!(task = new.task, what = %new.what, "task failed");
    failure.send_if_modified(|first| first.is_none() && first.replace(new).is_none());
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
