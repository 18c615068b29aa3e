//! The `prometheus` exporter, and what it has in common with `prometheusremotewrite`.

use super::{Authenticator, ServerTls};
use std::time::Duration;

/// `prometheus` exporter.
#[derive(Clone, Debug)]
pub struct Prometheus {
    /// `host:port` where it is scraped.
    pub endpoint: String,
    /// Of what is scraped.
    pub tls: Option<ServerTls>,
    /// `auth`: who may scrape; everybody without it.
    pub auth: Option<Authenticator>,
    /// In front of every metric's name. Default none.
    pub namespace: String,
    /// `const_labels`: on every series that has no label of that name.
    pub const_labels: Vec<(String, String)>,
    /// Values with their times. Default false.
    pub send_timestamps: bool,
    /// A series without news is forgotten after this time. Default 5 min.
    pub metric_expiration: Duration,
    /// OpenMetrics for whoever asks for it. Default false.
    pub enable_open_metrics: bool,
    /// How names are made.
    pub names: MetricNames,
    /// Which attributes of the Resource are labels. Default none.
    pub resource_labels: ResourceLabels,
    /// `without_scope_info`, the other way round: `otel_scope_*` labels. Default true.
    pub scope_labels: bool,
    /// Series that a replica keeps; data points of more are rejected, counted. Default 1,000,000.
    pub max_series: usize,
    /// The same of one metric. Default 200,000: one that runs wild leaves room for the others.
    pub max_series_per_metric: usize,
    /// How long a page waits for other replicas. Default 1 s.
    pub gather_timeout: Duration,
}

/// `translation_strategy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricNames {
    /// Units and `_total` at the end. Default true.
    pub suffixes: bool,
    /// Whatever characters there are, instead of underscores for those that Prometheus did not have before its version 3. Default
    /// false.
    pub utf8: bool,
}

/// Which attributes of a Resource are labels of its series, by patterns of their keys in which `*` is any text and `?` any character.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceLabels {
    /// These; none is all when something is excluded, and else none.
    pub included: Vec<String>,
    /// But not these.
    pub excluded: Vec<String>,
}

impl Default for MetricNames {
    fn default() -> Self {
        Self {
            suffixes: true,
            utf8: false,
        }
    }
}

impl Default for Prometheus {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            tls: None,
            auth: None,
            namespace: String::new(),
            const_labels: Vec::new(),
            send_timestamps: false,
            metric_expiration: Duration::from_secs(300),
            enable_open_metrics: false,
            names: MetricNames::default(),
            resource_labels: ResourceLabels::default(),
            scope_labels: true,
            max_series: 1_000_000,
            max_series_per_metric: 200_000,
            gather_timeout: Duration::from_secs(1),
        }
    }
}
