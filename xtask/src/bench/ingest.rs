//! `cargo xtask bench ingest`: what receiving costs, our front door beside stock tonic in one run.
//!
//! Systems take turns within each round, so that a machine that changes its speed changes it for all of them; ratios are
//! taken within a round. The server has a core of its own, and its CPU time is the OS's count for its process: it
//! holds even where the load generator is the slower of the two, while calls/s is then only a lower bound.

use super::idle::{self, Idle};
use super::machine::{Cores, Usage};
use super::rig::{Server, faultless_load};
use super::{LOGS, TRACES, Workload, median, number, publish};
use crate::fail::{Outcome, bail};
use crate::process::{Process, fresh_folder};
use crate::sh;
use serde_json::{Value, json};
use std::path::Path;

/// Some calls at a time, as sidecars under load make them; the targets are for the first.
const WORKLOADS: [Workload; 4] = [
    TRACES,
    Workload {
        name: "the same, many calls at a time",
        connections: 8,
        in_flight: 32,
        ..TRACES
    },
    Workload {
        name: "the same, one call at a time",
        in_flight: 1,
        ..TRACES
    },
    LOGS,
];

#[derive(Clone, Copy)]
enum System {
    /// A front door and what is behind it.
    Door(&'static str, &'static str),
    /// The whole receiver, delivery to a sink included.
    Receiver,
}

const SYSTEMS: [System; 5] = [
    System::Door("penstock", "none"),
    System::Door("tonic", "none"),
    System::Door("penstock", "append"),
    System::Door("tonic", "append"),
    System::Receiver,
];

/// Ours, theirs, and the share of their CPU per call that ours may have.
const TARGETS: [(usize, usize, &str, f64); 2] = [
    (0, 1, "without stages", 0.25),
    (2, 3, "check and append on both sides", 0.5),
];

/// A system's figures on a workload, one for each round.
#[derive(Default)]
struct Figures {
    calls_a_second: Vec<f64>,
    micros_a_call: Vec<f64>,
    seconds_a_million: Vec<f64>,
    server_busy: Vec<f64>,
    load_busy: Vec<f64>,
}

pub(super) fn run(seconds: u32, rounds: u32) -> Outcome {
    build()?;
    let folder = fresh_folder("bench/ingest")?;
    let cores = Cores::choose()?;
    let mut table: [[Figures; 5]; 4] = Default::default();
    for round in 1..=rounds {
        for (workload, row) in WORKLOADS.iter().zip(&mut table) {
            for (system, figures) in SYSTEMS.iter().zip(row) {
                eprintln!("round {round}: {}: {}", workload.name, system.name());
                system.measure(&folder, &cores, workload, seconds, figures)?;
            }
        }
    }
    let mut connections = Vec::new();
    for system in [SYSTEMS[0], SYSTEMS[1], SYSTEMS[4]] {
        eprintln!("idle connections: {}", system.name());
        let (server, sink) = system.start(&folder, &cores)?;
        let idle = idle::measure(&folder, &cores, system.name(), &server);
        stop(server, sink)?;
        connections.push(idle?);
    }
    let mut report = format!(
        "# Ingest\n\n{} Medians of {rounds} rounds of {seconds} s.\n\n",
        cores.describe()
    );
    report.push_str(&markdown(&table));
    report.push_str(&Idle::markdown(&connections));
    let connections: Vec<_> = connections.iter().map(Idle::json).collect();
    let figures = json!({"rounds": rounds, "seconds": seconds, "ingest": json_of(&table), "idle": connections});
    publish(&folder, "report", &report, &figures)
}

/// Only what takes part, as release builds take long.
pub(super) fn build() -> Outcome {
    let packages = [
        "-p",
        "penstock-integration-tests",
        "-p",
        "penstock-receiver",
    ];
    let build = ["build", "--release", "--bins"].into_iter();
    sh::cargo(&build.chain(packages).collect::<Vec<_>>())
}

