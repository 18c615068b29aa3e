//! The way from an exporter to a backend over HTTP: addresses, connections, TLS, headers, and what every answer has.
//!
//! *Invariant:* a request is sent again by itself only when it has certainly not been sent before. Does not follow
//! redirects or use proxies, and knows nothing of what is sent.

mod body;
mod headers;
mod tls;
mod transport;

pub use headers::{Headers, retry_after};
pub use tls::Tls;
pub use transport::{Answer, SendError, Transport};

use penstock_tls::TlsFault;

/// Why an exporter cannot be built from its settings.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The settings are another kind's.
    #[error("not an exporter of kind {0}")]
    Kind(&'static str),
    /// A setting cannot be had with another one.
    #[error("{0}")]
    Setting(String),
    /// The endpoint cannot be called.
    #[error("endpoint `{endpoint}`: {what}")]
    Endpoint {
        /// As the file has it.
        endpoint: String,
        /// What is wrong with it.
        what: String,
    },
    /// A header cannot be sent.
    #[error("header `{name}` has a name or value that cannot be sent")]
    Header {
        /// Its name; the value may be a secret.
        name: String,
    },
    /// TLS or credentials cannot be had by the settings.
    #[error("{0}")]
    Tls(#[from] TlsFault),
}
