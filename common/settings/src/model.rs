//! Validated settings as the binaries use them: typed, complete, with every default filled in.
//!
//! Sizes are bytes, times are [`Duration`]. Each default stands here with its reason where it is not the Collector's.

use crate::diagnostic::Diagnostic;
use penstock_otlp::{Signal, compress::Encoding};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

mod auth;
mod defaults;
mod find;
mod htpasswd;
mod log;
mod prometheus;
mod remote_write;
mod retry;
mod tls;

pub use auth::{
    Authenticator, BearerTokens, ClientCredentials, CredentialValue, Secret, SecretText, Tokens,
};
pub(crate) use defaults::MAX_MESSAGE_BYTES;
pub(crate) use find::shares;
pub use find::{UnknownExporter, UnservedSignal};
pub use htpasswd::{Htpasswd, PasswordHash};
pub use log::{
    DeadLetter, DiskLog, HandOver, LogSettings, OnFull, QueueLimit, StartAt, Storage, SyncPolicy,
};
pub use prometheus::{MetricNames, Prometheus, ResourceLabels};
pub use remote_write::RemoteWrite;
pub use retry::Retry;
pub use tls::{ClientNames, ClientTls, Pem, ServerTls, TlsVersions};

/// A component's `type[/name]`, as in `otlp/tempo`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ComponentId(pub String);

impl ComponentId {
    /// The part before the slash: `otlp`.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
    }
}

/// The kinds of exporters, each under its old and its new name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ExporterKind {
    /// `otlp_grpc`, also `otlp`.
    OtlpGrpc,
    /// `otlp_http`, also `otlphttp`.
    OtlpHttp,
    /// `debug`.
    Debug,
    /// `file`.
    File,
    /// `prometheus`.
    Prometheus,
    /// `prometheus_remote_write`, also `prometheusremotewrite`.
    PrometheusRemoteWrite,
}

impl std::fmt::Display for ComponentId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Everything that the files say.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The `otlp` receivers that a pipeline uses.
    pub receivers: BTreeMap<ComponentId, OtlpReceiver>,
    /// Every exporter that the file declares.
    pub exporters: BTreeMap<ComponentId, Exporter>,
    /// `service.pipelines`, in file order.
    pub pipelines: Vec<Pipeline>,
    /// The `health_check` extensions that `service.extensions` names.
    pub health_checks: Vec<HealthCheck>,
    /// `service.telemetry`.
    pub telemetry: Telemetry,
    /// The `penstock` section: what the Collector has no key for.
    pub penstock: Penstock,
    /// What was accepted without effect or is likely not meant, for the binary to print at start.
    pub warnings: Vec<Diagnostic>,
    /// Keys that have their effect, but mean something else than in the Collector.
    pub notes: Vec<Diagnostic>,
}

/// One entry of `service.pipelines`.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// Its id, `traces` or `traces/2`.
    pub id: String,
    /// Its signal.
    pub signal: Signal,
    /// The receivers that feed it.
    pub receivers: Vec<ComponentId>,
    /// The exporters it feeds.
    pub exporters: Vec<ComponentId>,
    /// Its `batch` processor, or the same defaults when it has none: Penstock always batches.
    pub batch: Batch,
}

/// The `batch` processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Items that make a batch go at once. Default 8192.
    pub send_batch_size: usize,
    /// Most items in a batch; 0 is no limit. Default 0.
    pub send_batch_max_size: usize,
    /// Age of the oldest item that makes a batch go. Default 200 ms.
    pub timeout: Duration,
    /// Most bytes in a batch (`penstock.batch.max_bytes`). Default 4 MiB less 64 KiB: the usual gRPC limit of backends.
    pub max_bytes: usize,
}

/// An `otlp` receiver; at least one protocol is on.
#[derive(Clone, Debug)]
pub struct OtlpReceiver {
    /// `protocols.grpc`.
    pub grpc: Option<GrpcServer>,
    /// `protocols.http`.
    pub http: Option<HttpServer>,
}

