//! `cargo xtask bench overload`: twice the load that can be taken.
//!
//! The maximum is what a closed loop gets answered with as many connections and unanswered calls as the overload has, before
//! and after it, as machines change their speed. Overload is an open loop: it begins twice as many calls a second, whether or
//! not earlier ones were answered; on a connection that has its unanswered calls, those that are due find no place and are told
//! apart. Goodput is calls answered with OK; every one of them must arrive. Of calls that found a place none may fail: their
//! senders would not repeat them. For comparison there is the maximum of a closed loop with few unanswered calls.
//!
//! In the first two cases the receiver's core is what there is too little of, once with some thousands of unanswered calls in all
//! and once with as many as Envoy allows itself. In the third it is the backend, so that the log fills up.
//!
//! Memory must stay within the budget and what lies outside of it by design: the process itself, and held calls.

use super::figures::{Verdict, count, number};
use super::full::build;
use super::machine::{Usage, mib};
use super::report::{Report, Table};
use super::rig::{Core, Keep, Lab, ReceiverSettings, Server};
use super::workload::{TRACES, Workload};
use crate::fail::{Outcome, bail};
use serde_json::{Value, json};

/// `penstock.memory.limit`.
const BUDGET: f64 = 256.0 * MIB;
const BUDGET_SETTING: &str = "256MiB";
/// Held calls, which the receiver bounds by a quarter of the budget.
const HELD: f64 = BUDGET / 4.0;
/// Code, stacks, tables, buffers of the allocator, the state of calls under way.
const PROCESS: f64 = 64.0 * MIB;
const MIB: f64 = 1024.0 * 1024.0;
/// Goodput under overload, as a part of the maximum.
const TARGET: f64 = 0.95;
/// Unanswered calls on each connection where they are few.
const FEW: u32 = 8;
const CONNECTIONS: u32 = 50;

/// A way to be overloaded.
struct Case {
    scarce: &'static str,
    /// Unanswered calls on each connection.
    in_flight: u32,
    /// What the backend takes for a batch, in milliseconds.
    delay: u32,
}

const CASES: [Case; 3] = [
    Case {
        scarce: "the receiver's core",
        in_flight: 64,
        delay: 0,
    },
    Case {
        scarce: "the receiver's core",
        in_flight: 1024,
        delay: 0,
    },
    Case {
        scarce: "the backend",
        in_flight: 1024,
        delay: 300,
    },
];

/// What came of all cases.
pub(super) struct Floods(Vec<Flood>);

pub(super) fn run(seconds: f64) -> Outcome {
    build()?;
    let lab = Lab::new("bench/overload", "release")?;
    let floods = measure(&lab, seconds)?;
    let mut report = Report::default();
    report.add(floods.markdown(), floods.json(), floods.verdicts());
    let conditions = format!("{seconds} s of twice the maximum each.");
    report.publish(&lab, "Overload", &conditions)?;
    if report.missed() > 0 {
        bail!("overload: a target was missed");
    }
    Ok(())
}

/// Floods a receiver in every way, for so many seconds each.
pub(super) fn measure(lab: &Lab, seconds: f64) -> Outcome<Floods> {
    let floods: Outcome<_> = CASES
        .into_iter()
        .map(|case| case.flood(lab, seconds))
        .collect();
    Ok(Floods(floods?))
}

impl Floods {
    pub(super) fn verdicts(&self) -> Vec<Verdict> {
        let all = self.0.iter().flat_map(|flood| {
            let what = |what| format!("overload of {}: {what}", flood.case.name());
            let failures = number(&flood.load["failures"]);
            [
                Verdict {
                    at_least: true,
                    ..Verdict::at_most(
                        what("goodput / maximum"),
                        flood.goodput() / flood.maximum,
                        TARGET,
                    )
                },
                Verdict::at_most(what("refused or failed"), failures, 0.0),
                Verdict::at_most(
                    what("peak MiB"),
                    mib(flood.peak_bytes),
                    mib(BUDGET + HELD + PROCESS),
                ),
            ]
        });
        all.collect()
    }

