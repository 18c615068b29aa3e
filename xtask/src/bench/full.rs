//! `cargo xtask bench`: every comparison in one run, and what is asked of each.
//!
//! The targets for cost are parts of the best peer's. Where it is not at hand, tonic with raw bytes stands for it: it neither
//! checks, counts nor keeps anything, and costs `SHARES` of the best peer on the same workload.

use super::compare::{Asked, Comparison, Target};
use super::figures::Sample;
use super::idle::{self, Idle};
use super::report::Report;
use super::rig::{Keep, Lab};
use super::system::System;
use super::workload::{BULK_METRICS, BULK_TRACES, LOGS, LOW_RATE, METRICS, TRACES, Workload};
use super::{Options, catch_up, overload};
use crate::fail::{Outcome, bail};
use crate::sh;
use std::time::Duration;

/// What tonic costs, as a part of the best peer; and what we may, with the log in memory and with `interval`.
const SHARES: [(Workload, f64, f64, f64); 4] = [
    (TRACES, 0.69, 0.30, 0.40),
    (LOGS, 0.70, 0.40, 0.50),
    (BULK_TRACES, 0.69, 0.75, 0.90),
    (BULK_METRICS, 0.75, 0.85, 1.0),
];
/// Both tiers, as a part of the receiver alone; `commit`, as a part of `interval`.
const TIERS: f64 = 1.6;
const COMMIT: f64 = 1.3;
/// Part of the maximum at which latency is measured, and what it may be in milliseconds.
const LATENCY_LOAD: f64 = 0.7;
const LATENCY: f64 = 10.0;
const CONNECTIONS: u32 = 10_000;

/// Places in the list of systems; peers come after them.
const TONIC: usize = 1;
const MEMORY: usize = 2;
const INTERVAL: usize = 3;
const COMMITTED: usize = 4;
const TIERS_MEMORY: usize = 5;
const PEERS: usize = 7;

/// Only what takes part, as release builds take long.
pub(super) fn build() -> Outcome {
    let packages = [
        "penstock-integration-tests",
        "penstock-receiver",
        "penstock-exporter-otlp",
    ];
    let packages = packages.iter().flat_map(|package| ["-p", package]);
    let build = ["build", "--release", "--bins"].into_iter();
    sh::cargo(&build.chain(packages).collect::<Vec<_>>())
}

/// Measures everything so many times.
pub(super) fn rounds(lab: &Lab, all: &mut [Comparison], seconds: f64, count: u32) -> Outcome {
    for round in 1..=count {
        eprintln!("round {round} of {count}");
        for comparison in &mut *all {
            comparison.round(lab, seconds)?;
        }
    }
    Ok(())
}

pub(super) fn run(options: &Options) -> Outcome {
    let (profile, folder) = if options.smoke {
        ("debug", "bench/smoke")
    } else {
        build()?;
        ("release", "bench/full")
    };
    let lab = Lab::new(folder, profile)?;
    let mut all = [throughput(options), low_rate(options), fan_out(), shards()];
    rounds(&lab, &mut all, options.seconds, options.rounds)?;
    let mut latency = [latency(&all[0])];
    rounds(&lab, &mut latency, options.seconds, options.rounds)?;
    let (connections, settle) = if options.smoke {
        (200, Duration::from_millis(200))
    } else {
        (CONNECTIONS, idle::SETTLE)
    };
    let idle = [
        idle::receiver(&lab, connections, settle)?,
        idle::exporter(&lab, settle)?,
    ];
    let catch_up = catch_up::measure(&lab, options.seconds * 2.0)?;
    let floods = overload::measure(&lab, options.seconds * 3.0)?;

    let mut report = Report::default();
    for comparison in all.iter().chain(&latency) {
        let verdicts = comparison.verdicts();
        report.add(comparison.markdown(), comparison.json(), verdicts);
    }
    let verdicts = Idle::verdicts(&idle);
    report.add(Idle::markdown(&idle), Idle::figures(&idle), verdicts);
    report.add(catch_up.markdown(), catch_up.json(), Vec::new());
    report.add(floods.markdown(), floods.json(), floods.verdicts());
    let (rounds, seconds) = (options.rounds, options.seconds);
    let smoke = if options.smoke {
        report.acquit();
        " A SMOKE RUN: binaries that are not optimised, figures without meaning."
    } else {
        ""
    };
    let conditions =
        format!("Medians of {rounds} rounds of {seconds} s, least and most in brackets.{smoke}");
    report.publish(&lab, "Penstock under load", &conditions)?;
    match report.missed() {
        missed if missed > 0 => bail!("bench: {missed} targets were missed"),
        _ => Ok(()),
    }
}

