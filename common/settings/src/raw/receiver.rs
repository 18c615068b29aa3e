//! The `otlp` receiver.

use super::auth::Auth;
use super::common::{Headers, Section};
use super::tls::ServerTls;
use super::{Note, ignored, ignored_but, unavailable};
use crate::units::GoDuration;
use serde::Deserialize;

/// `receivers.otlp`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Receiver {
    pub(crate) protocols: Option<Protocols>,
}

/// `protocols`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Protocols {
    pub(crate) grpc: Section<Grpc>,
    pub(crate) http: Section<Http>,
}

/// `protocols.grpc`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Grpc {
    pub(crate) endpoint: Option<String>,
    pub(crate) transport: Option<String>,
    pub(crate) tls: Option<ServerTls>,
    pub(crate) auth: Option<Auth>,
    pub(crate) max_recv_msg_size_mib: Option<u64>,
    pub(crate) max_concurrent_streams: Option<u32>,
    pub(crate) keepalive: Option<Keepalive>,
}

/// `protocols.grpc.keepalive`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Keepalive {
    pub(crate) server_parameters: Option<ServerParameters>,
}

/// `protocols.grpc.keepalive.server_parameters`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ServerParameters {
    pub(crate) max_connection_idle: Option<GoDuration>,
    pub(crate) max_connection_age: Option<GoDuration>,
    pub(crate) max_connection_age_grace: Option<GoDuration>,
    pub(crate) time: Option<GoDuration>,
    pub(crate) timeout: Option<GoDuration>,
}

/// `protocols.http`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Http {
    pub(crate) endpoint: Option<String>,
    pub(crate) transport: Option<String>,
    pub(crate) tls: Option<ServerTls>,
    pub(crate) auth: Option<Auth>,
    pub(crate) cors: Option<Cors>,
    pub(crate) response_headers: Option<Headers>,
    pub(crate) traces_url_path: Option<String>,
    pub(crate) metrics_url_path: Option<String>,
    pub(crate) logs_url_path: Option<String>,
    pub(crate) max_request_body_size: Option<u64>,
    pub(crate) read_timeout: Option<GoDuration>,
    pub(crate) read_header_timeout: Option<GoDuration>,
    pub(crate) idle_timeout: Option<GoDuration>,
}

/// `protocols.http.cors`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Cors {
    pub(crate) allowed_origins: Option<Vec<String>>,
    pub(crate) allowed_headers: Option<Vec<String>>,
    pub(crate) exposed_headers: Option<Vec<String>>,
    pub(crate) max_age: Option<u32>,
}

const MIDDLEWARES: &str = "middlewares are not available; remove it";
const METADATA: &str = "no component here uses what senders send along with their requests";
const BUFFERS: &str = "buffers are sized by what is received, within penstock.memory.limit";

/// What is known of the Collector and is no field above.
pub(crate) const NOTES: &[Note] = &[
    unavailable("protocols.grpc.middlewares", MIDDLEWARES),
    ignored_but("protocols.grpc.include_metadata", "false", METADATA),
    ignored("protocols.grpc.read_buffer_size", BUFFERS),
    ignored("protocols.grpc.write_buffer_size", BUFFERS),
    ignored(
        "protocols.grpc.keepalive.enforcement_policy",
        "senders may ping as often as they like",
    ),
    ignored("protocols.grpc.dialer", "it is for clients"),
    unavailable(
        "protocols.http.auth.request_params",
        "credentials are taken from headers; remove it",
    ),
    unavailable("protocols.http.middlewares", MIDDLEWARES),
    ignored_but("protocols.http.include_metadata", "false", METADATA),
    ignored_but("protocols.http.include_tls_metadata", "false", METADATA),
    ignored(
        "protocols.http.compression_algorithms",
        "gzip, zstd, deflate and uncompressed bodies are always accepted",
    ),
    ignored(
        "protocols.http.write_timeout",
        "answers are small; idle_timeout closes a connection that does not take them",
    ),
    ignored_but(
        "protocols.http.keep_alives_enabled",
        "true",
        "connections are always kept, up to idle_timeout",
    ),
    ignored("protocols.http.dialer", "it is for clients"),
];
