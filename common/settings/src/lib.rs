//! The Collector's configuration file, read into validated settings.
//!
//! Raw text goes in, plain typed settings come out, or [`Diagnostic`]s that name file, line and key. The way is:
//! [`Source`] → tree with places → substituted and merged → raw structs per component → validated [`Settings`].
//!
//! *Invariant:* the only crate that reads the environment and configuration files; it starts nothing. No key is
//! ignored in silence: it has an effect, a warning that says why it has none, or an error that says what to do.

pub mod environment;
pub mod load;
pub mod model;

mod raw;
mod resolve;
mod tree;
mod units;

pub use environment::{Environment, cpu_quota};
pub use load::{Diagnostic, Source, load, load_in};
pub use model::*;
