//! `prometheusremotewrite` from its raw shape.

use super::findings::{At, Findings};
use super::{prometheus, tls};
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
    RemoteWrite {
        endpoint,
        tls: tls::client(at, "tls", raw.tls, findings),
        headers: raw.headers.unwrap_or_default().0,
        credentials: None,
        namespace: raw.namespace.unwrap_or_default(),
        external_labels: prometheus::fixed_labels(raw.external_labels),
        names: prometheus::names(raw.translation_strategy, raw.add_metric_suffixes),
        target_info: enabled(raw.target_info).unwrap_or(default.target_info),
        resource_labels: prometheus::resource_labels(
            at,
            raw.resource_to_telemetry_conversion,
            raw.resource_constant_labels,
            findings,
        ),
        scope_labels: !raw.disable_scope_info.unwrap_or(!default.scope_labels),
        send_metadata: raw.send_metadata.unwrap_or(default.send_metadata),
        max_batch_bytes: max_batch_bytes.max(1),
        shards: shards.max(1),
        version_2: raw.protobuf_message == Some(Protobuf::Two),
    }
}
