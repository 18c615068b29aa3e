//! `bench prometheus`: what the scrape exporter takes in, what a series costs in memory, and what a scrape takes.
//!
//! One exporter process on its own, as the hop reaches it. What is scraped must be what was pushed.

use super::report::{Report, Table};
use super::rig::Lab;
use crate::fail::{Outcome, bail};
use crate::process::{Process, binary_path, fixed_port, resident};
use crate::sh;
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

const PROTOBUF: &str =
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
/// What a page is asked for as.
const PAGES: [(&str, &str, &str); 4] = [
    ("text", "text/plain", "identity"),
    ("text, gzip", "text/plain", "gzip"),
    ("text, zstd", "text/plain", "zstd"),
    ("protobuf", PROTOBUF, "identity"),
];
const MIB: f64 = 1024.0 * 1024.0;

pub(super) fn run(sizes: &[usize]) -> Outcome {
    sh::cargo(&[
        "build",
        "--release",
        "--bin",
        "penstock-exporter-prometheus",
        "--bin",
        "bench-series",
    ])?;
    let lab = Lab::new("bench/prometheus", "release")?;
    let mut report = Report::default();
    for series in sizes {
        let figures = measure(&lab, *series)?;
        report.add(table(*series, &figures), figures, Vec::new());
    }
    let conditions = "One exporter process on its own, all cores; requests of 3000 cumulative counters with 8 labels, four at once. \
                      The first round makes the series, the second one changes them.";
    report.publish(&lab, "Scrape exporter", conditions)
}

fn measure(lab: &Lab, series: usize) -> Outcome<Value> {
    let scraped = format!("127.0.0.1:{}", fixed_port()?);
    let config = lab.folder.join("exporter.yaml");
    let limit = series * 2 + 1000;
    fs::write(
        &config,
        format!(
            "receivers: {{otlp: {{protocols: {{grpc: }}}}}}\n\
             exporters: {{prometheus: {{endpoint: \"{scraped}\", enable_open_metrics: true, max_series: {limit}, max_series_per_metric: {limit}}}}}\n\
             service:\n  telemetry: {{logs: {{encoding: json}}}}\n  pipelines: {{metrics: {{receivers: [otlp], exporters: [prometheus]}}}}\n\
             penstock: {{exporters: {{prometheus: {{replicas: [\"127.0.0.1:1\"], affinity: none}}}}}}\n"
        ),
    )?;
    let config = config.to_string_lossy();
    let words = [
        "--config",
        &config,
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
    ];
    let name = format!("exporter-{series}");
    let binary = "penstock-exporter-prometheus";
    let mut exporter = Process::ours_of("release", &name, &lab.folder, binary, &words)?;
    let ready = exporter.ready("exporter ready")?;
    let Some(hop) = ready["hop"].as_str() else {
        bail!("no hop address in {ready}")
    };
    let before = resident(exporter.pid());
    let output = Command::new(binary_path("release", "bench-series"))
        .args([hop, "--rounds", "2", "--series", &series.to_string()])
        .output()?;
    if !output.status.success() {
        bail!("bench-series: {}", String::from_utf8_lossy(&output.stderr));
    }
    let rounds: Vec<Value> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    let rate = |round: &Value| {
        let number = |key: &str| round[key].as_f64().unwrap_or(f64::NAN);
        number("points") / number("seconds")
    };
    let kept = resident(exporter.pid());
    let mut pages = Vec::new();
    for (name, accept, encoding) in PAGES {
        let start = Instant::now();
        let body = scrape(&scraped, accept, encoding)?;
        let seconds = start.elapsed().as_secs_f64();
        if name == "text" {
            let lines = body.split(|byte| *byte == b'\n');
            let lines = lines.filter(|line| line.starts_with(b"envoy_")).count();
            if lines != series {
                bail!("{lines} series are on the page, and {series} were pushed");
            }
        }
        pages.push(json!({"format": name, "seconds": seconds, "bytes": body.len()}));
    }
    let after = resident(exporter.pid());
    exporter.stop()?;
    #[expect(clippy::cast_precision_loss, reason = "a figure")]
    let of_each = (kept - before) / series as f64;
    Ok(json!({
        "series": series,
        "new_points_per_second": rounds.first().map(rate),
        "points_per_second": rounds.last().map(rate),
        "bytes_per_series": of_each,
        "resident_bytes": kept,
        "resident_bytes_after_scrapes": after,
        "pages": pages,
    }))
}

/// A page's body.
fn scrape(address: &str, accept: &str, encoding: &str) -> Outcome<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(120)))?;
    write!(
        stream,
        "GET /metrics?local HTTP/1.0\r\nhost: {address}\r\naccept: {accept}\r\naccept-encoding: {encoding}\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    std::io::copy(&mut stream, &mut answer)?;
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    let Some(end) = end.filter(|_| answer.starts_with(b"HTTP/1.0 200")) else {
        bail!("{address} gave no page")
    };
    Ok(answer.split_off(end + 4))
}

fn table(series: usize, figures: &Value) -> String {
    let number = |key: &str| figures[key].as_f64().unwrap_or(f64::NAN);
    let mut text = format!(
        "### {series} series\n\nTakes in {:.0} data points/s when their series are new, {:.0} when they are known. A series takes {:.0} bytes; \
         the process has {:.0} MiB, and {:.0} MiB after the pages below.\n\n",
        number("new_points_per_second"),
        number("points_per_second"),
        number("bytes_per_series"),
        number("resident_bytes") / MIB,
        number("resident_bytes_after_scrapes") / MIB,
    );
    let mut table = Table::new(&["page", "seconds", "MiB"]);
    for page in figures["pages"].as_array().into_iter().flatten() {
        let number = |key: &str| page[key].as_f64().unwrap_or(f64::NAN);
        table.row(&[
            page["format"].as_str().unwrap_or_default().to_owned(),
            format!("{:.2}", number("seconds")),
            format!("{:.1}", number("bytes") / MIB),
        ]);
    }
    text.push_str(&table.text());
    text
}
