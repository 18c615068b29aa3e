//! `service.telemetry.metrics`: where they are scraped is where the receiver's admin server listens.

use super::checks::server_endpoint;
use super::findings::{At, Findings};
use crate::raw::service::{Metrics, Prometheus};

const KEY: &str = "telemetry.metrics.readers";

/// The address of the first reader that is scraped.
pub(crate) fn metrics(at: &At<'_>, raw: Metrics, findings: &mut Findings) -> Option<String> {
    let mut address = None;
    for reader in raw.readers.unwrap_or_default() {
        if reader.periodic.is_some() {
            let message =
                "has no effect here: metrics are not sent; scrape them at penstock.admin.endpoint";
            findings.warn(at, KEY, message);
        }
        let Some(pull) = reader.pull else { continue };
        if pull.cardinality_limits.is_some() || pull.producers.is_some() {
            findings.warn(
                at,
                KEY,
                "has no effect here but for `exporter`: metrics are always complete",
            );
        }
        let exporter = pull.exporter.unwrap_or_default();
        let Some(prometheus) = exporter.prometheus.or(exporter.prometheus_development) else {
            continue;
        };
        spelling(at, &prometheus, findings);
        if address.is_some() {
            let message = "only the first reader that is scraped has an effect here: there is one admin server";
            findings.warn(at, KEY, message);
            continue;
        }
        address = endpoint(at, &prometheus, findings);
    }
    address
}

fn endpoint(at: &At<'_>, raw: &Prometheus, findings: &mut Findings) -> Option<String> {
    if raw.host.is_none() && raw.port.is_none() {
        return None;
    }
    let host = raw.host.as_deref().unwrap_or("localhost");
    let host = if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    match server_endpoint(&format!("{host}:{}", raw.port.unwrap_or(8888))) {
        Ok(endpoint) => {
            let message = format!(
                "means something else here: the receiver's admin server, with /livez and /readyz too, listens on {endpoint}, unless \
                 penstock.admin.endpoint says where; exporters have penstock.exporters.<id>.admin"
            );
            findings.note(at, KEY, message);
            Some(endpoint)
        }
        Err(message) => {
            findings.error(at, KEY, message);
            None
        }
    }
}

fn spelling(at: &At<'_>, raw: &Prometheus, findings: &mut Findings) {
    let given = [
        ("translation_strategy", &raw.translation_strategy),
        (
            "with_resource_constant_labels",
            &raw.with_resource_constant_labels,
        ),
        ("without_scope_info", &raw.without_scope_info),
        ("without_target_info", &raw.without_target_info),
        ("without_type_suffix", &raw.without_type_suffix),
        ("without_units", &raw.without_units),
    ];
    let given: Vec<_> = given
        .iter()
        .filter(|(_, given)| given.is_some())
        .map(|(key, _)| format!("`{key}`"))
        .collect();
    if !given.is_empty() {
        let message = format!(
            "{} has no effect here: how the Collector's metrics are spelt is penstock.telemetry.otelcol_names, and whether they have \
             the service's labels otelcol_service_labels",
            given.join(", ")
        );
        findings.warn(at, KEY, message);
    }
}
