//! The contract between receiver and exporter, held by the harness, over real connections.
//!
//! Shows what both sides do under fault. Does not show separate processes, nor any real backend.
#![expect(clippy::unwrap_used, reason = "test code: a panic is how a test fails")]

mod health;
mod hop;
mod outcomes;
mod replicas;
mod script;
