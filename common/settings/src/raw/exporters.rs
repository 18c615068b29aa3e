//! The exporters that Penstock has.

use super::auth::Auth;
use super::common::{Headers, Queue, Retry, Section};
use super::tls::ClientTls;
use super::{Note, ignored, ignored_but, unavailable, unavailable_but};
use crate::units::GoDuration;
use serde::Deserialize;

/// `exporters.otlp` / `otlp_grpc`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OtlpGrpc {
    pub(crate) endpoint: Option<String>,
    pub(crate) tls: Option<ClientTls>,
    pub(crate) compression: Option<String>,
    pub(crate) auth: Option<Auth>,
    pub(crate) headers: Option<Headers>,
    pub(crate) timeout: Option<GoDuration>,
    pub(crate) retry_on_failure: Option<Retry>,
    pub(crate) sending_queue: Option<Queue>,
}

/// `exporters.otlphttp` / `otlp_http`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OtlpHttp {
    pub(crate) endpoint: Option<String>,
    pub(crate) traces_endpoint: Option<String>,
    pub(crate) metrics_endpoint: Option<String>,
    pub(crate) logs_endpoint: Option<String>,
    pub(crate) encoding: Option<HttpEncoding>,
    pub(crate) tls: Option<ClientTls>,
    pub(crate) compression: Option<String>,
    pub(crate) auth: Option<Auth>,
    pub(crate) headers: Option<Headers>,
    pub(crate) timeout: Option<GoDuration>,
    pub(crate) retry_on_failure: Option<Retry>,
    pub(crate) sending_queue: Option<Queue>,
}

/// `encoding`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum HttpEncoding {
    Proto,
    Json,
}

/// `exporters.debug`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Debug {
    pub(crate) verbosity: Option<Verbosity>,
    pub(crate) sampling_initial: Option<u32>,
    pub(crate) sampling_thereafter: Option<u32>,
    pub(crate) timeout: Option<GoDuration>,
    pub(crate) retry_on_failure: Option<Retry>,
    pub(crate) sending_queue: Option<Queue>,
}

/// `verbosity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verbosity {
    Basic,
    Normal,
    Detailed,
}

/// `exporters.file`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct File {
    pub(crate) path: Option<String>,
    pub(crate) rotation: Section<Rotation>,
    pub(crate) format: Option<FileFormat>,
    pub(crate) compression: Option<String>,
    pub(crate) append: Option<bool>,
    pub(crate) timeout: Option<GoDuration>,
    pub(crate) retry_on_failure: Option<Retry>,
    pub(crate) sending_queue: Option<Queue>,
}

/// `rotation`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Rotation {
    pub(crate) max_megabytes: Option<u64>,
    pub(crate) max_days: Option<u32>,
    pub(crate) max_backups: Option<usize>,
    pub(crate) localtime: Option<bool>,
}

/// `format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FileFormat {
    Json,
}

/// What every exporter has, for those whose own settings only their binary reads.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Common {
    pub(crate) timeout: Option<GoDuration>,
    pub(crate) retry_on_failure: Option<Retry>,
    pub(crate) sending_queue: Option<Queue>,
}

const MIDDLEWARES: &str = "middlewares are not available; remove it";
const BUFFERS: &str = "buffers are sized by what is sent";
const CONNECTIONS: &str = "connections are pooled and checked by the exporter itself";
const LOG: &str = "data is kept in the receiver's log until it is delivered";

/// `sending_queue`'s keys, which all exporters have.
pub(crate) const QUEUE_NOTES: &[Note] = &[
    ignored_but("sending_queue.enabled", "true", LOG),
    ignored_but("sending_queue.wait_for_result", "false", LOG),
    ignored(
        "sending_queue.batch.partition",
        "no exporter here uses what senders send along with their requests, so that batches need not be kept apart by it",
    ),
];

/// What is known of the Collector's `otlp` exporter and is no field above.
pub(crate) const OTLP_GRPC_NOTES: &[Note] = &[
    unavailable("middlewares", MIDDLEWARES),
    unavailable(
        "authority",
        "another authority than the endpoint's is not available; remove it, and see `tls.server_name_override`",
    ),
    ignored("user_agent", "the exporter names itself"),
    ignored("balancer_name", "every address of the endpoint is used"),
    ignored_but(
        "wait_for_ready",
        "false",
        "a batch waits in the receiver's log and is tried again",
    ),
    ignored("keepalive", CONNECTIONS),
    ignored("read_buffer_size", BUFFERS),
    ignored("write_buffer_size", BUFFERS),
];

/// What is known of the Collector's `otlphttp` exporter and is no field above.
pub(crate) const OTLP_HTTP_NOTES: &[Note] = &[
    unavailable("middlewares", MIDDLEWARES),
    unavailable("proxy_url", "proxies are not available yet; remove it"),
    unavailable("cookies", "cookies are not available; remove it"),
    ignored("profiles_endpoint", "profiles are not available"),
    ignored(
        "compression_params",
        "the usual level of the algorithm is used",
    ),
    ignored("max_idle_conns", CONNECTIONS),
    ignored("max_idle_conns_per_host", CONNECTIONS),
    ignored("max_conns_per_host", CONNECTIONS),
    ignored("idle_conn_timeout", CONNECTIONS),
    ignored_but("disable_keep_alives", "false", CONNECTIONS),
    ignored_but("force_attempt_http2", "true", CONNECTIONS),
    ignored("http2_read_idle_timeout", CONNECTIONS),
    ignored("http2_ping_timeout", CONNECTIONS),
    ignored("read_buffer_size", BUFFERS),
    ignored("write_buffer_size", BUFFERS),
];

/// What is known of the Collector's `debug` exporter and is no field above.
pub(crate) const DEBUG_NOTES: &[Note] = &[
    ignored_but(
        "use_internal_logger",
        "true",
        "the exporter prints to its own standard output",
    ),
    ignored(
        "output_paths",
        "the exporter prints to its own standard output",
    ),
];

/// What is known of the Collector's `file` exporter and is no field above.
pub(crate) const FILE_NOTES: &[Note] = &[
    ignored(
        "flush_interval",
        "a batch is flushed and synced before it counts as delivered",
    ),
    unavailable_but(
        "create_directory",
        "false",
        "make the folder before the exporter starts, and remove it",
    ),
    ignored("directory_permissions", "no folder is made"),
    unavailable(
        "encoding",
        "encoding extensions are not available; remove it: the format is OTLP JSON lines",
    ),
    unavailable(
        "group_by",
        "a file per attribute is not available; remove it",
    ),
];
