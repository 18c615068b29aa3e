//! `cargo xtask bench`: a load generator against the release binaries, CPU and memory of each process from the OS.
//!
//! Every row is measured in one run, the floor (load generator straight into the sink) beside both tiers. What is reported
//! must add up first: every item that the load generator saw acked is at the sink.

use crate::admin::Ledger;
use crate::fail::{Outcome, bail};
use crate::process::{Process, binary_path, fresh_folder, wait_until};
use crate::{sh, steps};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Name, captured request, connections, calls in flight on each.
const WORKLOADS: [(&str, &str, &str, &str); 3] = [
    (
        "mesh traces: 5 spans a call",
        "fast-traces-0001.pb",
        "50",
        "4",
    ),
    (
        "mesh logs: access log records",
        "fast-logs-0010.pb",
        "50",
        "4",
    ),
    (
        "mesh metrics: a sidecar's scrape",
        "SYNTH-kumadp-out10-v3-metrics-0001.pb",
        "10",
        "1",
    ),
];

pub(crate) fn run(seconds: &str) -> Outcome {
    let _whole: u32 = seconds.parse().map_err(|_| "seconds is a whole number")?;
    steps::binaries(true)?;
    let folder = fresh_folder("bench")?;
    let mut rows = Vec::new();
    for workload in &WORKLOADS {
        rows.push(floor(&folder, workload, seconds)?);
        rows.push(both_tiers(&folder, workload, seconds)?);
    }
    let report = table(&rows);
    println!("\n{report}");
    fs::write(folder.join("report.md"), &report)?;
    fs::write(
        folder.join("report.json"),
        serde_json::to_vec_pretty(&rows)?,
    )?;
    println!("also in {}/report.{{md,json}}", folder.display());
    Ok(())
}

/// Load generator straight into the sink.
fn floor(folder: &Path, workload: &(&str, &str, &str, &str), seconds: &str) -> Outcome<Value> {
    let (sink, address) = sink(folder)?;
    let load = load(&address, workload, seconds)?;
    let used = json!({"sink": usage(&sink)?});
    sink.stop()?;
    row(workload.0, "load → sink", &load, &used)
}

/// Load generator → receiver → otlp exporter → sink.
fn both_tiers(folder: &Path, workload: &(&str, &str, &str, &str), seconds: &str) -> Outcome<Value> {
    let (sink, backend) = sink(folder)?;
    let config = folder.join("config.yaml");
    let text = CONFIG.replace("BACKEND", &backend);
    fs::write(&config, text.replace("REPLICA", "localhost:4400"))?;
    let path = config.to_string_lossy().into_owned();
    let words = [
        "--config",
        &path,
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
    ];
    let mut exporter = Process::ours_of(
        "release",
        "exporter",
        folder,
        "penstock-exporter-otlp",
        &words,
    )?;
    let ready = exporter.ready("exporter ready")?;
    fs::write(
        &config,
        text.replace("REPLICA", ready["hop"].as_str().unwrap_or_default()),
    )?;
    let mut receiver = Process::ours_of(
        "release",
        "receiver",
        folder,
        "penstock-receiver",
        &["--config", &path],
    )?;
    let ready = receiver.ready("receiver ready")?;
    let load = load(
        ready["grpc"].as_str().unwrap_or_default(),
        workload,
        seconds,
    )?;

    let admin = ready["admin"].as_str().unwrap_or_default();
    let ledger = wait_until("delivery of everything", || {
        let ledger = Ledger::read(admin)?;
        Ok((ledger.sum("held", |_| true) == 0).then_some(ledger))
    })?;
    ledger.check_law()?;
    let (delivered, acked) = (ledger.sum("delivered", |_| true), load["items"].as_u64());
    if Some(delivered) != acked {
        bail!(
            "{}: {acked:?} items acked, {delivered} delivered",
            workload.0
        );
    }
    let used = json!({
        "receiver": usage(&receiver)?, "exporter": usage(&exporter)?, "sink": usage(&sink)?,
    });
    receiver.stop()?;
    exporter.stop()?;
    sink.stop()?;
    row(workload.0, "both tiers", &load, &used)
}

