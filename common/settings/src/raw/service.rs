//! `service` and the extensions.

use super::{Note, ignored, ignored_but};
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;

/// `service`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Service {
    pub(crate) extensions: Option<Vec<String>>,
    pub(crate) pipelines: Option<BTreeMap<String, IgnoredAny>>,
    pub(crate) telemetry: Option<Telemetry>,
}

/// An entry of `service.pipelines`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Pipeline {
    pub(crate) receivers: Option<Vec<String>>,
    pub(crate) processors: Option<Vec<String>>,
    pub(crate) exporters: Option<Vec<String>>,
}

/// `service.telemetry`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Telemetry {
    pub(crate) logs: Option<Logs>,
    pub(crate) resource: Option<BTreeMap<String, Option<String>>>,
    pub(crate) metrics: Option<Metrics>,
}

/// `service.telemetry.metrics`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Metrics {
    pub(crate) readers: Option<Vec<Reader>>,
}

/// An element of `service.telemetry.metrics.readers`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Reader {
    pub(crate) pull: Option<Pull>,
    pub(crate) periodic: Option<IgnoredAny>,
}

/// A reader that is scraped.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Pull {
    pub(crate) exporter: Option<PullExporter>,
    pub(crate) cardinality_limits: Option<IgnoredAny>,
    pub(crate) producers: Option<IgnoredAny>,
}

/// How it is scraped.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PullExporter {
    pub(crate) prometheus: Option<Prometheus>,
    #[serde(rename = "prometheus/development")]
    pub(crate) prometheus_development: Option<Prometheus>,
}

/// Where it is scraped, and what its names are like.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Prometheus {
    pub(crate) host: Option<String>,
    pub(crate) port: Option<u16>,
    pub(crate) translation_strategy: Option<IgnoredAny>,
    pub(crate) with_resource_constant_labels: Option<IgnoredAny>,
    pub(crate) without_scope_info: Option<IgnoredAny>,
    pub(crate) without_target_info: Option<IgnoredAny>,
    pub(crate) without_type_suffix: Option<IgnoredAny>,
    pub(crate) without_units: Option<IgnoredAny>,
}

/// `service.telemetry.logs`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Logs {
    pub(crate) level: Option<Level>,
    pub(crate) encoding: Option<LogEncoding>,
    pub(crate) output_paths: Option<Vec<String>>,
    pub(crate) initial_fields: Option<BTreeMap<String, String>>,
}

/// `service.telemetry.logs.level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// `service.telemetry.logs.encoding`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogEncoding {
    Console,
    Json,
}

const LOGS: &str = "lines have one form, and losses are never sampled";

/// What is known of the Collector's `service` and is no field above.
pub(crate) const NOTES: &[Note] = &[
    ignored("telemetry.metrics.level", "metrics are always complete"),
    ignored(
        "telemetry.metrics.address",
        "the Collector has ignored it since v0.123; metrics are at penstock.admin.endpoint",
    ),
    ignored("telemetry.metrics.views", "metrics are always complete"),
    ignored(
        "telemetry.traces",
        "the processes make no traces of their own",
    ),
    ignored_but("telemetry.logs.development", "false", LOGS),
    ignored("telemetry.logs.disable_caller", LOGS),
    ignored("telemetry.logs.disable_stacktrace", LOGS),
    ignored("telemetry.logs.sampling", LOGS),
    ignored(
        "telemetry.logs.error_output_paths",
        "what cannot be logged is not told elsewhere",
    ),
    ignored("telemetry.logs.processors", LOGS),
];
