//! `cargo xtask bench`: a load generator against the release binaries, CPU and memory of each process from the OS.
//!
//! What is reported must add up first: every item that the load generator saw acked has arrived. Reports go to
//! `target/bench`, as Markdown and JSON.

mod idle;
mod ingest;
mod log;
mod machine;
mod overload;
mod rig;
mod whole;

use crate::fail::{Outcome, bail};
use serde_json::Value;
use std::fs;
use std::path::Path;

/// `bench [seconds]`, `bench ingest [seconds] [rounds]`, `bench log [seconds] [rounds]`, `bench overload [seconds]`.
pub(crate) fn run(words: &[&str]) -> Outcome {
    machine::take_precedence();
    match words {
        ["ingest"] => ingest::run(3, 5),
        ["ingest", seconds] => ingest::run(whole_number(seconds)?, 5),
        ["ingest", seconds, rounds] => ingest::run(whole_number(seconds)?, whole_number(rounds)?),
        ["log"] => log::run(5, 5),
        ["log", seconds] => log::run(whole_number(seconds)?, 5),
        ["log", seconds, rounds] => log::run(whole_number(seconds)?, whole_number(rounds)?),
        ["overload"] => overload::run(60),
        ["overload", seconds] => overload::run(whole_number(seconds)?),
        [] => whole::run(10),
        [seconds] => whole::run(whole_number(seconds)?),
        _ => bail!(
            "bench [seconds] | bench ingest [seconds] [rounds] | bench log [seconds] [rounds] | bench overload [seconds]"
        ),
    }
}

fn whole_number(word: &str) -> Outcome<u32> {
    let number = word.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| format!("`{word}` is no whole number above 0").into())
}

/// A captured request and how it is sent.
struct Workload {
    name: &'static str,
    /// A file of fixtures/otlp.
    request: &'static str,
    connections: u32,
    /// Unanswered calls on each connection.
    in_flight: u32,
}

const TRACES: Workload = Workload {
    name: "mesh traces: 5 spans a call",
    request: "fast-traces-0001.pb",
    connections: 50,
    in_flight: 4,
};
const LOGS: Workload = Workload {
    name: "mesh logs: access log records",
    request: "fast-logs-0010.pb",
    connections: 50,
    in_flight: 4,
};
const METRICS: Workload = Workload {
    name: "mesh metrics: a sidecar's scrape",
    request: "SYNTH-kumadp-out10-v3-metrics-0001.pb",
    connections: 10,
    in_flight: 1,
};

/// Prints a report and writes it to the folder, with all figures behind it.
fn publish(folder: &Path, name: &str, report: &str, figures: &Value) -> Outcome {
    println!("\n{report}");
    fs::write(folder.join(format!("{name}.md")), report)?;
    let json = serde_json::to_vec_pretty(figures)?;
    fs::write(folder.join(format!("{name}.json")), json)?;
    println!("also in {}/{name}.{{md,json}}", folder.display());
    Ok(())
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

/// The middle one, or the mean of the middle two.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}
