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

use super::ingest::build;
use super::machine::{Cores, Usage, mib};
use super::rig::{Server, faultless_load, load};
use super::{TRACES, Workload, number, publish};
use crate::fail::{Outcome, bail};
use crate::process::fresh_folder;
use serde_json::{Value, json};
use std::path::Path;

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
/// Time for each look at the maximum.
const MAXIMUM_SECONDS: u32 = 10;

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

pub(super) fn run(seconds: u32) -> Outcome {
    build()?;
    let folder = fresh_folder("bench/overload")?;
    let cores = Cores::choose()?;
    let mut floods = Vec::new();
    for case in CASES {
        floods.push(case.flood(&folder, &cores, seconds)?);
    }
    let bound = BUDGET + HELD + PROCESS;
    let mut report = format!(
        "# Overload\n\n{} {} connections, {seconds} s of twice the maximum each.\n\n\
         | scarce | unanswered calls a connection | maximum calls/s (with {FEW}) | goodput calls/s | goodput / maximum, >= {TARGET} \
         | refused or failed, 0 | found no place | p50 / p99 ms | receiver busy | peak MiB, <= {:.0} |\n\
         |---|---|---|---|---|---|---|---|---|---|\n",
        cores.describe(),
        TRACES.connections,
        mib(bound),
    );
    let verdict = |met: bool| if met { "met" } else { "MISSED" };
    let mut all_met = true;
    for flood in &floods {
        let share = flood.goodput() / flood.maximum;
        let failures = number(&flood.load["failures"]);
        let met = [share >= TARGET, failures == 0.0, flood.peak_bytes <= bound];
        all_met &= met == [true; 3];
        report.push_str(&format!(
            "| {} | {} | {:.0} ({:.0}) | {:.0} | {share:.3} {} | {failures} {} | {} | {:.0} / {:.0} | {:.0} % | {:.0} {} |\n",
            flood.case.scarce,
            flood.case.in_flight,
            flood.maximum,
            flood.easy,
            flood.goodput(),
            verdict(met[0]),
            verdict(met[1]),
            flood.load["unsent"],
            number(&flood.load["p50_micros"]) / 1e3,
            number(&flood.load["p99_micros"]) / 1e3,
            flood.busy * 100.0,
            mib(flood.peak_bytes),
            verdict(met[2]),
        ));
    }
    report.push_str("\nEverything that was acked was delivered.\n");
    let floods: Vec<_> = floods.iter().map(Flood::json).collect();
    let figures = json!({"floods": floods, "bound_bytes": bound, "seconds": seconds});
    publish(&folder, "report", &report, &figures)?;
    if !all_met {
        bail!("overload: a target was missed");
    }
    Ok(())
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
    fn flood(self, folder: &Path, cores: &Cores, seconds: u32) -> Outcome<Flood> {
        eprintln!("{}, {} unanswered calls", self.scarce, self.in_flight);
        let easy = self.maximum(folder, cores, FEW)?;
        let before = self.maximum(folder, cores, self.in_flight)?;
        let (receiver, sink) = self.receiver(folder, cores)?;
        let rate = Some(before * 2.0);
        let workload = workload(self.in_flight);
        let idle = Usage::of(&receiver.process)?.cpu_seconds;
        let load = load(&receiver.address, &workload, cores, seconds, rate)?;
        let busy = (Usage::of(&receiver.process)?.cpu_seconds - idle) / number(&load["seconds"]);
        receiver.delivered(load["items"].as_u64().unwrap_or_default())?;
        let peak_bytes = Usage::of(&receiver.process)?.peak_bytes;
        receiver.process.stop()?;
        sink.process.stop()?;
        let after = self.maximum(folder, cores, self.in_flight)?;
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
    fn maximum(&self, folder: &Path, cores: &Cores, in_flight: u32) -> Outcome<f64> {
        let (receiver, sink) = self.receiver(folder, cores)?;
        let workload = workload(in_flight);
        faultless_load(&receiver.address, &workload, cores, 2)?;
        let most = faultless_load(&receiver.address, &workload, cores, MAXIMUM_SECONDS)?;
        receiver.settled()?;
        receiver.process.stop()?;
        sink.process.stop()?;
        Ok(calls_a_second(&most))
    }

    /// A fresh receiver with its core to itself, and the sink that it delivers to.
    fn receiver(&self, folder: &Path, cores: &Cores) -> Outcome<(Server, Server)> {
        let sink = Server::slow_sink(folder, cores.others.as_deref(), self.delay)?;
        let (core, at) = (cores.server.as_deref(), sink.address.as_str());
        let receiver = Server::receiver(folder, core, at, at, BUDGET_SETTING)?;
        Ok((receiver, sink))
    }
}

fn workload(in_flight: u32) -> Workload {
    Workload {
        in_flight,
        ..TRACES
    }
}

fn calls_a_second(load: &Value) -> f64 {
    number(&load["calls"]) / number(&load["seconds"])
}