/// `protocols.grpc`.
#[derive(Clone, Debug)]
pub struct GrpcServer {
    /// `host:port`. Default `localhost:4317`.
    pub endpoint: String,
    /// TLS, if configured.
    pub tls: Option<ServerTls>,
    /// `auth`: who may send; everybody without it.
    pub auth: Option<Authenticator>,
    /// `max_recv_msg_size_mib` in bytes: largest message after decompression. Default 16 MiB, at most 64 MiB.
    pub max_message_bytes: usize,
    /// `max_concurrent_streams` per connection and signal. Default 1024: what one Envoy cluster keeps in flight.
    pub max_concurrent_streams: u32,
    /// `keepalive.server_parameters`. A 0 of the file is `None`, or a year where there is no `None`.
    pub keepalive: Keepalive,
}

/// Life of a server connection.
#[derive(Clone, Debug)]
pub struct Keepalive {
    /// Idle time after which a connection is closed; `None` is never. Default none.
    pub max_connection_idle: Option<Duration>,
    /// Age at which a connection is told to go away, ±10 % jitter. Default 10 min: the only way that load moves.
    pub max_connection_age: Option<Duration>,
    /// How long calls in flight may go on after that. Default 30 s.
    pub max_connection_age_grace: Duration,
    /// Quiet time after which a ping is sent. Default 30 s.
    pub time: Duration,
    /// How long a ping may stay unanswered. Default 10 s.
    pub timeout: Duration,
}

/// `protocols.http`.
#[derive(Clone, Debug)]
pub struct HttpServer {
    /// `host:port`. Default `localhost:4318`.
    pub endpoint: String,
    /// TLS, if configured.
    pub tls: Option<ServerTls>,
    /// `auth`: who may send; everybody without it.
    pub auth: Option<Authenticator>,
    /// Path of each signal, by [`Signal::index`].
    pub paths: [String; 3],
    /// `cors`: which pages in browsers may send; none without it.
    pub cors: Option<Cors>,
    /// `response_headers`: sent with every answer.
    pub response_headers: Vec<(String, String)>,
    /// `max_request_body_size`: largest body, before and after decompression. Default 16 MiB, at most 64 MiB.
    pub max_body_bytes: usize,
    /// Time to send the headers. Default 10 s.
    pub read_header_timeout: Duration,
    /// Time to send a whole request. Default 60 s.
    pub read_timeout: Duration,
    /// Time between requests. Default 60 s.
    pub idle_timeout: Duration,
    /// Streams per h2c connection. Default 1024.
    pub max_concurrent_streams: u32,
    /// Connection age, as on gRPC.
    pub keepalive: Keepalive,
}

/// `cors`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cors {
    /// In small letters, each with at most one `*`. Not empty.
    pub allowed_origins: Vec<String>,
    /// Headers that may be sent beside the usual ones; `*` is any.
    pub allowed_headers: Vec<String>,
    /// Headers of answers that a page may read.
    pub exposed_headers: Vec<String>,
    /// How long a browser may remember what it was told; 0 leaves it to the browser.
    pub max_age: Duration,
}

/// An exporter of the file and what Penstock adds to it.
#[derive(Clone, Debug)]
pub struct Exporter {
    /// Its id.
    pub id: ComponentId,
    /// What it sends to.
    pub backend: Backend,
    /// `timeout`: one attempt towards the backend. Default 5 s (otlp), 30 s (otlphttp).
    pub timeout: Duration,
    /// `retry_on_failure`.
    pub retry: Retry,
    /// `sending_queue.num_consumers`: batches in flight. Default 10.
    pub batches_in_flight: usize,
    /// `sending_queue.queue_size`, when the file gives one and lets it overflow: what is held beyond is dropped (counted).
    pub queue_limit: Option<QueueLimit>,
    /// `sending_queue.batch`, which for this exporter takes the place of the pipeline's `batch`.
    pub batch: Option<Batch>,
    /// `penstock.exporters.<id>`: where its replicas are.
    pub hop: ExporterHop,
}