impl System {
    fn name(self) -> &'static str {
        match self {
            Self::Door("tonic", "none") => "tonic, no stages",
            Self::Door("tonic", _) => "tonic, check + append",
            Self::Door(_, "none") => "penstock, no stages",
            Self::Door(..) => "penstock, check + append",
            Self::Receiver => "receiver, to delivery",
        }
    }

    /// The server under test, and the backend if it needs one.
    fn start(self, folder: &Path, cores: &Cores) -> Outcome<(Server, Option<Process>)> {
        let core = cores.server.as_deref();
        match self {
            Self::Door(door, behind) => {
                let start = (core, "bench-door", [door, behind]);
                let start = (start.0, start.1, start.2.as_slice());
                Ok((Server::start(folder, "door", start, "door ready")?, None))
            }
            Self::Receiver => {
                let sink = Server::sink(folder, cores.others.as_deref())?;
                let at = sink.address.as_str();
                let receiver = Server::receiver(folder, core, at, at, "512MiB")?;
                Ok((receiver, Some(sink.process)))
            }
        }
    }

    fn measure(
        self,
        folder: &Path,
        cores: &Cores,
        workload: &Workload,
        seconds: u32,
        figures: &mut Figures,
    ) -> Outcome {
        let (mut server, sink) = self.start(folder, cores)?;
        let warm = faultless_load(&server.address, workload, cores, 1)?;
        self.quiet(&server)?;
        let before = Usage::of(&server.process)?.cpu_seconds;
        let load = faultless_load(&server.address, workload, cores, seconds)?;
        self.quiet(&server)?;
        let cpu = Usage::of(&server.process)?.cpu_seconds - before;
        let sum = |field: &str| {
            load[field].as_u64().unwrap_or_default() + warm[field].as_u64().unwrap_or_default()
        };
        match self {
            Self::Receiver => {
                server.delivered(sum("items"))?;
                stop(server, sink)?;
            }
            Self::Door(_, behind) => {
                server.process.signal("TERM")?;
                let last = server.process.ready("door closed")?;
                server.process.wait()?;
                let items = if behind == "append" { sum("items") } else { 0 };
                let arrived = (last["calls"].as_u64(), last["items"].as_u64());
                if arrived != (Some(sum("calls")), Some(items)) {
                    bail!("{warm} and {load} were acked, but arrived: {last}");
                }
            }
        }
        let (calls, items) = (number(&load["calls"]), number(&load["items"]));
        let time = number(&load["seconds"]);
        figures.calls_a_second.push(calls / time);
        figures.micros_a_call.push(cpu / calls * 1e6);
        figures.seconds_a_million.push(cpu / items * 1e6);
        figures.server_busy.push(cpu / time);
        figures.load_busy.push(number(&load["cpu_seconds"]) / time);
        Ok(())
    }

    /// What a receiver still delivers is part of its work.
    fn quiet(self, server: &Server) -> Outcome {
        match self {
            Self::Receiver => server.settled().map(drop),
            Self::Door(..) => Ok(()),
        }
    }
}

fn stop(server: Server, sink: Option<Process>) -> Outcome {
    server.process.stop()?;
    if let Some(sink) = sink {
        sink.stop()?;
    }
    Ok(())
}

/// Ours over theirs, round by round.
fn ratio(row: &[Figures; 5], ours: usize, theirs: usize) -> f64 {
    let pairs = row[ours]
        .micros_a_call
        .iter()
        .zip(&row[theirs].micros_a_call);
    median(pairs.map(|(ours, theirs)| ours / theirs).collect())
}

fn markdown(table: &[[Figures; 5]; 4]) -> String {
    let mut text = String::from(
        "| workload | system | calls/s | CPU s per million items | CPU us per call | server busy | load busy |\n|---|---|---|---|---|---|---|\n",
    );
    for (workload, row) in WORKLOADS.iter().zip(table) {
        for (system, figures) in SYSTEMS.iter().zip(row) {
            let of = |values: &Vec<f64>| median(values.clone());
            text.push_str(&format!(
                "| {}, {} x {} | {} | {:.0} | {:.3} | {:.2} | {:.0} % | {:.0} % |\n",
                workload.name,
                workload.connections,
                workload.in_flight,
                system.name(),
                of(&figures.calls_a_second),
                of(&figures.seconds_a_million),
                of(&figures.micros_a_call),
                of(&figures.server_busy) * 100.0,
                of(&figures.load_busy) * 100.0,
            ));
        }
    }
    text.push_str("\nCPU per call, penstock / tonic:\n\n| workload | behind the door | ratio | target |\n|---|---|---|---|\n");
    for (n, (workload, row)) in WORKLOADS.iter().zip(table).enumerate() {
        for (ours, theirs, behind, target) in TARGETS {
            let ratio = ratio(row, ours, theirs);
            let verdict = match (n, ratio <= target) {
                (0, true) => format!("<= {target}: met"),
                (0, false) => format!("<= {target}: MISSED"),
                _ => "-".to_owned(),
            };
            text.push_str(&format!(
                "| {} | {behind} | {ratio:.3} | {verdict} |\n",
                workload.name
            ));
        }
    }
    text.push('\n');
    text
}

fn json_of(table: &[[Figures; 5]; 4]) -> Value {
    let rows = WORKLOADS.iter().zip(table).map(|(workload, row)| {
        let systems = SYSTEMS.iter().zip(row).map(|(system, figures)| {
            json!({
                "system": system.name(),
                "calls_a_second": figures.calls_a_second,
                "cpu_micros_a_call": figures.micros_a_call,
                "cpu_seconds_a_million_items": figures.seconds_a_million,
                "server_busy": figures.server_busy,
                "load_busy": figures.load_busy,
            })
        });
        let ratios = TARGETS.map(|(ours, theirs, behind, target)| {
            json!({"behind": behind, "ratio": ratio(row, ours, theirs), "target": target})
        });
        json!({
            "workload": workload.name,
            "request": workload.request,
            "connections": workload.connections,
            "in_flight": workload.in_flight,
            "systems": systems.collect::<Vec<_>>(),
            "ratio_to_tonic": ratios,
        })
    });
    rows.collect()
}