    pub(super) fn markdown(&self) -> String {
        let mut table = Table::new(&[
            "scarce, unanswered calls a connection",
            "maximum calls/s (with few)",
            "goodput calls/s",
            "goodput / maximum",
            "refused or failed",
            "found no place",
            "p50 / p99 ms",
            "receiver busy",
            "peak MiB",
        ]);
        for flood in &self.0 {
            table.row(&[
                flood.case.name(),
                format!("{:.0} ({:.0})", flood.maximum, flood.easy),
                format!("{:.0}", flood.goodput()),
                format!("{:.3}", flood.goodput() / flood.maximum),
                flood.load["failures"].to_string(),
                flood.load["unsent"].to_string(),
                format!(
                    "{:.0} / {:.0}",
                    number(&flood.load["p50_micros"]) / 1e3,
                    number(&flood.load["p99_micros"]) / 1e3
                ),
                format!("{:.0} %", flood.busy * 100.0),
                format!("{:.0}", mib(flood.peak_bytes)),
            ]);
        }
        format!(
            "## Overload\n\nTwice the maximum of a closed loop of the same shape, {CONNECTIONS} connections, log in memory, \
             {:.0} MiB of budget. Everything that was acked was delivered.\n\n{}",
            mib(BUDGET),
            table.text()
        )
    }

    pub(super) fn json(&self) -> Value {
        json!({"title": "Overload", "rows": self.0.iter().map(Flood::json).collect::<Vec<_>>()})
    }
}

/// What came of too many calls.
struct Flood {
    case: Case,
    /// Calls a second of a closed loop of the same shape.
    maximum: f64,
    /// The same with few unanswered calls.
    easy: f64,
    load: Value,
    busy: f64,
    peak_bytes: f64,
}

impl Flood {
    fn goodput(&self) -> f64 {
        calls_a_second(&self.load)
    }

    fn json(&self) -> Value {
        json!({
            "scarce": self.case.scarce, "in_flight": self.case.in_flight, "delay_millis": self.case.delay,
            "maximum_calls_a_second": self.maximum, "easy_calls_a_second": self.easy, "load": self.load,
            "receiver_busy": self.busy, "goodput_calls_a_second": self.goodput(), "peak_bytes": self.peak_bytes,
        })
    }
}

impl Case {
    fn name(&self) -> String {
        format!("{}, {}", self.scarce, self.in_flight)
    }

    fn flood(self, lab: &Lab, seconds: f64) -> Outcome<Flood> {
        eprintln!("overload: {}", self.name());
        let look = seconds / 4.0;
        let easy = self.maximum(lab, FEW, look)?;
        let before = self.maximum(lab, self.in_flight, look)?;
        let (receiver, sink) = self.receiver(lab)?;
        let workload = workload(self.in_flight, Some(before * 2.0));
        let idle = Usage::of(&receiver.process)?.cpu_seconds;
        let load = lab.load(&receiver.address, &workload, seconds)?;
        let busy = (Usage::of(&receiver.process)?.cpu_seconds - idle) / number(&load["seconds"]);
        receiver.delivered(count(&load, "items")?)?;
        let peak_bytes = Usage::of(&receiver.process)?.peak_bytes;
        receiver.process.stop()?;
        sink.process.stop()?;
        let after = self.maximum(lab, self.in_flight, look)?;
        Ok(Flood {
            case: self,
            maximum: f64::midpoint(before, after),
            easy,
            load,
            busy,
            peak_bytes,
        })
    }

    /// Calls a second that a closed loop gets answered.
    fn maximum(&self, lab: &Lab, in_flight: u32, seconds: f64) -> Outcome<f64> {
        let (receiver, sink) = self.receiver(lab)?;
        let workload = workload(in_flight, None);
        let warm = lab.faultless_load(&receiver.address, &workload, seconds / 5.0)?;
        let most = lab.faultless_load(&receiver.address, &workload, seconds)?;
        receiver.delivered(count(&warm, "items")? + count(&most, "items")?)?;
        receiver.process.stop()?;
        sink.process.stop()?;
        Ok(calls_a_second(&most))
    }

    /// A fresh receiver with its core to itself, and the sink that it delivers to.
    fn receiver(&self, lab: &Lab) -> Outcome<(Server, Server)> {
        let sink = lab.sink(Core::Others, &["--delay", &self.delay.to_string()])?;
        let receiver = lab.receiver(&ReceiverSettings {
            replicas: vec![&sink.address],
            keep: Keep::Memory,
            memory: BUDGET_SETTING,
            shards: None,
        })?;
        Ok((receiver, sink))
    }
}

fn workload(in_flight: u32, rate: Option<f64>) -> Workload {
    Workload {
        connections: CONNECTIONS,
        in_flight,
        rate,
        ..TRACES
    }
}

fn calls_a_second(load: &Value) -> f64 {
    number(&load["calls"]) / number(&load["seconds"])
}
