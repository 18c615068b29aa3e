//! A whole connection against peers of every kind, in memory and in paused time.

mod chunking;
mod clients;
mod floods;
mod flow;
mod held;
mod leaving;
pub(crate) mod peer;
mod requests;
mod slow;
