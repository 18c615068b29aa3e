//! Components of the Collector that Penstock does not have: what to do about each.
//!
//! The Collector's distributions have hundreds. Those that a file for a gateway is likely to have get a word of their own,
//! the others one for their class.

use crate::model::ExporterKind;
use crate::tree::instead;

/// A kind and what to do without it.
type Remedies = &'static [(&'static str, &'static str)];

const OTLP_IN: &str = "Penstock takes OTLP: let its senders send OTLP to `otlp`";
const SCRAPE: &str =
    "Penstock does not fetch: let what it measures stay with a Collector that sends OTLP here";
const FILES: &str = "Penstock reads no files and no node: let a Collector on the node send what it reads as OTLP here";
const AT_THE_SOURCE: &str = "Penstock sends on what it gets: do it in the SDK, or in the backend";
const IDENTITY: &str = "the receiver names each pod itself (penstock.identity); take it out";

const RECEIVERS: Remedies = &[
    (
        "jaeger",
        "let senders send OTLP, which every Jaeger client has had since 2022, to `otlp`",
    ),
    (
        "zipkin",
        "let senders send OTLP to `otlp`; Envoy has an OpenTelemetry tracer",
    ),
    ("opencensus", OTLP_IN),
    (
        "prometheus",
        "let Prometheus scrape itself, or a Collector that sends OTLP here; of our own metrics /metrics has all",
    ),
    ("kafka", SCRAPE),
    ("statsd", OTLP_IN),
    ("hostmetrics", FILES),
    ("host_metrics", FILES),
    ("kubeletstats", FILES),
    ("kubelet_stats", FILES),
    ("filelog", FILES),
    ("file_log", FILES),
    ("k8s_cluster", SCRAPE),
    ("k8s_events", SCRAPE),
    ("k8sobjects", SCRAPE),
    ("nop", "take it out"),
    ("otelarrow", "let senders send OTLP to `otlp`"),
];

const PROCESSORS: Remedies = &[
    ("k8sattributes", IDENTITY),
    ("k8s_attributes", IDENTITY),
    ("resourcedetection", IDENTITY),
    ("resource_detection", IDENTITY),
    ("attributes", AT_THE_SOURCE),
    ("resource", AT_THE_SOURCE),
    ("transform", AT_THE_SOURCE),
    ("filter", AT_THE_SOURCE),
    ("redaction", AT_THE_SOURCE),
    ("span", AT_THE_SOURCE),
    ("metricstransform", AT_THE_SOURCE),
    (
        "tail_sampling",
        "Penstock drops nothing on its own account: sample at the source, or in a Collector behind it",
    ),
    (
        "probabilistic_sampler",
        "sample at the source: in Kong Mesh `sampling.overall` of MeshTrace",
    ),
    (
        "groupbytrace",
        "take it out: batches keep what comes together",
    ),
    (
        "groupbyattrs",
        "take it out: resources stay as their senders made them",
    ),
    (
        "cumulativetodelta",
        "take it out: the exporters take both temporalities",
    ),
    (
        "deltatocumulative",
        "take it out: the `prometheus` exporter adds deltas up itself",
    ),
    (
        "queuebatch",
        "take it out, and say the size of batches in `batch` or in the exporter's sending_queue.batch",
    ),
];

const EXPORTERS: Remedies = &[
    ("logging", "`debug` has replaced it"),
    ("jaeger", "Jaeger takes OTLP: use `otlp` with its port 4317"),
    ("zipkin", "use `otlp`, if the backend takes it"),
    (
        "loki",
        "Loki takes OTLP: use `otlphttp` with its path /otlp",
    ),
    (
        "elasticsearch",
        "use `otlphttp` with Elastic's OTLP endpoint",
    ),
    ("datadog", "use `otlphttp` with Datadog's OTLP endpoint"),
    ("splunk_hec", "use `otlphttp` with Splunk's OTLP endpoint"),
    (
        "loadbalancing",
        "take it out: an exporter's replicas are in penstock.exporters.<id>.replicas",
    ),
    (
        "load_balancing",
        "take it out: an exporter's replicas are in penstock.exporters.<id>.replicas",
    ),
    ("nop", "take it out"),
    ("otelarrow", "use `otlp`"),
];

const EXTENSIONS: Remedies = &[
    (
        "oidc",
        "senders are told apart by the mesh's mTLS, or by `bearertokenauth`",
    ),
    (
        "oauth2client",
        "let a proxy beside the exporter add the token, or give a fixed one in `headers`",
    ),
    ("sigv4auth", "let a proxy beside the exporter sign requests"),
    (
        "memory_limiter",
        "use the processor of this name: it bounds what is received, before it is read",
    ),
    (
        "memory_ballast",
        "take it out: there is no garbage collector here",
    ),
    (
        "healthcheckv2",
        "use `health_check`; /healthz?verbose has the state of each exporter",
    ),
    (
        "opamp",
        "take it out: configuration comes from files, and is taken over when they change",
    ),
    ("k8s_observer", "take it out: nothing is observed"),
    ("redis_storage", "use `file_storage`"),
    ("db_storage", "use `file_storage`"),
];

const CONNECTORS: Remedies = &[
    (
        "forward",
        "name the exporters in each pipeline that should have them",
    ),
    (
        "spanmetrics",
        "let Tempo's metrics-generator make them of the spans",
    ),
    (
        "span_metrics",
        "let Tempo's metrics-generator make them of the spans",
    ),
    (
        "servicegraph",
        "let Tempo's metrics-generator make them of the spans",
    ),
    (
        "service_graph",
        "let Tempo's metrics-generator make them of the spans",
    ),
    (
        "routing",
        "a pipeline sends all that it gets to each of its exporters: route in the backend, or by tenant headers",
    ),
    (
        "failover",
        "take it out: each exporter's data waits in the log until its backend is back",
    ),
    ("count", "let the backend count"),
];

pub(crate) fn receiver(kind: &str) -> String {
    say(kind, "receiver", RECEIVERS, &["otlp"])
}

pub(crate) fn processor(kind: &str) -> String {
    say(kind, "processor", PROCESSORS, &["batch", "memory_limiter"])
}

pub(crate) fn exporter(kind: &str) -> String {
    let available: Vec<_> = ExporterKind::ALL
        .iter()
        .flat_map(|kind| kind.names())
        .copied()
        .collect();
    say(kind, "exporter", EXPORTERS, &available)
}

pub(crate) fn extension(kind: &str) -> String {
    say(kind, "extension", EXTENSIONS, super::extensions::KINDS)
}

/// There are none at all.
pub(crate) fn connector(id: &str) -> String {
    let kind = id.split('/').next().unwrap_or_default();
    let remedy =
        remedy(kind, CONNECTORS).unwrap_or("let each pipeline name its receivers and exporters");
    format!("there are no connectors; {remedy}")
}

fn remedy(kind: &str, remedies: Remedies) -> Option<&'static str> {
    remedies
        .iter()
        .find(|(known, _)| *known == kind)
        .map(|(_, remedy)| *remedy)
}

fn say(kind: &str, class: &str, remedies: Remedies, available: &[&str]) -> String {
    let remedy = remedy(kind, remedies).map_or_else(String::new, |remedy| format!("; {remedy}"));
    format!(
        "there is no `{kind}` {class}{remedy}{}",
        instead(kind, "available", available)
    )
}
