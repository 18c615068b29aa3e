//! TLS of ports and of connections.

use super::Secret;
use std::path::PathBuf;
use std::time::Duration;

/// How often files are looked at when the settings do not say. The Collector's is never; certificates are made to be changed.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// A certificate, a chain of them, or a key, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pem {
    /// In a file, which may change.
    File(PathBuf),
    /// In the configuration.
    Inline(Secret),
}

/// What may be spoken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsVersions {
    /// `min_version: 1.2`, the default.
    pub tls12: bool,
    /// `max_version: 1.3`, the default.
    pub tls13: bool,
    /// `cipher_suites`: those of TLS 1.2, by IANA's names; `None` is all. Those of TLS 1.3 are always all, as in the Collector.
    pub cipher_suites: Option<Vec<String>>,
}

/// Server-side TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerTls {
    /// Dotted path of the section, for messages: `receivers.otlp.protocols.grpc.tls`.
    pub setting: String,
    /// `cert_file` or `cert_pem`: the certificate chain.
    pub cert: Pem,
    /// `key_file` or `key_pem`: its key.
    pub key: Pem,
    /// `client_ca_file`: when set, a client certificate is required and verified.
    pub client_ca_file: Option<PathBuf>,
    /// Which clients may connect, by the names in their certificates; empty is all that `client_ca_file` vouches for.
    pub client_names: ClientNames,
    /// What may be spoken.
    pub versions: TlsVersions,
    /// How often the files are looked at. Default 10 s.
    pub reload_interval: Duration,
}

/// Names of which a client's certificate must have one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientNames {
    /// Dotted path of the list, for messages.
    pub setting: String,
    /// Host names (`*.` in front stands for one label), addresses, or URIs (`*` at the end stands for any rest).
    pub names: Vec<String>,
}

/// Client-side TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientTls {
    /// Dotted path of the section, for messages: `exporters.otlp/tempo.tls`.
    pub setting: String,
    /// No TLS at all (gRPC).
    pub insecure: bool,
    /// Do not verify the server.
    pub insecure_skip_verify: bool,
    /// `ca_file` or `ca_pem`: whom to trust; `None` is the system's authorities.
    pub ca: Option<Pem>,
    /// `include_system_ca_certs_pool`: those of the system as well.
    pub include_system_ca: bool,
    /// `cert_file` or `cert_pem`: the client certificate chain.
    pub cert: Option<Pem>,
    /// `key_file` or `key_pem`: its key.
    pub key: Option<Pem>,
    /// Name to verify instead of the host's.
    pub server_name_override: Option<String>,
    /// What may be spoken.
    pub versions: TlsVersions,
    /// How often the files are looked at. Default 10 s.
    pub reload_interval: Duration,
}

impl Default for TlsVersions {
    fn default() -> Self {
        Self {
            tls12: true,
            tls13: true,
            cipher_suites: None,
        }
    }
}

impl ServerTls {
    /// A server with this certificate and key in files, and nothing else said.
    #[must_use]
    pub fn new(setting: &str, cert_file: PathBuf, key_file: PathBuf) -> Self {
        Self {
            setting: setting.to_owned(),
            cert: Pem::File(cert_file),
            key: Pem::File(key_file),
            client_ca_file: None,
            client_names: ClientNames::default(),
            versions: TlsVersions::default(),
            reload_interval: LOOK_EVERY,
        }
    }
}

impl Default for ClientTls {
    fn default() -> Self {
        Self {
            setting: "tls".to_owned(),
            insecure: false,
            insecure_skip_verify: false,
            ca: None,
            include_system_ca: false,
            cert: None,
            key: None,
            server_name_override: None,
            versions: TlsVersions::default(),
            reload_interval: LOOK_EVERY,
        }
    }
}