/// Where an exporter's replicas are and where one listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExporterHop {
    /// `dns:///host:port` (re-resolved, every address a replica) or `host:port` (one replica each).
    /// Default `dns:///penstock-exporter-<id, slash as dash>:4400`.
    pub replicas: Vec<String>,
    /// Where this exporter's process listens for the hop. Default `0.0.0.0:4400`.
    pub listen: String,
    /// Where this exporter's admin server listens. Default `0.0.0.0:8888`.
    pub admin: String,
    /// Requests that the exporter process works on at once; more wait in HTTP/2. Default 64.
    pub max_concurrent_batches: usize,
    /// `affinity: resource`: every Resource has one replica that gets all of it. Default for the exporters that need
    /// to see all of a series: `prometheus` and `prometheusremotewrite`.
    pub affinity: bool,
    /// `tls`: what its process shows and asks of receivers; plaintext without it.
    pub tls: Option<ServerTls>,
}

/// An exporter's kind with its own settings.
#[derive(Clone, Debug)]
pub enum Backend {
    /// `otlp` / `otlp_grpc`.
    OtlpGrpc(OtlpGrpc),
    /// `otlphttp` / `otlp_http`.
    OtlpHttp(OtlpHttp),
    /// `debug`.
    Debug(Debug),
    /// `file`.
    File(File),
    /// `prometheusremotewrite` / `prometheus_remote_write`.
    RemoteWrite(RemoteWrite),
    /// `prometheus`.
    Prometheus(Prometheus),
}

/// `otlp` exporter.
#[derive(Clone, Debug)]
pub struct OtlpGrpc {
    /// `host:port`, with or without `http://`, `https://`, `dns:///`.
    pub endpoint: String,
    /// TLS. `http://` means `insecure` and `https://` means not, whatever `tls.insecure` says.
    pub tls: ClientTls,
    /// Default gzip.
    pub compression: Encoding,
    /// Sent with every request.
    pub headers: Vec<(String, String)>,
    /// `auth` whose secrets are in files: sent too.
    pub credentials: Option<ClientCredentials>,
}

/// `otlphttp` exporter.
#[derive(Clone, Debug)]
pub struct OtlpHttp {
    /// Full URL for each signal, by [`Signal::index`]; `None` when the file gives none for it.
    pub urls: [Option<String>; 3],
    /// TLS.
    pub tls: ClientTls,
    /// Default gzip.
    pub compression: Encoding,
    /// Sent with every request.
    pub headers: Vec<(String, String)>,
    /// `auth` whose secrets are in files: sent too.
    pub credentials: Option<ClientCredentials>,
    /// `encoding: json` instead of proto.
    pub json: bool,
}

/// `debug` exporter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Debug {
    /// Default basic.
    pub verbosity: Verbosity,
    /// First entries a second that are printed. Default 2.
    pub sampling_initial: u32,
    /// Then each n-th. Default 1.
    pub sampling_thereafter: u32,
}

/// `debug.verbosity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbosity {
    /// One line a batch.
    Basic,
    /// One line an item.
    Normal,
    /// Every field.
    Detailed,
}

/// `file` exporter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Where to write.
    pub path: PathBuf,
    /// `rotation`, if any.
    pub rotation: Option<Rotation>,
    /// `compression: zstd`.
    pub zstd: bool,
    /// `append: true`. Rotation excludes it.
    pub append: bool,
}

/// `file.rotation`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// `max_megabytes`. Default 100.
    pub max_bytes: u64,
    /// `max_days`; 0 never. Default 0.
    pub max_days: u32,
    /// `max_backups`; 0 keeps all. Default 100.
    pub max_backups: usize,
    /// `localtime`; default UTC.
    pub localtime: bool,
}

/// A `health_check` extension: another address for whether the receiver can accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// `host:port`. Default `localhost:13133`.
    pub endpoint: String,
    /// Default `/`.
    pub path: String,
    /// The body with 200; empty is the usual one.
    pub healthy_body: String,
    /// The body with 503; empty is the usual one.
    pub unhealthy_body: String,
}

/// `service.telemetry`.
#[derive(Clone, Debug)]
pub struct Telemetry {
    /// `logs.level`: `debug`, `info`, `warn`, `error`. Default info.
    pub log_level: String,
    /// `logs.encoding: json`.
    pub log_json: bool,
    /// `logs.output_paths`: `stderr`, `stdout`, or files that are appended to. Default `stderr`.
    pub log_outputs: Vec<String>,
    /// `logs.initial_fields`: what every line has.
    pub log_fields: BTreeMap<String, String>,
    /// `resource`: attributes of the process beside the usual ones, or instead of them; `None` takes one away.
    pub resource: BTreeMap<String, Option<String>>,
}

