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

/// Polls of tasks between two looks at the sockets. A busy connection's poll is long, it takes a buffer full of calls; with
/// tokio's 61 a saturated shard would leave its hop connections waiting for milliseconds with data to send.
const EVENT_INTERVAL: u32 = 8;

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
            .event_interval(EVENT_INTERVAL)
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
