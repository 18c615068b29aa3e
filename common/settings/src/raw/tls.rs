//! `tls` of servers and clients.

use super::{Note, ignored, ignored_but, unavailable};
use crate::units::GoDuration;
use serde::Deserialize;

/// `tls` of a server.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ServerTls {
    pub(crate) cert_file: Option<String>,
    pub(crate) cert_pem: Option<String>,
    pub(crate) key_file: Option<String>,
    pub(crate) key_pem: Option<String>,
    pub(crate) client_ca_file: Option<String>,
    /// Not the Collector's: in the `penstock` section alone.
    pub(crate) client_names: Option<Vec<String>>,
    pub(crate) reload_interval: Option<GoDuration>,
    pub(crate) min_version: Option<String>,
    pub(crate) max_version: Option<String>,
    pub(crate) cipher_suites: Option<Vec<String>>,
}

/// `tls` of a client.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ClientTls {
    pub(crate) insecure: Option<bool>,
    pub(crate) insecure_skip_verify: Option<bool>,
    pub(crate) ca_file: Option<String>,
    pub(crate) ca_pem: Option<String>,
    pub(crate) include_system_ca_certs_pool: Option<bool>,
    pub(crate) cert_file: Option<String>,
    pub(crate) cert_pem: Option<String>,
    pub(crate) key_file: Option<String>,
    pub(crate) key_pem: Option<String>,
    pub(crate) server_name_override: Option<String>,
    pub(crate) reload_interval: Option<GoDuration>,
    pub(crate) min_version: Option<String>,
    pub(crate) max_version: Option<String>,
    pub(crate) cipher_suites: Option<Vec<String>>,
}

const CURVES: &str = "the TLS library's own safe choice is used; remove it";
const TPM: &str = "keys in a TPM are not available; give the key as a file instead";

/// A client's `tls` keys that are no fields above.
pub(crate) const CLIENT_NOTES: &[Note] = &[
    unavailable("tls.curve_preferences", CURVES),
    unavailable("tls.tpm", TPM),
];

const RELOAD: &str = "the file is always read again when it changes, every reload_interval";
const NAMES: &str =
    "is no key of a Collector's receiver; write it as penstock.receivers.<id>.client_names";
const FOR_CLIENTS: &str = "it is for clients";
const CA: &str = "it is for clients; senders are verified by client_ca_file";

/// Keys of the servers of the `otlp` receiver that are no fields above.
pub(crate) const SERVER_NOTES: &[Note] = &[
    ignored_but("protocols.grpc.tls.client_ca_file_reload", "true", RELOAD),
    ignored("protocols.grpc.tls.ca_file", CA),
    ignored("protocols.grpc.tls.ca_pem", CA),
    ignored_but(
        "protocols.grpc.tls.include_system_ca_certs_pool",
        "false",
        FOR_CLIENTS,
    ),
    unavailable("protocols.grpc.tls.client_names", NAMES),
    unavailable("protocols.grpc.tls.curve_preferences", CURVES),
    unavailable("protocols.grpc.tls.tpm", TPM),
    ignored_but("protocols.http.tls.client_ca_file_reload", "true", RELOAD),
    ignored("protocols.http.tls.ca_file", CA),
    ignored("protocols.http.tls.ca_pem", CA),
    ignored_but(
        "protocols.http.tls.include_system_ca_certs_pool",
        "false",
        FOR_CLIENTS,
    ),
    unavailable("protocols.http.tls.client_names", NAMES),
    unavailable("protocols.http.tls.curve_preferences", CURVES),
    unavailable("protocols.http.tls.tpm", TPM),
];

/// The keys of a server's `tls` that is an exporter's.
pub(crate) const SCRAPE_NOTES: &[Note] = &[
    ignored_but("tls.client_ca_file_reload", "true", RELOAD),
    ignored("tls.ca_file", CA),
    ignored("tls.ca_pem", CA),
    ignored_but("tls.include_system_ca_certs_pool", "false", FOR_CLIENTS),
    unavailable("tls.client_names", NAMES),
    unavailable("tls.curve_preferences", CURVES),
    unavailable("tls.tpm", TPM),
];
