//! Values that cannot work: the chart refuses each and names it, instead of rendering what fails in the cluster or loses data there.

use super::{BACKENDREF, CONFIG, Case, RENDERED_FOR, case, template_with};
use crate::fail::Outcome;
use std::fs;
use std::path::Path;

/// `--set` of Helm, and what it must say.
const VALUES: [(&[&str], &str); 13] = [
    (&["topology=everywhere"], "/topology"),
    (&["service.name=Otel_Collector"], "/service/name"),
    (&["drain.deadlineSeconds=0"], "/drain/deadlineSeconds"),
    (&["exporters.debug.bogus=1"], "/exporters/debug"),
    (
        &["exporters.zipkin.replicas=1"],
        "exporters.zipkin: no pipeline",
    ),
    (
        &["receiver.log.maxBytes=3GiB"],
        "receiver.log.size: 3Gi has no room",
    ),
    (&["receiver.log.size=3x"], "3x is no size"),
    (
        &["topology=daemonset", "receiver.log.storage=volume"],
        "only with topology deployment",
    ),
    (
        &["topology=hostport", "receiver.perSignal=true"],
        "port 4317 only once",
    ),
    (
        &[
            "receiver.autoscaling.enabled=true",
            "receiver.autoscaling.minReplicas=11",
        ],
        "minReplicas is above maxReplicas",
    ),
    (
        &[
            "exporter.autoscaling.enabled=true",
            "exporter.autoscaling.external=true",
        ],
        "either autoscaling.enabled or autoscaling.external",
    ),
    (
        &["hop.tls.certManager.issuerRef.kind=Issuer"],
        "issuerRef.name is needed",
    ),
    (
        &[
            "hop.tls.secretName=hop",
            "hop.tls.certManager.issuerRef.name=penstock",
        ],
        "either secretName or certManager",
    ),
];

/// The same for the Collector's configuration.
const CONFIGURATIONS: [(&str, &str); 6] = [
    ("[]", "config is no YAML"),
    ("receivers: {otlp: }", "config.service.pipelines is needed"),
    (
        "service: {pipelines: {traces: }}",
        "pipelines.traces needs receivers and exporters",
    ),
    (
        "service: {pipelines: {traces: {receivers: [otlp], exporters: [zipkin]}}}",
        "exporter zipkin: Penstock has no exporter of this type",
    ),
    (
        "receivers: {otlp: {protocols: {grpc: {tls: {cert_file: /a, key_file: /b}}}}}\n\
         service: {pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}",
        "needs config.penstock.drain.hand_over.tls",
    ),
    (
        "penstock: {drain: {deadline: 60s}}\n\
         service: {pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}",
        "say drain.deadlineSeconds instead",
    ),
];

/// What is taken, or refused with other words.
pub(super) fn faults(helm: &Path, folder: &Path) -> Outcome<Vec<String>> {
    let mut faults = Vec::new();
    let mut refused = |config: &str, case: &Case, what: &str, words: &str| match template_with(
        helm,
        config,
        case,
        RENDERED_FOR,
    ) {
        Ok(_) => faults.push(format!("{what} is taken, but cannot work")),
        Err(said) if said.to_string().contains(words) => {}
        Err(said) => faults.push(format!("{what}: `{words}` is not said, but {said}")),
    };
    for (sets, words) in VALUES {
        let case = case("refused", RENDERED_FOR, sets, BACKENDREF);
        refused(CONFIG, &case, &sets.join(","), words);
    }
    let file = folder.join("refused.yaml");
    for (text, words) in CONFIGURATIONS {
        fs::write(&file, text)?;
        let case = case("refused", RENDERED_FOR, &[], BACKENDREF);
        refused(&file.to_string_lossy(), &case, text, words);
    }
    Ok(faults)
}
