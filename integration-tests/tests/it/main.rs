//! Both tiers in one process, over loopback: the receiver's library, exporters as their processes serve them, and
//! scripted backends. Each test is named after what a user may rely on.
//!
//! *Invariant:* every test ends with the ledger's law, `accepted = delivered + rejected + dropped + held`, on every line,
//! and with an oracle's word on what was acked and what arrived.
//!
//! Proves that the tiers conserve items under fault, pressure, drain and bad input. Does not prove separate processes,
//! crashes of the receiver, real senders or speed.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "test code: a panic is how a test fails"
)]

mod bad_input;
mod config;
mod dead_letters;
mod docs;
mod drain;
mod faults;
mod hand_over;
mod hop_tls;
mod operators;
mod outcomes;
mod pressure;
mod senders;
mod support;
