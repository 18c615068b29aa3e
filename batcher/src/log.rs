//! One signal's log of one shard: blocks of valid requests, read by one cursor per exporter.
//!
//! *Invariant:* whoever appends knows neither blocks nor cursors, nor where the log keeps its data. Kept in memory for
//! now, so [`Log::append`] never waits, and what is held when the process has to stop is dropped and counted.

mod block;
pub(crate) mod blocks;
mod position;

use crate::batch::Rule;
use crate::cursor::Cursor;
use crate::{CursorSettings, Ledger, metrics};
use blocks::{Blocks, Reader};
use bytes::Bytes;
use penstock_hop::Transport;
use penstock_otlp::Signal;
use penstock_runtime::{Drain, Permit, Tasks};
use penstock_settings::LogSettings;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// A log; owns the tasks that read it.
#[derive(Debug)]
pub struct Log {
    blocks: Arc<Blocks>,
}

/// A checked request with the bytes it holds of the budget.
pub struct Request {
    /// A valid request of the log's signal.
    pub body: Bytes,
    /// Items in it.
    pub items: usize,
    /// Bytes of the budget for it; given back when every cursor is past it. All of a log's are of one budget.
    pub permit: Permit,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Request({} items, {} bytes)",
            self.items,
            self.body.len()
        )
    }
}

/// Why a request could not be appended: the sender may try again.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AppendError {
    /// The log takes nothing more: the process is stopping.
    #[error("the receiver is stopping")]
    Closed,
}

impl Log {
    /// Opens the log of `signal` and starts a reader per cursor on the current runtime.
    ///
    /// Install the metrics recorder before. A log without cursors takes nothing, as nothing could ever leave it.
    #[must_use]
    pub fn open<T: Transport>(
        signal: Signal,
        settings: &LogSettings,
        cursors: Vec<CursorSettings<T>>,
        ledger: &Arc<Ledger>,
        tasks: &Tasks,
        drain: &Drain,
    ) -> Arc<Self> {
        metrics::describe();
        let reader = |cursor: &CursorSettings<T>| Reader {
            pipeline: cursor.pipeline.clone(),
            exporter: cursor.exporter.clone(),
            rule: Rule::new(&cursor.batch),
        };
        let readers: Vec<_> = cursors.iter().map(reader).collect();
        let blocks = Arc::new(Blocks::new(
            signal,
            new_id(signal),
            settings.block_bytes,
            readers,
        ));
        ledger.add(Arc::clone(&blocks));
        for (index, cursor) in cursors.into_iter().enumerate() {
            let cursor = Cursor::new(index, cursor, Arc::clone(&blocks), drain.clone());
            tasks.spawn("cursor", cursor.run());
        }
        Arc::new(Self { blocks })
    }

    /// Appends a request; resolves when it is as durable as the settings ask. From then on it is ours.
    ///
    /// A request without items is acked and forgotten.
    ///
    /// # Errors
    /// [`AppendError::Closed`] while stopping.
    ///
    /// # Cancel safety
    /// A request whose future is dropped may still be appended.
    pub async fn append(&self, request: Request) -> Result<(), AppendError> {
        self.blocks.append(request)
    }

    /// Resolves when every cursor has delivered, rejected or dropped all there is and nothing more can come: never
    /// before the drain flushes (or has run out of time).
    pub async fn drained(&self) {
        self.blocks.ended().await;
    }
}

/// An id that no other log has, of whatever shard, process or start.
fn new_id(signal: Signal) -> String {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_nanos();
    let random = RandomState::new().hash_one(now);
    format!("{signal}-{now:x}-{random:016x}")
}
