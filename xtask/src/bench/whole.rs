//! `cargo xtask bench [seconds]`: the whole path. The floor, load generator straight into the sink, stands beside both tiers.
//!
//! Nothing is pinned: every process takes what it needs.

use super::machine::{Cores, Usage};
use super::rig::{CONFIG, Server, faultless_load};
use super::{LOGS, METRICS, TRACES, Workload, number, publish};
use crate::fail::Outcome;
use crate::process::fresh_folder;
use crate::steps;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

const UNPINNED: Cores = Cores {
    server: None,
    others: None,
};

pub(super) fn run(seconds: u32) -> Outcome {
    steps::binaries(true)?;
    let folder = fresh_folder("bench/whole")?;
    let mut rows = Vec::new();
    for workload in [&TRACES, &LOGS, &METRICS] {
        rows.push(floor(&folder, workload, seconds)?);
        rows.push(both_tiers(&folder, workload, seconds)?);
    }
    publish(&folder, "report", &table(&rows), &json!(rows))
}

/// Load generator straight into the sink.
fn floor(folder: &Path, workload: &Workload, seconds: u32) -> Outcome<Value> {
    let sink = Server::sink(folder, None)?;
    let load = faultless_load(&sink.address, workload, &UNPINNED, seconds)?;
    let used = json!({"sink": Usage::of(&sink.process)?.json()});
    sink.process.stop()?;
    Ok(row(workload, "load → sink", &load, &used))
}

/// Load generator → receiver → otlp exporter → sink.
fn both_tiers(folder: &Path, workload: &Workload, seconds: u32) -> Outcome<Value> {
    let sink = Server::sink(folder, None)?;
    let config = folder.join("exporter.yaml");
    let text = CONFIG
        .replace("BACKEND", &sink.address)
        .replace("MEMORY", "512MiB");
    fs::write(&config, text.replace("REPLICA", "localhost:4400"))?;
    let config = config.to_string_lossy();
    let words = [
        "--config",
        &config,
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
    ];
    let start = (None, "penstock-exporter-otlp", words.as_slice());
    let exporter = Server::start(folder, "exporter", start, "exporter ready")?;
    let hop = exporter.ready["hop"].as_str().unwrap_or_default();
    let receiver = Server::receiver(folder, None, &sink.address, hop, "512MiB")?;
    let load = faultless_load(&receiver.address, workload, &UNPINNED, seconds)?;
    receiver.delivered(load["items"].as_u64().unwrap_or_default())?;
    let used = json!({
        "receiver": Usage::of(&receiver.process)?.json(),
        "exporter": Usage::of(&exporter.process)?.json(),
        "sink": Usage::of(&sink.process)?.json(),
    });
    receiver.process.stop()?;
    exporter.process.stop()?;
    sink.process.stop()?;
    Ok(row(workload, "both tiers", &load, &used))
}

fn row(workload: &Workload, system: &str, load: &Value, used: &Value) -> Value {
    json!({"workload": workload.name, "system": system, "load": load, "used": used})
}

fn table(rows: &[Value]) -> String {
    let mut text = String::from(
        "| workload | system | items/s | p50 ms | p99 ms | CPU s per million items | peak MiB |\n|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let load = &row["load"];
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
