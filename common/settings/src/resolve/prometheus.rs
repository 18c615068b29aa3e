//! `prometheus` from its raw shape, and what it has in common with `prometheusremotewrite`.

use super::extensions::Extensions;
use super::findings::{At, Findings};
use super::{auth, checks, tls};
use crate::model::{MetricNames, Prometheus, ResourceLabels};
use crate::raw::prometheus::{Prometheus as Raw, ResourceLabels as RawLabels, Strategy};
use crate::units::NEVER;
use serde_json::Value;
use std::collections::BTreeMap;

/// What names the target, and is in `job` and `instance` anyway.
const SERVICE_ATTRIBUTES: [&str; 3] = ["service.name", "service.namespace", "service.instance.id"];

/// Checks what the file says and fills in the defaults.
pub(crate) fn prometheus(
    at: &At<'_>,
    raw: Raw,
    extensions: &mut Extensions,
    findings: &mut Findings,
) -> Prometheus {
    let default = Prometheus::default();
    let endpoint = checks::server_endpoint(&raw.endpoint.unwrap_or_default());
    let endpoint = endpoint.unwrap_or_else(|message| {
        findings.error(at, "endpoint", message);
        String::new()
    });
    if let Some(transport) = raw.transport.filter(|transport| transport != "tcp") {
        let message = format!("`{transport}` is not available; use tcp");
        findings.error(at, "transport", message);
    }
    let metric_expiration = raw
        .metric_expiration
        .map_or(default.metric_expiration, |after| {
            after.limit().unwrap_or(NEVER)
        });
    let gather_timeout = raw
        .gather_timeout
        .map_or(default.gather_timeout, |limit| limit.0);
    let max_series = raw.max_series.unwrap_or(default.max_series);
    let max_series_per_metric = raw
        .max_series_per_metric
        .unwrap_or(default.max_series_per_metric);
    for (key, is_zero) in [
        ("gather_timeout", gather_timeout.is_zero()),
        ("max_series", max_series == 0),
        ("max_series_per_metric", max_series_per_metric == 0),
    ] {
        if is_zero {
            findings.error(at, key, "must be greater than zero");
        }
    }
    Prometheus {
        endpoint,
        tls: tls::server(at, "tls", raw.tls, findings),
        auth: auth::of_server(at, "auth", raw.auth, extensions, findings),
        namespace: raw.namespace.unwrap_or_default(),
        const_labels: fixed_labels(raw.const_labels),
        send_timestamps: raw.send_timestamps.unwrap_or(default.send_timestamps),
        metric_expiration,
        enable_open_metrics: raw
            .enable_open_metrics
            .unwrap_or(default.enable_open_metrics),
        names: names(raw.translation_strategy, raw.add_metric_suffixes),
        resource_labels: resource_labels(
            at,
            raw.resource_to_telemetry_conversion,
            raw.resource_constant_labels,
            findings,
        ),
        scope_labels: !raw.without_scope_info.unwrap_or(!default.scope_labels),
        max_series,
        max_series_per_metric,
        gather_timeout,
    }
}

/// Names and values; YAML's numbers and the like are text here.
pub(super) fn fixed_labels(labels: Option<BTreeMap<String, Value>>) -> Vec<(String, String)> {
    let text = |value: Value| match value {
        Value::String(text) => text,
        Value::Null => String::new(),
        value => value.to_string(),
    };
    let labels = labels.unwrap_or_default().into_iter();
    labels.map(|(name, value)| (name, text(value))).collect()
}

/// `translation_strategy`, or the older way to say it.
pub(super) fn names(strategy: Option<Strategy>, add_suffixes: Option<bool>) -> MetricNames {
    let (suffixes, utf8) = match strategy {
        Some(Strategy::UnderscoreEscapingWithSuffixes) => (true, false),
        Some(Strategy::UnderscoreEscapingWithoutSuffixes) => (false, false),
        Some(Strategy::NoUTF8EscapingWithSuffixes) => (true, true),
        Some(Strategy::NoTranslation) => (false, true),
        None => (
            add_suffixes.unwrap_or(MetricNames::default().suffixes),
            false,
        ),
    };
    MetricNames { suffixes, utf8 }
}

/// `resource_constant_labels`, or the older way to say it.
pub(super) fn resource_labels(
    at: &At<'_>,
    older: Option<RawLabels>,
    newer: Option<RawLabels>,
    findings: &mut Findings,
) -> ResourceLabels {
    let switches =
        |raw: &RawLabels| raw.enabled == Some(true) || raw.exclude_service_attributes == Some(true);
    let patterns = |list: &Option<Vec<String>>| list.as_ref().is_some_and(|list| !list.is_empty());
    let (older, newer) = (older.unwrap_or_default(), newer.unwrap_or_default());
    let older_patterns = patterns(&older.included) || patterns(&older.excluded);
    let newer_patterns = patterns(&newer.included) || patterns(&newer.excluded);
    if switches(&newer) {
        let message = "has no switches: use `included` and `excluded`";
        findings.error(at, "resource_constant_labels", message);
    }
    if newer_patterns && (switches(&older) || older_patterns) {
        let message =
            "cannot go together with `resource_to_telemetry_conversion`; remove the latter";
        findings.error(at, "resource_constant_labels", message);
    }
    if older_patterns && switches(&older) {
        let message = "has either switches or patterns";
        findings.error(at, "resource_to_telemetry_conversion", message);
    }
    let chosen = if newer_patterns { newer } else { older };
    let (mut included, mut excluded) = (
        chosen.included.unwrap_or_default(),
        chosen.excluded.unwrap_or_default(),
    );
    if chosen.enabled == Some(true) {
        included.push("*".to_owned());
        if chosen.exclude_service_attributes == Some(true) {
            excluded.extend(SERVICE_ATTRIBUTES.map(str::to_owned));
        }
    }
    ResourceLabels { included, excluded }
}
