//! A backend that was away: what a receiver took meanwhile, with its log on disk, goes to it once it is back.
//!
//! The backend is not there while the load lasts, and what comes is more than the memory budget, so most of it has to be
//! read back from disk.

use super::figures::{count, number};
use super::machine::{Usage, mib};
use super::report::Table;
use super::rig::{Core, Keep, Lab, ReceiverSettings};
use super::workload::TRACES;
use crate::fail::Outcome;
use crate::process::{fixed_port, wait_until};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Less than what comes in some seconds.
const MEMORY: &str = "64MiB";
/// Between two tries of a receiver that finds no backend, at most.
const NOTICED: Duration = Duration::from_secs(40);

/// What came of it.
pub(super) struct CatchUp {
    items: f64,
    taking_cost: f64,
    items_a_second: f64,
    giving_cost: f64,
    noticed: Duration,
    peak_bytes: f64,
}

/// Loads for so many seconds, then lets the backend come back.
pub(super) fn measure(lab: &Lab, seconds: f64) -> Outcome<CatchUp> {
    eprintln!("catch-up");
    let backend = format!("127.0.0.1:{}", fixed_port()?);
    let receiver = lab.receiver(&ReceiverSettings {
        replicas: vec![&backend],
        keep: Keep::Interval,
        memory: MEMORY,
        shards: None,
    })?;
    let cpu = || Usage::of(&receiver.process).map(|usage| usage.cpu_seconds);
    let idle = cpu()?;
    let load = lab.faultless_load(&receiver.address, &TRACES, seconds)?;
    let (items, loaded) = (count(&load, "items")?, cpu()?);
    let sink = lab.sink(Core::Others, &["--listen", &backend])?;
    let back = Instant::now();
    let first = crate::process::wait_within(NOTICED, "the first batch", || {
        let arrived = sink.arrived()?;
        Ok((arrived > 0).then_some(arrived))
    })?;
    let (noticed, before) = (back.elapsed(), cpu()?);
    let begun = Instant::now();
    wait_until("arrival of everything", || {
        Ok((sink.arrived()? >= items).then_some(()))
    })?;
    let took = begun.elapsed().as_secs_f64();
    let after = cpu()?;
    receiver.delivered(items)?;
    let peak_bytes = Usage::of(&receiver.process)?.peak_bytes;
    receiver.process.stop()?;
    sink.process.stop()?;
    let (all, rest) = (number(&json!(items)), number(&json!(items - first)));
    Ok(CatchUp {
        items: all,
        taking_cost: (loaded - idle) / all * 1e6,
        items_a_second: rest / took,
        giving_cost: (after - before) / rest * 1e6,
        noticed,
        peak_bytes,
    })
}

impl CatchUp {
    pub(super) fn json(&self) -> Value {
        json!({
            "title": "Catch-up", "items": self.items, "items_a_second": self.items_a_second,
            "taking_cpu_seconds_a_million_items": self.taking_cost,
            "giving_cpu_seconds_a_million_items": self.giving_cost,
            "noticed_seconds": self.noticed.as_secs_f64(), "peak_mib": mib(self.peak_bytes),
        })
    }

    pub(super) fn markdown(&self) -> String {
        let mut table = Table::new(&[
            "items held",
            "CPU s per million items while the backend is away",
            "first batch after",
            "items/s to the backend",
            "CPU s per million items then",
            "peak MiB",
        ]);
        table.row(&[
            format!("{:.0}", self.items),
            format!("{:.3}", self.taking_cost),
            format!("{:.1} s", self.noticed.as_secs_f64()),
            format!("{:.0}", self.items_a_second),
            format!("{:.3}", self.giving_cost),
            format!("{:.0}", mib(self.peak_bytes)),
        ]);
        format!(
            "## Catch-up\n\nMesh traces into a receiver with {MEMORY} of budget and log `interval`, without a backend; then the \
             backend comes. All that was acked arrived.\n\n{}",
            table.text()
        )
    }
}
