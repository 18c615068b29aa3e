//! `cargo xtask bench log`: what keeping data costs. The log in memory, on disk, and on disk with a sync before each ack, side
//! by side.
//!
//! They take turns within each round, so that a machine that changes its speed changes it for all of them. The receiver has
//! a core of its own and delivers to a sink all the while; its CPU time holds delivery too, which is the same for all. With
//! `commit` the figures are the disk's as much as ours.

use super::ingest::build;
use super::machine::{Cores, Usage};
use super::rig::{IN_MEMORY, Server, faultless_load, fixture};
use super::{LOGS, TRACES, Workload, median, number, publish};
use crate::fail::Outcome;
use crate::process::fresh_folder;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

const WORKLOADS: [Workload; 2] = [
    Workload {
        in_flight: 8,
        ..TRACES
    },
    Workload {
        in_flight: 8,
        ..LOGS
    },
];

/// What is compared: a name, and `penstock.log.sync` of a log on disk.
const KINDS: [(&str, Option<&str>); 4] = [
    ("memory", None),
    ("disk, sync: none", Some("none")),
    ("disk, sync: interval", Some("interval")),
    ("disk, sync: commit", Some("commit")),
];

/// One kind's figures on one workload, one for each round.
#[derive(Default)]
struct Figures {
    items_a_second: Vec<f64>,
    bytes_a_second: Vec<f64>,
    seconds_a_million: Vec<f64>,
    p50_millis: Vec<f64>,
    p99_millis: Vec<f64>,
}

pub(super) fn run(seconds: u32, rounds: u32) -> Outcome {
    build()?;
    let folder = fresh_folder("bench/log")?;
    let cores = Cores::choose()?;
    let mut table: [[Figures; KINDS.len()]; WORKLOADS.len()] = Default::default();
    for round in 1..=rounds {
        for (workload, row) in WORKLOADS.iter().zip(&mut table) {
            for ((name, sync), figures) in KINDS.iter().zip(row) {
                eprintln!("round {round}: {}: {name}", workload.name);
                measure(&folder, &cores, workload, seconds, *sync, figures)?;
            }
        }
    }
    let mut report = format!(
        "# Log\n\n{} Medians of {rounds} rounds of {seconds} s, least and most in brackets.\n\n",
        cores.describe()
    );
    report.push_str(&markdown(&table));
    let figures = json!({"rounds": rounds, "seconds": seconds, "log": json_of(&table)});
    publish(&folder, "report", &report, &figures)
}

fn measure(
    folder: &Path,
    cores: &Cores,
    workload: &Workload,
    seconds: u32,
    sync: Option<&str>,
    figures: &mut Figures,
) -> Outcome {
    let data = folder.join("data");
    if data.exists() {
        fs::remove_dir_all(&data)?;
    }
    let log = match sync {
        None => IN_MEMORY.to_owned(),
        Some(sync) => format!("storage: disk, directory: {}, sync: {sync}", data.display()),
    };
    let sink = Server::sink(folder, cores.others.as_deref())?;
    let (core, at) = (cores.server.as_deref(), sink.address.as_str());
    let receiver = Server::receiver_with_log(folder, core, (at, at), "512MiB", &log)?;
    let warm = faultless_load(&receiver.address, workload, cores, 1)?;
    receiver.settled()?;
    let before = Usage::of(&receiver.process)?.cpu_seconds;
    let load = faultless_load(&receiver.address, workload, cores, seconds)?;
    receiver.settled()?;
    let cpu = Usage::of(&receiver.process)?.cpu_seconds - before;
    let acked = |load: &Value| load["items"].as_u64().unwrap_or_default();
    receiver.delivered(acked(&warm) + acked(&load))?;
    receiver.process.stop()?;
    sink.process.stop()?;
    #[expect(clippy::cast_precision_loss, reason = "some kilobytes")]
    let request = fs::metadata(fixture(workload.request))?.len() as f64;
    let time = number(&load["seconds"]);
    figures.items_a_second.push(number(&load["items"]) / time);
    figures
        .bytes_a_second
        .push(number(&load["calls"]) * request / time);
    figures
        .seconds_a_million
        .push(cpu / number(&load["items"]) * 1e6);
    figures.p50_millis.push(number(&load["p50_micros"]) / 1e3);
    figures.p99_millis.push(number(&load["p99_micros"]) / 1e3);
    Ok(())
}

/// The median, with the least and the most.
fn spread(values: &[f64], scale: f64, digits: usize) -> String {
    let scaled = || values.iter().map(|value| value / scale);
    let (least, most) = (
        scaled().fold(f64::INFINITY, f64::min),
        scaled().fold(f64::NEG_INFINITY, f64::max),
    );
    let middle = median(scaled().collect());
    format!("{middle:.digits$} ({least:.digits$} to {most:.digits$})")
}

fn markdown(table: &[[Figures; KINDS.len()]; WORKLOADS.len()]) -> String {
    let mut text = String::from(
        "| workload | log | items/s | MB/s | CPU s per million items | / memory | p50 ms | p99 ms |\n|---|---|---|---|---|---|---|---|\n",
    );
    for (workload, row) in WORKLOADS.iter().zip(table) {
        for ((name, _), figures) in KINDS.iter().zip(row) {
            let pairs = figures
                .seconds_a_million
                .iter()
                .zip(&row[0].seconds_a_million);
            let ratio = median(pairs.map(|(this, memory)| this / memory).collect());
            text.push_str(&format!(
                "| {}, {} x {} | {name} | {} | {} | {} | {ratio:.2} | {} | {} |\n",
                workload.name,
                workload.connections,
                workload.in_flight,
                spread(&figures.items_a_second, 1.0, 0),
                spread(&figures.bytes_a_second, 1e6, 1),
                spread(&figures.seconds_a_million, 1.0, 3),
                spread(&figures.p50_millis, 1.0, 1),
                spread(&figures.p99_millis, 1.0, 1),
            ));
        }
    }
    text
}

fn json_of(table: &[[Figures; KINDS.len()]; WORKLOADS.len()]) -> Value {
    let rows = WORKLOADS.iter().zip(table).map(|(workload, row)| {
        let kinds = KINDS.iter().zip(row).map(|((name, _), figures)| {
            json!({
                "log": name,
                "items_a_second": figures.items_a_second,
                "bytes_a_second": figures.bytes_a_second,
                "cpu_seconds_a_million_items": figures.seconds_a_million,
                "p50_millis": figures.p50_millis,
                "p99_millis": figures.p99_millis,
            })
        });
        json!({"workload": workload.name, "kinds": kinds.collect::<Vec<_>>()})
    });
    rows.collect()
}
