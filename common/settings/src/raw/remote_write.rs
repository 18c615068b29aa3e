//! `exporters.prometheusremotewrite` / `prometheus_remote_write`.

use super::auth::Auth;
use super::common::{Headers, Queue, Retry};
use super::prometheus::{ResourceLabels, Strategy};
use super::tls::ClientTls;
use super::{Note, ignored, ignored_but};
use crate::units::GoDuration;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RemoteWrite {
    pub(crate) endpoint: Option<String>,
    pub(crate) tls: Option<ClientTls>,
    pub(crate) auth: Option<Auth>,
    pub(crate) headers: Option<Headers>,
    pub(crate) namespace: Option<String>,
    pub(crate) external_labels: Option<BTreeMap<String, serde_json::Value>>,
    pub(crate) translation_strategy: Option<Strategy>,
    pub(crate) add_metric_suffixes: Option<bool>,
    pub(crate) target_info: Option<Enabled>,
    pub(crate) resource_to_telemetry_conversion: Option<ResourceLabels>,
    pub(crate) resource_constant_labels: Option<ResourceLabels>,
    pub(crate) disable_scope_info: Option<bool>,
    pub(crate) send_metadata: Option<bool>,
    pub(crate) max_batch_size_bytes: Option<usize>,
    pub(crate) max_batch_request_parallelism: Option<usize>,
    pub(crate) protobuf_message: Option<Protobuf>,
    pub(crate) timeout: Option<GoDuration>,
    pub(crate) retry_on_failure: Option<Retry>,
    pub(crate) sending_queue: Option<Queue>,
}

/// A section with a switch.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Enabled {
    pub(crate) enabled: Option<bool>,
}

/// `protobuf_message`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum Protobuf {
    #[serde(rename = "prometheus.WriteRequest")]
    One,
    #[serde(rename = "io.prometheus.write.v2.Request")]
    Two,
}

const LOG: &str = "data is kept in the receiver's log until it is delivered";
const CONNECTIONS: &str = "connections are pooled and checked by the exporter itself";

/// What is known of the Collector's exporter and is no field above.
pub(crate) const REMOTE_WRITE_NOTES: &[Note] = &[
    ignored("wal", LOG),
    ignored(
        "remote_write_queue",
        "data is kept in the receiver's log until it is delivered; series are sent in order, in `max_batch_request_parallelism` requests at once",
    ),
    ignored_but("compression", "snappy", "the protocol has snappy only"),
    ignored("max_idle_conns", CONNECTIONS),
    ignored("max_idle_conns_per_host", CONNECTIONS),
    ignored("max_conns_per_host", CONNECTIONS),
    ignored("idle_conn_timeout", CONNECTIONS),
    ignored("read_buffer_size", "buffers are sized by what is sent"),
    ignored("write_buffer_size", "buffers are sized by what is sent"),
];
