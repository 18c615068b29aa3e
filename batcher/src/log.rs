//! One signal's log of one shard: blocks of valid requests, read by one cursor per exporter.
//!
//! Kept in memory, where [`Log::append`] never waits and what is held when the process has to stop is dropped and counted; or
//! on disk, where it waits for the write and nothing is dropped.
//!
//! *Invariant:* whoever appends knows neither blocks nor cursors, nor where the log keeps its data.

mod adopt;
pub(crate) mod block;
pub(crate) mod blocks;
pub(crate) mod books;
pub(crate) mod disk;
mod feed;
pub(crate) mod folders;
pub(crate) mod format;
pub(crate) mod helper;
mod layout;
mod load;
mod position;
mod quarantine;
mod recover;
mod restore;
mod room;
mod scan;
pub(crate) mod segments;
pub(crate) mod store;
pub mod strays;
pub mod verify;
pub(crate) mod walk;
mod writer;

pub use room::Budgets;

use crate::{CursorSettings, Ledger, metrics};
use blocks::Blocks;
use disk::{Disk, Files};
use feed::{Feed, Handed, Place};
use folders::{FolderError, escaped};
use helper::Helper;
use penstock_hop::Transport;
use penstock_otlp::{Edited, Signal};
use penstock_runtime::{Drain, Permit, Tasks};
use penstock_settings::{LogSettings, Storage};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use store::StoreError;

/// A log; owns the tasks that read it.
pub struct Log {
    pub(crate) blocks: Arc<Blocks>,
    handed: Arc<dyn Handed>,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Log").field(&self.blocks).finish()
    }
}

/// A checked request with the bytes it holds of the budget.
pub struct Request {
    /// A valid request of the log's signal.
    pub body: Edited,
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
    /// There was no room on disk for as long as a request may wait.
    #[error("the log has no room")]
    Full,
    /// For an exporter that the log has no cursor for.
    #[error("pipeline {pipeline} with exporter {exporter} is not served here")]
    UnknownCursor {
        /// The pipeline's id.
        pipeline: String,
        /// The exporter's id.
        exporter: String,
    },
}

/// Why a log could not be opened. Nothing on disk was changed.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct OpenError(Box<dyn std::error::Error + Send + Sync>);

impl OpenError {
    /// Whether it is the disk, or another process: the same settings may do at another time.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        let io =
            |error: &StoreError| matches!(error, StoreError::Full { .. } | StoreError::Io { .. });
        self.0.is::<FolderError>() || self.0.downcast_ref().is_some_and(io)
    }
}

impl From<&'static str> for OpenError {
    fn from(error: &'static str) -> Self {
        Self(error.into())
    }
}

impl From<FolderError> for OpenError {
    fn from(error: FolderError) -> Self {
        Self(Box::new(error))
    }
}

impl From<StoreError> for OpenError {
    fn from(error: StoreError) -> Self {
        Self(Box::new(error))
    }
}

/// What a log is.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// What its requests are.
    pub signal: Signal,
    /// Id of the receiver that they come from.
    pub receiver: String,
    /// Where and how blocks are kept.
    pub settings: LogSettings,
    /// What the signal's logs share.
    pub budgets: Budgets,
    /// Number of this shard, from 0.
    pub shard: usize,
    /// How many there are. Each adopts its part of the logs that nobody has.
    pub shards: usize,
    /// Longest wait for room before a request is refused.
    pub max_hold: Duration,
}

impl Log {
    /// Opens the log of a signal and starts a reader per cursor on the current runtime. A log on disk goes on where it was.
    ///
    /// Install the metrics recorder before. A log without cursors takes nothing, as nothing could ever leave it.
    ///
    /// # Errors
    /// [`OpenError`], for a log on disk.
    pub async fn open<T: Transport>(
        options: LogOptions,
        cursors: Vec<CursorSettings<T>>,
        ledger: &Arc<Ledger>,
        tasks: &Tasks,
        drain: &Drain,
    ) -> Result<Arc<Self>, OpenError> {
        let files = (Files::shared(), Helper::Threads);
        Self::open_in(files, options, cursors, ledger, tasks, drain).await
    }

    /// The same on another disk.
    pub(crate) async fn open_in<T: Transport>(
        (disk, helper): (Arc<dyn Disk>, Helper),
        options: LogOptions,
        cursors: Vec<CursorSettings<T>>,
        ledger: &Arc<Ledger>,
        tasks: &Tasks,
        drain: &Drain,
    ) -> Result<Arc<Self>, OpenError> {
        metrics::describe();
        let place = match &options.settings.storage {
            // What nobody reads is never written either.
            Storage::Disk(settings) if !cursors.is_empty() => Some(Place {
                disk,
                helper,
                settings: settings.clone(),
                root: root(&settings.directory, &options.receiver, options.signal),
            }),
            Storage::Disk(_) | Storage::Memory => None,
        };
        let feed = Feed::new(options, cursors, ledger, tasks, drain, place);
        let blocks = feed.own().await?;
        if feed.place.is_some() {
            let adopting = Arc::clone(&feed).adopt(Arc::clone(&blocks));
            tasks.spawn("log adoption", adopting);
        }
        Ok(Arc::new(Self {
            blocks,
            handed: feed,
        }))
    }

    /// Appends a request; resolves when it is as durable as the settings ask. From then on it is ours.
    ///
    /// A request without items is acked and forgotten.
    ///
    /// # Errors
    /// [`AppendError::Closed`] while stopping, [`AppendError::Full`] when there was no room for too long.
    ///
    /// # Cancel safety
    /// A request whose future is dropped may still be appended.
    pub async fn append(&self, request: Request) -> Result<(), AppendError> {
        self.blocks.append(request).await
    }

    /// Appends what another receiver held for one exporter when it ended: to a log of that cursor's own, so that the
    /// others do not get it twice.
    ///
    /// # Errors
    /// As [`Self::append`], and [`AppendError::UnknownCursor`].
    ///
    /// # Cancel safety
    /// As [`Self::append`].
    pub async fn append_for(
        &self,
        pipeline: &str,
        exporter: &str,
        request: Request,
    ) -> Result<(), AppendError> {
        let log = Arc::clone(&self.handed).log(pipeline, exporter).await?;
        log.append(request).await
    }

    /// Resolves when nothing more can come and every cursor has delivered, rejected or dropped all there is, or the drain has
    /// run out of time: never before it flushes. What a log on disk holds then stays there, and its last books are written.
    pub async fn drained(&self) {
        self.blocks.ended().await;
        self.handed.others_ended().await;
    }
}

/// The folder of a receiver's signal.
fn root(directory: &Path, receiver: &str, signal: Signal) -> PathBuf {
    let log = directory.join("log");
    log.join(escaped(receiver)).join(signal.name())
}
