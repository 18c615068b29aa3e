//! `exporters.prometheus`, and what it has in common with `prometheusremotewrite`.

use super::auth::Auth;
use super::common::{Queue, Retry};
use super::tls::ServerTls;
use super::{Note, ignored, ignored_but, unavailable};
use crate::units::GoDuration;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Prometheus {
    pub(crate) endpoint: Option<String>,
    pub(crate) transport: Option<String>,
    pub(crate) tls: Option<ServerTls>,
    pub(crate) auth: Option<Auth>,
    pub(crate) namespace: Option<String>,
    pub(crate) const_labels: Option<BTreeMap<String, serde_json::Value>>,
    pub(crate) send_timestamps: Option<bool>,
    pub(crate) metric_expiration: Option<GoDuration>,
    pub(crate) enable_open_metrics: Option<bool>,
    pub(crate) translation_strategy: Option<Strategy>,
    pub(crate) add_metric_suffixes: Option<bool>,
    pub(crate) resource_to_telemetry_conversion: Option<ResourceLabels>,
    pub(crate) resource_constant_labels: Option<ResourceLabels>,
    pub(crate) without_scope_info: Option<bool>,
    pub(crate) max_series: Option<usize>,
    pub(crate) max_series_per_metric: Option<usize>,
    pub(crate) gather_timeout: Option<GoDuration>,
    pub(crate) timeout: Option<GoDuration>,
    pub(crate) retry_on_failure: Option<Retry>,
    pub(crate) sending_queue: Option<Queue>,
}

/// `translation_strategy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum Strategy {
    UnderscoreEscapingWithSuffixes,
    UnderscoreEscapingWithoutSuffixes,
    NoUTF8EscapingWithSuffixes,
    NoTranslation,
}

/// `resource_to_telemetry_conversion`, which has switches, and `resource_constant_labels`, which has patterns.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ResourceLabels {
    pub(crate) enabled: Option<bool>,
    pub(crate) exclude_service_attributes: Option<bool>,
    pub(crate) included: Option<Vec<String>>,
    pub(crate) excluded: Option<Vec<String>>,
}

const SCRAPED: &str =
    "a scrape has no body and few headers, and connections have limits of their own";
const METADATA: &str = "nothing here uses what whoever scrapes sends along";

/// What is known of the Collector's exporter and is no field above.
pub(crate) const PROMETHEUS_NOTES: &[Note] = &[
    unavailable(
        "auth.request_params",
        "credentials are taken from headers; remove it",
    ),
    unavailable("middlewares", "middlewares are not available; remove it"),
    unavailable("cors", "pages are not for scripts in browsers; remove it"),
    ignored(
        "response_headers",
        "answers have the headers that their format needs",
    ),
    ignored("max_request_body_size", SCRAPED),
    ignored("read_timeout", SCRAPED),
    ignored("read_header_timeout", SCRAPED),
    ignored("write_timeout", SCRAPED),
    ignored("idle_timeout", SCRAPED),
    ignored("keep_alives_enabled", SCRAPED),
    ignored(
        "compression_algorithms",
        "pages are compressed as whoever scrapes asks for: gzip, zstd or not at all",
    ),
    ignored_but("include_metadata", "false", METADATA),
];
