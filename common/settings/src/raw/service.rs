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
    ignored(
        "telemetry.metrics",
        "metrics are always complete, at /metrics of penstock.admin.endpoint",
    ),
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