fn throughput(options: &Options) -> Comparison {
    let mut systems = vec![
        System::Floor,
        System::Tonic,
        System::Receiver(Keep::Memory),
        System::Receiver(Keep::Interval),
        System::Receiver(Keep::Commit),
        System::BothTiers(Keep::Memory),
        System::BothTiers(Keep::Interval),
    ];
    systems.extend(options.peers.iter().cloned().map(System::Peer));
    let mut targets = Vec::new();
    for (workload, (_, share, memory, interval)) in SHARES.into_iter().enumerate() {
        let mut target = |system, against, most| {
            targets.push(Target {
                workload,
                system,
                asked: Asked::Cost { against, most },
            });
        };
        let best = || {
            let peers = (PEERS..systems.len()).map(|peer| (peer, 1.0));
            [(TONIC, 1.0 / share)].into_iter().chain(peers).collect()
        };
        target(MEMORY, best(), memory);
        target(INTERVAL, best(), interval);
        target(COMMITTED, vec![(INTERVAL, 1.0)], COMMIT);
        target(TIERS_MEMORY, vec![(MEMORY, 1.0)], TIERS);
    }
    let mut workloads = SHARES.map(|(workload, ..)| workload).to_vec();
    workloads.push(METRICS);
    let mut comparison = Comparison::new("Throughput", workloads, systems, targets);
    comparison.note = "`sink alone` is the floor: the load generator straight into the sink, which is then what is measured. \
                       Where the load generator's core is full, items/s is only what it could send.\n\n"
        .to_owned();
    comparison
}

fn low_rate(options: &Options) -> Comparison {
    let mut systems = vec![
        System::Tonic,
        System::Receiver(Keep::Memory),
        System::Receiver(Keep::Interval),
        System::BothTiers(Keep::Interval),
    ];
    systems.extend(options.peers.iter().cloned().map(System::Peer));
    let mut comparison = Comparison::new("Low rate", vec![LOW_RATE], systems, Vec::new());
    comparison.note = "Wake-ups are most of the cost.\n\n".to_owned();
    comparison
}

fn fan_out() -> Comparison {
    let systems = [1, 2, 4].map(System::FanOut).to_vec();
    let mut comparison = Comparison::new("Fan-out", vec![TRACES], systems, Vec::new());
    comparison.note =
        "Every exporter delivers all of it, to the same sink. Items are those accepted.\n\n"
            .to_owned();
    comparison
}

/// What a second shard costs the first one. Load generator and sink stay on their core, or there would be nothing to take.
fn shards() -> Comparison {
    let systems = [1, 2].map(System::Shards).to_vec();
    let workloads = vec![TRACES, BULK_TRACES];
    let mut comparison = Comparison::new("Shards", workloads, systems, Vec::new());
    comparison.note = "What counts is CPU for an item: as much with two as with one means that shards do not hinder each \
                       other. On two cores items/s is what load generator and sink leave of theirs.\n\n"
        .to_owned();
    comparison
}

/// Where the load is below what the receiver can take.
fn latency(throughput: &Comparison) -> Comparison {
    let most = throughput
        .figures(0, INTERVAL)
        .median(Sample::calls_a_second);
    let workload = Workload {
        name: "mesh traces at 70 % load",
        rate: Some(most * LATENCY_LOAD),
        in_flight: 64,
        ..TRACES
    };
    let target = Target {
        workload: 0,
        system: 0,
        asked: Asked::P99(LATENCY),
    };
    let systems = [Keep::Interval, Keep::Commit]
        .map(System::Receiver)
        .to_vec();
    let mut comparison = Comparison::new("Latency", vec![workload], systems, vec![target]);
    comparison.note = format!(
        "{:.0} calls/s, 0.7 of what the receiver with log `interval` took above; from the call's beginning to its ack.\n\n",
        most * LATENCY_LOAD
    );
    comparison
}
