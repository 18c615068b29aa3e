//! The harness: settings from YAML, both tiers started from them, senders, and the judgement at the end.

mod client;
mod judge;
mod load;
mod otlp;
mod process;
mod setup;
mod tiers;

pub(crate) use client::{Client, Reply, frame, framed, grpc};
pub(crate) use judge::{assert_law, eventually, line, settle};
pub(crate) use load::{keep_pushing, push};
pub(crate) use otlp::{attributes, parts, set};
pub(crate) use penstock_testkit::Seat;
pub(crate) use process::Process;
pub(crate) use setup::Setup;
pub(crate) use tiers::Tiers;
