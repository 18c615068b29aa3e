//! TLS of every port and every connection, from settings to handshakes, and files that are read again when they change.
//!
//! - [`ServerSide`] is the TLS of a port, [`ClientSide`] that of connections to somebody.
//! - [`Credentials`] are what a client shows in a header.
//! - [`watch()`] reads the files of either, or any other [`Watched`], again and again.
//! - [`Failed`] is a handshake that failed: counted by its [`Reason`], and told with the setting to look at.
//!
//! *Invariant:* a peer is verified unless `insecure_skip_verify` says otherwise; a connection that is open keeps what it was
//! opened with; new files that cannot be used change nothing.

mod client;
mod credentials;
mod current;
mod failed;
mod metrics;
mod pem;
mod server;
mod verify;
mod versions;
mod watch;

pub use client::{ClientSide, ClientStream};
pub use credentials::Credentials;
pub use failed::{Failed, Reason};
pub use metrics::METRICS;
pub use server::ServerSide;
pub use watch::{Expiry, Watched, watch};

use std::fmt;
use std::path::PathBuf;

/// TLS that cannot be had by these settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct TlsFault {
    /// The dotted key whose value it is.
    pub setting: String,
    /// The file that it names, if it names one.
    pub file: Option<PathBuf>,
    /// What is wrong, without a secret.
    pub message: String,
}

impl fmt::Display for TlsFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{}: {}: {}", self.setting, file.display(), self.message),
            None => write!(f, "{}: {}", self.setting, self.message),
        }
    }
}

impl TlsFault {
    fn new(setting: &str, message: impl fmt::Display) -> Self {
        Self {
            setting: setting.to_owned(),
            file: None,
            message: message.to_string(),
        }
    }
}
