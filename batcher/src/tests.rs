//! What the log, its cursors and the ledger guarantee together, with scripted exporters and paused time.

mod delivery;
mod drain;
mod law;
pub(crate) mod support;
