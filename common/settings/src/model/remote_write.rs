//! The `prometheusremotewrite` exporter.

use super::{ClientCredentials, ClientTls, MetricNames, ResourceLabels};

/// `prometheusremotewrite` exporter, also `prometheus_remote_write`.
#[derive(Clone, Debug)]
pub struct RemoteWrite {
    /// Full URL.
    pub endpoint: String,
    /// TLS, for https.
    pub tls: ClientTls,
    /// Sent with every request.
    pub headers: Vec<(String, String)>,
    /// `auth` whose secrets are in files: sent too.
    pub credentials: Option<ClientCredentials>,
    /// In front of every metric's name. Default none.
    pub namespace: String,
    /// On every series that has no label of that name.
    pub external_labels: Vec<(String, String)>,
    /// `translation_strategy`: how names are made.
    pub names: MetricNames,
    /// `target_info.enabled`. Default true.
    pub target_info: bool,
    /// Which attributes of the Resource are labels. Default none.
    pub resource_labels: ResourceLabels,
    /// `disable_scope_info`, the other way round: `otel_scope_*` labels. Default true.
    pub scope_labels: bool,
    /// `send_metadata`: type, help and unit with protocol 1.0; 2.0 always has them. Default false.
    pub send_metadata: bool,
    /// `max_batch_size_bytes`: largest request before compression. Default 3,000,000.
    pub max_batch_bytes: usize,
    /// `max_batch_request_parallelism`: shards, each of which has one request in flight. Default 5.
    pub shards: usize,
    /// `protobuf_message: io.prometheus.write.v2.Request` instead of `prometheus.WriteRequest`. Default false.
    pub version_2: bool,
}

impl Default for RemoteWrite {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            tls: ClientTls::default(),
            headers: Vec::new(),
            credentials: None,
            namespace: String::new(),
            external_labels: Vec::new(),
            names: MetricNames::default(),
            target_info: true,
            resource_labels: ResourceLabels::default(),
            scope_labels: true,
            send_metadata: false,
            max_batch_bytes: 3_000_000,
            shards: 5,
            version_2: false,
        }
    }
}
