//! The scrape exporter beside the Collector's: with the same settings and the same data their pages say the same, save for what is
//! meant to differ. `peers/prometheus_pages.py` compares them and lists that.

use super::lossless::Options;
use super::prometheus::peer;
use super::tiers::{ExporterProcess, GRPC, ReceiverProcess, folder};
use crate::fail::Outcome;
use crate::process::{Process, fixed_port, wait_until};
use crate::tools;
use std::fmt::Write as _;
use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

/// Settings, word for word those of both.
const PAGES: [(&str, &str); 6] = [
    ("with-suffixes", ""),
    (
        "without-suffixes",
        "translation_strategy: UnderscoreEscapingWithoutSuffixes",
    ),
    (
        "utf8-with-suffixes",
        "translation_strategy: NoUTF8EscapingWithSuffixes",
    ),
    ("as-they-are", "translation_strategy: NoTranslation"),
    (
        "labels",
        "namespace: my_mesh, const_labels: {region: west}, send_timestamps: true, resource_constant_labels: {included: [\"k8s.*\", \"kuma.*\"]}",
    ),
    (
        "deprecated",
        "add_metric_suffixes: false, without_scope_info: true, resource_to_telemetry_conversion: {enabled: true}",
    ),
];

/// The Collector's receiver says nothing of who sent it.
const AS_SENT: &str = "penstock: {identity: {pod_ip: false, metrics_instance_id: false, metrics_service_name: false}}";

pub(crate) fn run(options: &Options) -> Outcome {
    // Building the Collector takes longer than all of this.
    if options.short {
        println!("pages beside the Collector's: skipped in the short form");
        return Ok(());
    }
    let Some(collector) = tools::collector()? else {
        println!("pages beside the Collector's: skipped, without Go there is no Collector");
        return Ok(());
    };
    let folder = folder("prometheus-pages")?;
    let mut exporters = Vec::new();
    let mut ours = Vec::new();
    let mut theirs = String::new();
    let mut words = Vec::new();
    for (name, settings) in PAGES {
        let pages = [fixed_port()?, fixed_port()?].map(|port| format!("127.0.0.1:{port}"));
        let [our_page, their_page] = &pages;
        let settings = |page: &str| format!("{{endpoint: \"{page}\", {settings}}}");
        let id = format!("prometheus/{name}");
        let hop = format!("127.0.0.1:{}", fixed_port()?);
        exporters.push(ExporterProcess::start(
            &folder,
            name,
            &id,
            &settings(our_page),
            &hop,
        )?);
        writeln!(theirs, "  {id}: {}", settings(their_page))?;
        words.extend(["--page".to_owned(), format!("{name}={}", pages.join(","))]);
        ours.push((id, settings(our_page), [hop]));
    }
    let given: Vec<_> = ours
        .iter()
        .map(|(id, settings, hops)| (id.as_str(), settings.as_str(), &hops[..]))
        .collect();
    let receiver = ReceiverProcess::start_under(&folder, GRPC, &given, AS_SENT)?;
    let (collector, listens) = start(&folder, &collector, &theirs)?;
    let words: Vec<_> = [listens.as_str()]
        .into_iter()
        .chain(words.iter().map(String::as_str))
        .collect();
    let same = peer("prometheus_pages.py", receiver.address("grpc")?, &words)?;
    println!("series that are as the Collector has them: {same}");
    receiver.settled(&[("metrics", 1)])?;
    receiver.stop()?;
    for exporter in exporters {
        exporter.drain()?;
    }
    collector.stop().map(drop)
}

/// The Collector with these exporters; and where it takes OTLP.
fn start(folder: &Path, program: &Path, exporters: &str) -> Outcome<(Process, String)> {
    let listens = format!("127.0.0.1:{}", fixed_port()?);
    let ids: Vec<_> = PAGES
        .iter()
        .map(|(name, _)| format!("prometheus/{name}"))
        .collect();
    let config = folder.join("collector.yaml");
    fs::write(
        &config,
        format!(
            "receivers: {{otlp: {{protocols: {{grpc: {{endpoint: \"{listens}\"}}}}}}}}\n\
             exporters:\n{exporters}\
             service:\n  telemetry: {{metrics: {{level: none}}}}\n  \
             pipelines: {{metrics: {{receivers: [otlp], exporters: [{}]}}}}\n",
            ids.join(", ")
        ),
    )?;
    let mut command = Command::new(program);
    // The one that is on does away with `add_metric_suffixes`.
    let gates = "--feature-gates=-exporter.prometheusexporter.DisableAddMetricSuffixes";
    command.arg("--config").arg(&config).arg(gates);
    let process = Process::start("collector", folder, &mut command)?;
    wait_until("the Collector", || {
        Ok(TcpStream::connect(&listens).is_ok().then_some(()))
    })?;
    Ok((process, listens))
}