/// The `penstock` section.
#[derive(Clone, Debug)]
pub struct Penstock {
    /// Signals that this receiver serves. Default all that have a pipeline. See [`Settings::serve`].
    pub signals: Vec<Signal>,
    /// Shards; `None` follows the CPU quota.
    pub shards: Option<usize>,
    /// `max_connections`, over all ports of the receiver. At least one.
    pub max_connections: usize,
    /// The receiver's admin server. Default `0.0.0.0:8888`, where the Collector's metrics are.
    pub admin: String,
    /// How a process tells about itself, beyond what the Collector has keys for.
    pub telemetry: OwnTelemetry,
    /// The byte budget.
    pub memory: Memory,
    /// The log.
    pub log: LogSettings,
    /// The hop's client side.
    pub hop: Hop,
    /// Identity rules.
    pub identity: Identity,
    /// `drain.deadline`. Default 25 s, below Kubernetes' 30 s grace.
    pub drain_deadline: Duration,
    /// `drain.hand_over`, for a receiver whose volume goes away with it.
    pub hand_over: Option<HandOver>,
    /// Where rejected items are written; `None` only counts them.
    pub dead_letter: Option<DeadLetter>,
}

/// `telemetry` of the `penstock` section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnTelemetry {
    /// Which names the `otelcol_*` metrics have. Default [`OtelcolNames::Total`].
    pub otelcol_names: OtelcolNames,
    /// Whether each of their series has `service_name`, `service_instance_id` and `service_version`. Default false.
    pub otelcol_service_labels: bool,
    /// Whether the admin server makes profiles. Default false.
    pub profiles: bool,
}

/// `penstock.telemetry.otelcol_names`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OtelcolNames {
    /// With `_total` and units, as a Collector with explicit readers.
    #[default]
    Total,
    /// Without, as a Collector's built-in reader.
    Legacy,
    /// Both.
    Both,
}

/// The byte budget: everything received and not yet delivered.
#[derive(Clone, Debug, PartialEq)]
pub struct Memory {
    /// Bytes in all: `memory_limiter`'s limit when the file has one, else half of the cgroup's (or machine's) memory.
    pub limit_bytes: usize,
    /// New requests wait above this part of a signal's share. `limit - spike` of memory_limiter, else 0.8.
    pub high_mark: f64,
    /// How long a request may wait before it is refused. Default 8 s: below the metric SDK's 10 s deadline.
    pub max_hold: Duration,
    /// Each signal's part of the limit, by [`Signal::index`]; the served ones sum to 1. Default equal parts.
    pub shares: [f64; 3],
}

/// The hop's client side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// Time for an exporter to answer a batch, on top of the exporter's own `timeout`. Default 5 s.
    pub timeout_margin: Duration,
    /// Time to connect. Default 3 s.
    pub connect_timeout: Duration,
    /// Quiet time after which a ping is sent. Default 10 s.
    pub keepalive_time: Duration,
    /// How long a ping may stay unanswered. Default 5 s.
    pub keepalive_timeout: Duration,
    /// How often names are resolved again. Default 5 s.
    pub resolve_interval: Duration,
    /// How long a failing replica is left alone before it is probed. Default 1 s, doubling to 5 s.
    pub eject_for: Duration,
    /// How long a replica may fail before what it owns moves to others. Default 10 s: longer than a restart in place.
    pub move_after: Duration,
    /// Compression of the hop. Default none: replicas are near.
    pub compression: Encoding,
    /// `tls` towards exporters; plaintext without it.
    pub tls: Option<ClientTls>,
}

/// Identity rules, each of which may be switched off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `k8s.pod.ip` from x-forwarded-for or the peer.
    pub pod_ip: bool,
    /// Believe x-forwarded-for (its last address); otherwise only the peer. Default true: sidecars set it.
    pub trust_forwarded_for: bool,
    /// kuma-dp metrics: `service.instance.id`.
    pub metrics_instance_id: bool,
    /// kuma-dp metrics: a real `service.name`.
    pub metrics_service_name: bool,
    /// Envoy access logs: `service.name` from `cluster_name`.
    pub logs_service_name: bool,
}
