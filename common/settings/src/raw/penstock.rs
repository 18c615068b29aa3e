//! The `penstock` section: what the Collector has no key for.

use super::auth::Auth;
use super::tls::{ClientTls, ServerTls};
use crate::units::{ByteSize, GoDuration};
use serde::Deserialize;
use std::collections::BTreeMap;

/// `penstock`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Penstock {
    pub(crate) signals: Option<Vec<SignalName>>,
    pub(crate) shards: Option<usize>,
    pub(crate) max_connections: Option<usize>,
    pub(crate) admin: Option<Admin>,
    pub(crate) telemetry: Option<Telemetry>,
    pub(crate) memory: Option<Memory>,
    pub(crate) log: Option<Log>,
    pub(crate) dead_letter: Option<DeadLetter>,
    pub(crate) batch: Option<Batch>,
    pub(crate) hop: Option<Hop>,
    pub(crate) identity: Option<Identity>,
    pub(crate) drain: Option<Drain>,
    pub(crate) receivers: Option<BTreeMap<String, Option<Receiver>>>,
    pub(crate) exporters: Option<BTreeMap<String, Option<Exporter>>>,
}

/// An element of `penstock.signals`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SignalName {
    Traces,
    Metrics,
    Logs,
}

/// `penstock.admin`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Admin {
    pub(crate) endpoint: Option<String>,
}

/// `penstock.telemetry`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Telemetry {
    pub(crate) otelcol_names: Option<OtelcolNames>,
    pub(crate) otelcol_service_labels: Option<bool>,
    pub(crate) profiles: Option<bool>,
}

/// `penstock.telemetry.otelcol_names`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum OtelcolNames {
    Total,
    Legacy,
    Both,
}

/// `penstock.memory`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Memory {
    pub(crate) limit: Option<ByteSize>,
    pub(crate) high_mark: Option<f64>,
    pub(crate) max_hold: Option<GoDuration>,
    pub(crate) shares: Option<Shares>,
}

/// `penstock.memory.shares`.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Shares {
    pub(crate) traces: Option<f64>,
    pub(crate) metrics: Option<f64>,
    pub(crate) logs: Option<f64>,
}

/// `penstock.log`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Log {
    pub(crate) storage: Option<Storage>,
    pub(crate) directory: Option<String>,
    pub(crate) max_bytes: Option<ByteSize>,
    pub(crate) segment_size: Option<ByteSize>,
    pub(crate) block_size: Option<ByteSize>,
    pub(crate) sync: Option<Sync>,
    pub(crate) sync_interval: Option<GoDuration>,
    pub(crate) linger: Option<GoDuration>,
    pub(crate) on_full: Option<OnFull>,
    pub(crate) new_exporter: Option<NewExporter>,
}

/// `penstock.log.storage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Storage {
    Disk,
    Memory,
}

/// `penstock.log.sync`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Sync {
    None,
    Interval,
    Commit,
}

/// `penstock.log.on_full`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnFull {
    Hold,
    DropOldest,
}

/// `penstock.log.new_exporter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum NewExporter {
    Tail,
    Oldest,
}

/// `penstock.dead_letter`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DeadLetter {
    pub(crate) directory: Option<String>,
    pub(crate) max_bytes: Option<ByteSize>,
}

/// `penstock.batch`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Batch {
    pub(crate) max_bytes: Option<ByteSize>,
}

/// `penstock.hop`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Hop {
    pub(crate) timeout_margin: Option<GoDuration>,
    pub(crate) connect_timeout: Option<GoDuration>,
    pub(crate) keepalive_time: Option<GoDuration>,
    pub(crate) keepalive_timeout: Option<GoDuration>,
    pub(crate) resolve_interval: Option<GoDuration>,
    pub(crate) eject_for: Option<GoDuration>,
    pub(crate) move_after: Option<GoDuration>,
    pub(crate) compression: Option<String>,
    pub(crate) tls: Option<ClientTls>,
}

/// `penstock.identity`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Identity {
    pub(crate) pod_ip: Option<bool>,
    pub(crate) trust_forwarded_for: Option<bool>,
    pub(crate) metrics_instance_id: Option<bool>,
    pub(crate) metrics_service_name: Option<bool>,
    pub(crate) logs_service_name: Option<bool>,
}

/// `penstock.drain`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Drain {
    pub(crate) deadline: Option<GoDuration>,
    pub(crate) hand_over: Option<HandOver>,
}

/// `penstock.drain.hand_over`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct HandOver {
    pub(crate) endpoint: Option<String>,
    pub(crate) tls: Option<ClientTls>,
    pub(crate) auth: Option<Auth>,
}

/// `penstock.receivers.<id>`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Receiver {
    pub(crate) client_names: Option<Vec<String>>,
}

/// `penstock.exporters.<id>`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Exporter {
    pub(crate) replicas: Option<Vec<String>>,
    pub(crate) listen: Option<String>,
    pub(crate) admin: Option<String>,
    pub(crate) max_concurrent_batches: Option<usize>,
    pub(crate) affinity: Option<Affinity>,
    pub(crate) tls: Option<ServerTls>,
}

/// `penstock.exporters.<id>.affinity`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Affinity {
    Resource,
    None,
}
