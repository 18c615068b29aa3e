//! How a process tells about itself: logs, metrics, the admin server.
//!
//! *Invariant:* never on the data's way; a slow reader of `/metrics` delays nobody else.

pub mod admin;
pub mod health_check;
pub mod logs;
pub mod process;
pub mod profile;
pub mod recorder;
pub mod repeat;

pub use process::Process;
pub use recorder::Recorder;
pub use repeat::Repeats;
