//! The hop: how a batch gets from the receiver to one replica of an exporter, and what comes back.
//!
//! It is OTLP/gRPC itself with a few metadata headers, so any OTLP server can stand in for an exporter.
//!
//! *Invariant:* keeps no queue, and gives a batch to a second replica only when the first cannot have seen it;
//! the caller decides what an [`Outcome`] means for its data.

mod affinity;
pub mod client;
mod connection;
pub mod discovery;
mod hand_over;
pub mod metadata;
mod metrics;
pub mod outcome;
mod replicas;
mod siblings;
mod wire;

pub use affinity::{Owner, Owners};
pub use client::HopClient;
pub use hand_over::Receivers;
pub use metrics::METRICS;
pub use outcome::Outcome;
pub use siblings::{SERVICE as SIBLINGS, Siblings};

use bytes::Bytes;
use penstock_otlp::Signal;
use penstock_otlp::resource::mix;
use std::future::Future;

/// A batch on its way: valid requests of one signal whose concatenation is one valid request.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The signal.
    pub signal: Signal,
    /// The payload in order; joining the chunks gives the request.
    pub chunks: Vec<Bytes>,
    /// Items in all chunks.
    pub items: usize,
    /// What identifies this batch.
    pub origin: Origin,
}

impl Batch {
    /// Payload bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.chunks.iter().map(Bytes::len).sum()
    }
}

/// Where a batch was cut from. The same origin always means the same payload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Identifies the log; unique over processes and restarts.
    pub log_id: String,
    /// First block of the batch.
    pub first_block: u64,
    /// Last block of the batch, inclusive.
    pub last_block: u64,
    /// Which piece of those blocks, from 0, when they had to be cut.
    pub part: u32,
    /// Into how many pieces; 1 when whole.
    pub parts: u32,
    /// Set when it holds the Resources of one owner only.
    pub share: Option<Share>,
}

/// Which share of some blocks a batch is that was cut by who owns its Resources.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Share {
    /// [`Owners::epoch`] by which it was cut.
    pub epoch: u64,
    /// Identifies the share: a digest of the owner, and of the shares that it was cut from when owners changed.
    pub id: u64,
}

impl Share {
    /// The share of `owner` in what was `before`.
    #[must_use]
    pub fn of(owner: &Owner, epoch: u64, before: Option<Self>) -> Self {
        let before = before.map_or(0, |share| share.id);
        let id = mix(mix(before ^ epoch) ^ owner.digest());
        Self { epoch, id }
    }
}

/// Something that takes a batch towards an exporter: [`HopClient`], or a scripted stand-in in tests.
pub trait Transport: Send + Sync + 'static {
    /// Sends `batch` once. `attempt` counts from 1.
    fn send(&self, batch: &Batch, attempt: u32) -> impl Future<Output = Outcome> + Send;

    /// The replicas now, when every Resource has to go to the one that owns it; `None`: any replica may have any batch.
    fn owners(&self) -> Option<Owners> {
        None
    }

    /// Resolves when [`Transport::owners`] have another epoch than this.
    fn moved(&self, epoch: u64) -> impl Future<Output = ()> + Send {
        let _ = epoch;
        std::future::pending()
    }

    /// Sends `batch` once, to its owner and nobody else.
    fn send_to(
        &self,
        owner: &Owner,
        batch: &Batch,
        attempt: u32,
    ) -> impl Future<Output = Outcome> + Send {
        let _ = owner;
        self.send(batch, attempt)
    }
}
