//! `prometheusremotewrite` from its raw shape.

use super::checks;
use super::findings::{At, Findings};
use crate::model::RemoteWrite;
use crate::raw::remote_write::{Enabled, Protobuf, RemoteWrite as Raw};

/// Checks what the file says and fills in the defaults.
pub(crate) fn remote_write(at: &At<'_>, raw: Raw, findings: &mut Findings) -> RemoteWrite {
    let default = RemoteWrite::default();
    let endpoint = raw.endpoint.unwrap_or_default();
    let known = ["http://", "https://"];
    if !known.iter().any(|scheme| endpoint.starts_with(scheme)) {
        let message =
            "must be set, as in `https://prometheus:9090/api/v1/write`, with http:// or https://";
        findings.error(at, "endpoint", message);
    }
    let max_batch_bytes = raw.max_batch_size_bytes.unwrap_or(default.max_batch_bytes);
    let shards = raw.max_batch_request_parallelism.unwrap_or(default.shards);
    for (key, value) in [
        ("max_batch_size_bytes", max_batch_bytes),
        ("max_batch_request_parallelism", shards),
    ] {
        if value == 0 {
            findings.error(at, key, "must be greater than zero");
        }
    }
    let enabled = |section: Option<Enabled>| section.and_then(|section| section.enabled);
    let text = |value: serde_json::Value| match value {
        serde_json::Value::String(text) => text,
        serde_json::Value::Null => String::new(),
        value => value.to_string(),
    };
    let labels = raw.external_labels.unwrap_or_default().into_iter();
    RemoteWrite {
        endpoint,
        tls: checks::client_tls(at, raw.tls, findings),
        headers: raw.headers.unwrap_or_default().0,
        namespace: raw.namespace.unwrap_or_default(),
        external_labels: labels.map(|(name, value)| (name, text(value))).collect(),
        add_metric_suffixes: raw
            .add_metric_suffixes
            .unwrap_or(default.add_metric_suffixes),
        target_info: enabled(raw.target_info).unwrap_or(default.target_info),
        resource_labels: enabled(raw.resource_to_telemetry_conversion)
            .unwrap_or(default.resource_labels),
        scope_labels: !raw.disable_scope_info.unwrap_or(!default.scope_labels),
        send_metadata: raw.send_metadata.unwrap_or(default.send_metadata),
        max_batch_bytes: max_batch_bytes.max(1),
        shards: shards.max(1),
        version_2: raw.protobuf_message == Some(Protobuf::Two),
    }
}
