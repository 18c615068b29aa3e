//! What the log, its cursors and the ledger guarantee together, with scripted exporters and paused time.

mod adoption;
mod delivery;
mod disk;
mod drain;
mod full;
mod hand_over;
mod law;
mod memory;
mod model;
mod parked;
mod restart;
mod shares;
pub(crate) mod support;
