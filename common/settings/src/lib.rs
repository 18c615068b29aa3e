//! The Collector's configuration file, read into validated settings.
//!
//! Raw text goes in, plain typed settings come out, or [`Diagnostic`]s that name file, line and key. The way is:
//! [`Source`] → tree with places → merged, substituted, overridden by the environment → raw structs per component → validated [`Settings`].
//!
//! *Invariant:* the only crate that reads the environment and configuration files; it starts nothing. No key is
//! ignored in silence: it has an effect, a warning that says why it has none, or an error that says what to do.

pub mod diagnostic;
pub mod environment;
pub mod load;
pub mod model;

mod overrides;
mod print;
mod raw;
mod redact;
mod resolve;
mod source;
mod tree;
mod units;

pub use diagnostic::{Diagnostic, Faults, Kind};
pub use environment::{Environment, cpu_quota};
pub use load::{Checked, check, load, load_in};
pub use model::*;
pub use source::Source;
