//! Systems beside each other on the same workloads.
//!
//! They take turns within each round, so that a machine that changes its speed changes it for all of them; ratios are taken
//! within a round. The system under test has a core of its own, and its CPU time is the OS's count for its processes: it
//! holds even where the load generator is the slower of the two, while items/s is then only a lower bound. What is still to be
//! delivered when the load ends is part of a system's work.

use super::figures::{Figures, Sample, Verdict, count, median};
use super::report::Table;
use super::rig::Lab;
use super::system::System;
use super::workload::Workload;
use crate::fail::Outcome;
use serde_json::{Value, json};

/// Part of the measured time for which a system is loaded before.
const WARM_UP: f64 = 0.25;

/// What is compared, and what is asked for.
pub(super) struct Comparison {
    pub(super) title: &'static str,
    /// What a reader has to know.
    pub(super) note: String,
    pub(super) workloads: Vec<Workload>,
    pub(super) systems: Vec<System>,
    pub(super) targets: Vec<Target>,
    figures: Vec<Vec<Figures>>,
}

/// What is asked of a system on a workload, both by their places in the comparison.
pub(super) struct Target {
    pub(super) workload: usize,
    pub(super) system: usize,
    pub(super) asked: Asked,
}

pub(super) enum Asked {
    /// Cost, as a part of the least cost of others, each of which is multiplied first.
    Cost {
        against: Vec<(usize, f64)>,
        most: f64,
    },
    /// Milliseconds from send to ack of 99 of 100 calls.
    P99(f64),
}

impl Comparison {
    pub(super) fn new(
        title: &'static str,
        workloads: Vec<Workload>,
        systems: Vec<System>,
        targets: Vec<Target>,
    ) -> Self {
        let row = || systems.iter().map(|_| Figures::default()).collect();
        let figures = workloads.iter().map(|_| row()).collect();
        Self {
            title,
            note: String::new(),
            workloads,
            systems,
            targets,
            figures,
        }
    }

    pub(super) fn figures(&self, workload: usize, system: usize) -> &Figures {
        &self.figures[workload][system]
    }

    /// One more measurement of everything.
    pub(super) fn round(&mut self, lab: &Lab, seconds: f64) -> Outcome {
        for (workload, row) in self.workloads.iter().zip(&mut self.figures) {
            for (system, figures) in self.systems.iter().zip(row) {
                eprintln!("{}: {}", workload.name, system.name());
                let sample = measure(lab, workload, system, seconds);
                let named = |error| format!("{}: {}: {error}", workload.name, system.name());
                figures.0.push(sample.map_err(named)?);
            }
        }
        Ok(())
    }

    pub(super) fn verdicts(&self) -> Vec<Verdict> {
        self.targets
            .iter()
            .map(|target| self.verdict(target))
            .collect()
    }

    fn verdict(&self, target: &Target) -> Verdict {
        let row = &self.figures[target.workload];
        let (ours, name) = (&row[target.system], self.systems[target.system].name());
        let workload = self.workloads[target.workload].name;
        match &target.asked {
            Asked::P99(most) => {
                let what = format!("{workload}: {name}: p99, ms");
                Verdict::at_most(what, ours.median(Sample::p99_millis), *most)
            }
            Asked::Cost { against, most } => {
                let least = |round: usize| {
                    let costs = against.iter();
                    let costs = costs.map(|(n, factor)| row[*n].0[round].cost() * factor);
                    costs.fold(f64::INFINITY, f64::min)
                };
                let ratios = ours.0.iter().enumerate();
                let ratios = ratios.map(|(round, sample)| sample.cost() / least(round));
                let others = against.iter().map(|(n, factor)| {
                    let name = self.systems[*n].name();
                    if (*factor - 1.0).abs() < f64::EPSILON {
                        name
                    } else {
                        format!("{factor:.2} x {name}")
                    }
                });
                let others = others.collect::<Vec<_>>().join(" or ");
                let what = format!("{workload}: CPU of {name} / {others}");
                Verdict::at_most(what, median(ratios.collect()), *most)
            }
        }
    }

    pub(super) fn markdown(&self) -> String {
        let mut table = Table::new(&[
            "workload",
            "system",
            "items/s",
            "CPU s per million items",
            "CPU us a call",
            "p50 / p99 ms",
            "busy: system, load, sink",
            "of it, peak MiB",
        ]);
        for (workload, row) in self.workloads.iter().zip(&self.figures) {
            for (system, figures) in self.systems.iter().zip(row) {
                let processes = figures.processes();
                let one = |(name, cost, peak): &(&str, f64, f64)| match processes.len() {
                    1 => format!("{peak:.0}"),
                    _ => format!("{name} {cost:.3} s, {peak:.0}"),
                };
                table.row(&[
                    workload.shape(),
                    system.name(),
                    format!("{:.0}", figures.median(Sample::items_a_second)),
                    figures.spread(Sample::cost, 3),
                    format!("{:.2}", figures.median(Sample::micros_a_call)),
                    format!(
                        "{:.1} / {:.1}",
                        figures.median(Sample::p50_millis),
                        figures.median(Sample::p99_millis)
                    ),
                    format!(
                        "{:.0} %, {:.0} %, {:.0} %",
                        figures.median(Sample::busy) * 100.0,
                        figures.median(Sample::load_busy) * 100.0,
                        figures.median(Sample::sink_busy) * 100.0
                    ),
                    processes.iter().map(one).collect::<Vec<_>>().join("; "),
                ]);
            }
        }
        format!("## {}\n\n{}{}\n", self.title, self.note, table.text())
    }

    pub(super) fn json(&self) -> Value {
        let rows = self.workloads.iter().zip(&self.figures);
        let rows = rows.flat_map(|(workload, row)| {
            self.systems.iter().zip(row).map(|(system, figures)| {
                json!({"workload": workload.shape(), "system": system.name(), "samples": figures.json()})
            })
        });
        json!({"title": self.title, "rows": rows.collect::<Vec<_>>()})
    }
}

fn measure(lab: &Lab, workload: &Workload, system: &System, seconds: f64) -> Outcome<Sample> {
    let running = system.start(lab)?;
    let warm = lab.faultless_load(&running.address, workload, seconds * WARM_UP)?;
    let (calls, items) = (count(&warm, "calls")?, count(&warm, "items")?);
    running.settle(items)?;
    let before = running.used()?;
    let load = lab.faultless_load(&running.address, workload, seconds)?;
    let (calls, items) = (
        calls + count(&load, "calls")?,
        items + count(&load, "items")?,
    );
    running.settle(items)?;
    let after = running.used()?;
    running.stop(calls, items)?;
    Ok(Sample::new(load, before, after))
}
