//! Where blocking work runs: on the runtime's helper threads, or at once where time is simulated.
//!
//! *Invariant:* work begins when it is given, and is done whether or not anybody waits for it.

use std::panic::resume_unwind;
use tokio::task::{JoinHandle, spawn_blocking};

/// Runs what blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Helper {
    /// On a thread of its own.
    Threads,
    /// Here and now: paused time would run on while a thread works.
    #[cfg(test)]
    Inline,
}

/// Work that was begun.
#[derive(Debug)]
pub(crate) enum Begun<R> {
    Thread(JoinHandle<R>),
    #[cfg(test)]
    Done(R),
}

impl Helper {
    pub(crate) fn begin<R: Send + 'static>(
        self,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> Begun<R> {
        match self {
            Self::Threads => Begun::Thread(spawn_blocking(work)),
            #[cfg(test)]
            Self::Inline => Begun::Done(work()),
        }
    }

    pub(crate) async fn run<R: Send + 'static>(
        self,
        work: impl FnOnce() -> R + Send + 'static,
    ) -> R {
        self.begin(work).end().await
    }
}

impl<R> Begun<R> {
    /// What came of it.
    ///
    /// # Panics
    /// When the work did.
    pub(crate) async fn end(self) -> R {
        match self {
            Self::Thread(thread) => match thread.await {
                Ok(done) => done,
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => resume_unwind(panic),
                    // The runtime ends, and whoever waits ends with it.
                    Err(_cancelled) => std::future::pending().await,
                },
            },
            #[cfg(test)]
            Self::Done(done) => done,
        }
    }
}
