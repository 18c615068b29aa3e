//! The receiver in process, over loopback sockets, with scripted exporters behind it. Real senders and separate
//! processes are not part of this.
//!
//! Every test ends with [`support::finish`], which holds the ledger to its law.

#![expect(
    clippy::unwrap_used,
    reason = "a panic with a message is how a test fails"
)]

mod admission;
mod auth;
mod connections;
mod frames;
mod grpc;
mod health;
mod http;
mod lifecycle;
mod observe;
mod supervised;
mod support;
mod tls;
