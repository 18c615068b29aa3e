//! What tests share: a scriptable OTLP backend, small requests with item ids, captured requests, certificates, an oracle,
//! servers that can be killed.
//!
//! *Invariant:* depends on no other crate of this workspace, so that what it says about a request is a second opinion:
//! requests are decoded by `prost` into the published OTLP types.
//!
//! Only ever a dev-dependency. Signals are named by strings (`traces`, `metrics`, `logs`).

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "test code: a panic with a message is how a test fails"
)]

pub mod backend;
pub mod exposition;
mod fixtures;
mod oracle;
mod pki;
mod process;
mod request;

pub use backend::{Answer, Backend, Gate, Recorded};
pub use fixtures::{Fixture, fixture, fixtures};
pub use oracle::{Oracle, Verdict};
pub use pki::{Identity, Pki};
pub use process::{Process, Seat};
pub use request::{Request, ids, ids_in_json, logs, metrics, numbered, request, traces};

#[cfg(test)]
mod tests;
