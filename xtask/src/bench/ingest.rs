//! `cargo xtask bench ingest`: what receiving costs, our front door beside stock tonic in one run.

use super::compare::{Asked, Comparison, Target};
use super::full::{build, rounds};
use super::idle::{self, Idle};
use super::report::Report;
use super::rig::{Keep, Lab};
use super::system::System;
use super::workload::{LOGS, TRACES, Workload};
use crate::fail::Outcome;

/// Some calls at a time, as sidecars under load make them; the targets are for the first.
const WORKLOADS: [Workload; 4] = [
    Workload {
        connections: 50,
        in_flight: 4,
        ..TRACES
    },
    Workload {
        name: "the same, many calls at a time",
        connections: 8,
        in_flight: 32,
        ..TRACES
    },
    Workload {
        name: "the same, one call at a time",
        connections: 50,
        in_flight: 1,
        ..TRACES
    },
    Workload {
        connections: 50,
        in_flight: 4,
        ..LOGS
    },
];
const CONNECTIONS: u32 = 10_000;

pub(super) fn run(seconds: f64, count: u32) -> Outcome {
    build()?;
    let lab = Lab::new("bench/ingest", "release")?;
    let systems = vec![
        System::Door("penstock", "none"),
        System::Door("tonic", "none"),
        System::Door("penstock", "append"),
        System::Door("tonic", "append"),
        System::Receiver(Keep::Memory),
    ];
    let target = |ours, theirs, most| Target {
        workload: 0,
        system: ours,
        asked: Asked::Cost {
            against: vec![(theirs, 1.0)],
            most,
        },
    };
    let targets = vec![target(0, 1, 0.25), target(2, 3, 0.5)];
    let mut all = [Comparison::new(
        "Receiving",
        WORKLOADS.to_vec(),
        systems,
        targets,
    )];
    rounds(&lab, &mut all, seconds, count)?;
    let mut idle = idle::doors(&lab, CONNECTIONS)?;
    idle.push(idle::receiver(&lab, CONNECTIONS, idle::SETTLE)?);
    let mut report = Report::default();
    for comparison in &all {
        report.add(
            comparison.markdown(),
            comparison.json(),
            comparison.verdicts(),
        );
    }
    report.add(
        Idle::markdown(&idle),
        Idle::figures(&idle),
        Idle::verdicts(&idle),
    );
    let conditions =
        format!("Medians of {count} rounds of {seconds} s, least and most in brackets.");
    report.publish(&lab, "Ingest", &conditions)
}
