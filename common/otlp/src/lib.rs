//! OTLP as bytes: what a request is, whether it is valid, what it counts, how it is cut, joined and answered.
//!
//! Nothing here decodes a request into objects. One table, [`schema`], names every OTLP message and field; the walk,
//! the cuts and the JSON mapping are all driven by it.
//!
//! *Invariant:* knows no transport, no settings and no other crate of this workspace.

pub mod annotate;
pub mod causes;
pub mod check;
pub mod compress;
pub mod health;
pub mod join;
pub mod json;
pub mod resource;
pub mod response;
pub mod schema;
mod signal;
pub mod split;
pub mod status;
mod wire;

pub use signal::Signal;
pub use wire::Edited;
