//! Shards: one thread each with a current-thread runtime; nothing shared but what they were given.

use std::future::Future;
use std::io;
use std::thread;

/// A running shard.
#[derive(Debug)]
pub struct Shard {
    /// Its number, from 0.
    pub index: usize,
    thread: thread::JoinHandle<()>,
}

impl Shard {
    /// Starts thread `<name>-<index>` with a current-thread runtime that runs `main` to its end.
    ///
    /// # Errors
    /// When the runtime or the thread cannot be made.
    pub fn start<F, Fut>(name: &str, index: usize, main: F) -> io::Result<Self>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = ()>,
    {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let thread = thread::Builder::new()
            .name(format!("{name}-{index}"))
            .spawn(move || runtime.block_on(main()))?;
        Ok(Self { index, thread })
    }

    /// Waits for the thread's end; `false` when it panicked. Blocks: call it where nothing else has to run.
    #[must_use]
    pub fn join(self) -> bool {
        self.thread.join().is_ok()
    }
}
