//! Tier 1: takes OTLP from sidecars and brings it into the log; from there it goes, in batches, to the exporters.
//!
//! ```text
//! connection ─▶ receive ─▶ admit ─▶ check ─▶ identify ─▶ append ─▶ ack
//! ```
//!
//! [`Receiver`] is the whole of it in one process, for `main` and for tests alike. `pipeline` is the one place that knows
//! the order of the stages; each stage is the module of its name.
//!
//! *Invariant:* what was acked is in the log, and what is in the log leaves it delivered, rejected or dropped, counted.
//! Signals share nothing but threads and connections.

mod admit;
pub mod args;
pub mod catalogue;
pub mod commands;
mod drain;
mod exit;
mod hand_over;
mod identify;
mod link;
mod metrics;
mod otelcol_names;
mod outward;
mod pages;
mod pipeline;
mod plan;
mod process;
mod receive;
mod receiver;
mod shard;
mod sockets;
pub mod supervisor;
#[cfg(test)]
mod testing;
mod within;
pub mod worker;

pub use drain::Drained;
pub use metrics::SignalCounts;
pub use receiver::{Receiver, StartError};
pub use sockets::Sockets;
