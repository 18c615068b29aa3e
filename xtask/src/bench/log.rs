//! `cargo xtask bench log`: what keeping data costs. The log in memory, on disk, and on disk with a sync before each ack, side
//! by side; with `commit` the figures are the disk's as much as ours.

use super::compare::Comparison;
use super::full::{build, rounds};
use super::report::Report;
use super::rig::{Keep, Lab};
use super::system::System;
use super::workload::{LOGS, TRACES, Workload};
use crate::fail::Outcome;

const WORKLOADS: [Workload; 2] = [
    Workload {
        connections: 50,
        in_flight: 8,
        ..TRACES
    },
    Workload {
        connections: 50,
        in_flight: 8,
        ..LOGS
    },
];

pub(super) fn run(seconds: f64, count: u32) -> Outcome {
    build()?;
    let lab = Lab::new("bench/log", "release")?;
    let kinds = [Keep::Memory, Keep::Unsynced, Keep::Interval, Keep::Commit];
    let systems = kinds.map(System::Receiver).to_vec();
    let mut all = [Comparison::new(
        "The log",
        WORKLOADS.to_vec(),
        systems,
        Vec::new(),
    )];
    rounds(&lab, &mut all, seconds, count)?;
    let mut report = Report::default();
    report.add(all[0].markdown(), all[0].json(), Vec::new());
    let conditions =
        format!("Medians of {count} rounds of {seconds} s, least and most in brackets.");
    report.publish(&lab, "Log", &conditions)
}