const CONFIG: &str = "
receivers: {otlp: {protocols: {grpc: {endpoint: 127.0.0.1:0}}}}
processors: {batch: {}}
exporters:
  otlp: {endpoint: BACKEND, tls: {insecure: true}, compression: none}
service:
  telemetry: {logs: {encoding: json, level: warn,penstock=info}}
  pipelines:
    traces: {receivers: [otlp], processors: [batch], exporters: [otlp]}
    metrics: {receivers: [otlp], processors: [batch], exporters: [otlp]}
    logs: {receivers: [otlp], processors: [batch], exporters: [otlp]}
penstock:
  admin: {endpoint: 127.0.0.1:0}
  shards: 1
  memory: {limit: 512MiB}
  exporters: {otlp: {replicas: ['REPLICA']}}
";

fn sink(folder: &Path) -> Outcome<(Process, String)> {
    let mut sink = Process::ours_of("release", "sink", folder, "bench-sink", &[])?;
    let ready = sink.ready("sink ready")?;
    let address = ready["grpc"].as_str().unwrap_or_default().to_owned();
    Ok((sink, address))
}

fn load(target: &str, workload: &(&str, &str, &str, &str), seconds: &str) -> Outcome<Value> {
    let (_, request, connections, in_flight) = workload;
    let file = sh::root().join("fixtures/otlp").join(request);
    let output = Command::new(binary_path("release", "bench-load"))
        .args([
            target,
            &file.to_string_lossy(),
            connections,
            in_flight,
            seconds,
        ])
        .output()?;
    if !output.status.success() {
        bail!("bench-load: {}", String::from_utf8_lossy(&output.stderr));
    }
    let load: Value = serde_json::from_slice(&output.stdout)?;
    if load["failures"].as_u64() != Some(0) {
        bail!("calls failed: {load}");
    }
    Ok(load)
}

/// CPU seconds and peak resident memory of a running process.
fn usage(process: &Process) -> Outcome<Value> {
    /// `USER_HZ`: fixed at 100 for what Linux shows to programs.
    const TICKS_A_SECOND: f64 = 100.0;
    let folder = Path::new("/proc").join(process.pid().to_string());
    let stat = fs::read_to_string(folder.join("stat"))?;
    // Fields after the command's closing bracket: state is the first, utime the 12th, stime the 13th.
    let fields: Vec<&str> = stat
        .rsplit(") ")
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let ticks = |n: usize| {
        fields
            .get(n)
            .and_then(|field| field.parse::<f64>().ok())
            .unwrap_or(0.0)
    };
    let status = fs::read_to_string(folder.join("status"))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|text| text.trim().trim_end_matches(" kB").parse::<f64>().ok());
    Ok(json!({
        "cpu_seconds": (ticks(11) + ticks(12)) / TICKS_A_SECOND,
        "peak_mib": kib.unwrap_or(0.0) / 1024.0,
    }))
}

fn row(workload: &str, system: &str, load: &Value, used: &Value) -> Outcome<Value> {
    Ok(json!({"workload": workload, "system": system, "load": load, "used": used}))
}

fn table(rows: &[Value]) -> String {
    let mut text = String::from(
        "| workload | system | items/s | p50 ms | p99 ms | CPU s per million items | peak MiB |\n|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let load = &row["load"];
        let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
        let millions = number(&load["items"]) / 1e6;
        let per_process = |field: &str, scale: f64| {
            let used = row["used"].as_object().into_iter().flatten();
            let each = used.map(|(name, of)| format!("{name} {:.2}", number(&of[field]) / scale));
            each.collect::<Vec<_>>().join(", ")
        };
        text.push_str(&format!(
            "| {} | {} | {:.0} | {:.2} | {:.2} | {} | {} |\n",
            row["workload"].as_str().unwrap_or_default(),
            row["system"].as_str().unwrap_or_default(),
            number(&load["items"]) / number(&load["seconds"]),
            number(&load["p50_micros"]) / 1e3,
            number(&load["p99_micros"]) / 1e3,
            per_process("cpu_seconds", millions),
            per_process("peak_mib", 1.0),
        ));
    }
    text
}
