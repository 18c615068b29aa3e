//! What every process here runs on: byte budgets, tasks with a name and an owner, drain phases, shards.
//!
//! *Invariant:* knows nothing of OTLP, settings or transports.

pub mod accept;
pub mod budget;
pub mod drain;
pub mod pulse;
pub mod shards;
pub mod signals;
pub mod tasks;

pub use budget::{Budget, Permit};
pub use drain::{Drain, Phase};
pub use pulse::Pulse;
pub use tasks::Tasks;
