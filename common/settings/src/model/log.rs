//! What is kept until it is delivered, where, and how much of it.

use super::{ClientCredentials, ClientTls};
use std::path::PathBuf;
use std::time::Duration;

/// The log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// A block is closed at this size. Default 1 MiB.
    pub block_bytes: usize,
    /// Where blocks are kept. Default on disk.
    pub storage: Storage,
    /// Where a cursor begins whose exporter is new to a log. Default at the tail.
    pub new_exporter: StartAt,
}

/// Where accepted data is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Storage {
    /// In memory only: what is held when the process ends is lost (and counted, if it ends by a drain).
    Memory,
    /// In files.
    Disk(DiskLog),
}

/// The log's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskLog {
    /// Root of all folders. Default `/var/lib/penstock`.
    pub directory: PathBuf,
    /// Bytes on disk over all logs of the process, split between signals as the memory is. Default 2 GiB.
    pub max_bytes: u64,
    /// A segment is closed at this size. Default 32 MiB, less where a log's part of `max_bytes` has no room for four.
    pub segment_bytes: u64,
    /// When written data is synced. Default each second.
    pub sync: SyncPolicy,
    /// How long a request may wait for others to be written with it. Default 1 ms.
    pub linger: Duration,
    /// What happens when there is no room. Default hold.
    pub on_full: OnFull,
}

/// What an ack waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncPolicy {
    /// The write to the page cache; the system syncs when it likes.
    None,
    /// The write to the page cache; synced this often.
    Interval(Duration),
    /// The sync.
    Commit,
}

/// What a log does without room on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFull {
    /// Senders wait, and are refused last.
    Hold,
    /// The oldest segment goes, counted as dropped.
    DropOldest,
}

/// Where a new exporter's cursor begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAt {
    /// With what comes from now on.
    Tail,
    /// With the oldest block that the log still holds.
    Oldest,
}

/// Where rejected items are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Folder of the files. Default `<log.directory>/dead-letter`.
    pub directory: PathBuf,
    /// Bytes in all; the oldest file goes first. Default 256 MiB.
    pub max_bytes: u64,
}

/// Where a receiver that ends sends what it still holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandOver {
    /// Other receivers' OTLP/gRPC port: `dns:///host:port` or `host:port`.
    pub endpoint: String,
    /// TLS towards them; plaintext without it.
    pub tls: Option<ClientTls>,
    /// `auth`: what is shown to them.
    pub credentials: Option<ClientCredentials>,
}

/// A limit on what is held for an exporter (`sending_queue.queue_size`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueLimit {
    /// `sizer: requests`: batches of `send_batch_size` items.
    Requests(u64),
    /// `sizer: items`.
    Items(u64),
    /// `sizer: bytes`.
    Bytes(u64),
}
