//! `cargo xtask bench overload`: twice the load that one core can take.
//!
//! The maximum is what a closed loop gets answered when it always has calls waiting for the receiver's core. Overload is an
//! open loop: it begins twice as many calls a second, whether or not earlier ones were answered. Goodput is calls answered with
//! OK; every one of them must arrive. Overload comes twice: once with as many unanswered calls as the receiver can hold
//! outside of its budget, and once with as many as Envoy allows itself on each connection.
//!
//! Memory must stay within the budget and what lies outside of it by design: the process itself, and what HTTP/2 lets
//! peers send for calls that are held.

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
/// What held calls may have sent, which the receiver bounds by a quarter of the budget.
const HELD: f64 = BUDGET / 4.0;
/// Code, stacks, tables, buffers of the allocator.
const PROCESS: f64 = 64.0 * MIB;
const MIB: f64 = 1024.0 * 1024.0;
/// Unanswered calls on each connection: some thousands in all, and what Envoy allows itself.
const IN_FLIGHT: [u32; 2] = [64, 1024];
/// Goodput under overload, as a part of the maximum.
const TARGET: f64 = 0.95;
/// Time to find the maximum.
const MAXIMUM_SECONDS: u32 = 15;

pub(super) fn run(seconds: u32) -> Outcome {
    build()?;
    let folder = fresh_folder("bench/overload")?;
    let cores = Cores::choose()?;
    let maximum = maximum(&folder, &cores)?;
    let mut floods = Vec::new();
    for in_flight in IN_FLIGHT {
        floods.push(flood(&folder, &cores, seconds, in_flight, maximum * 2.0)?);
    }
    let bound = BUDGET + HELD + PROCESS;
    let mut report = format!(
        "# Overload\n\n{} {} connections, {seconds} s each. Maximum {maximum:.0} calls/s, offered {:.0} calls/s.\n\n\
         | unanswered calls a connection | goodput calls/s | goodput / maximum, >= {TARGET} | refused or failed | found no place \
         | p50 / p99 ms | receiver busy | peak MiB, <= {:.0} |\n|---|---|---|---|---|---|---|---|\n",
        cores.describe(),
        TRACES.connections,
        maximum * 2.0,
        mib(bound),
    );
    let verdict = |met: bool| if met { "met" } else { "MISSED" };
    let mut all_met = true;
    for flood in &floods {
        let share = flood.goodput() / maximum;
        let (held_up, within) = (share >= TARGET, flood.peak_bytes <= bound);
        all_met &= held_up && within;
        report.push_str(&format!(
            "| {} | {:.0} | {share:.3} {} | {} | {} | {:.0} / {:.0} | {:.0} % | {:.0} {} |\n",
            flood.in_flight,
            flood.goodput(),
            verdict(held_up),
            flood.load["failures"],
            flood.load["unsent"],
            number(&flood.load["p50_micros"]) / 1e3,
            number(&flood.load["p99_micros"]) / 1e3,
            flood.busy * 100.0,
            mib(flood.peak_bytes),
            verdict(within),
        ));
    }
    report.push_str("\nEverything that was acked was delivered.\n");
    let floods: Vec<_> = floods.iter().map(Flood::json).collect();
    let figures = json!({
        "maximum_calls_a_second": maximum, "floods": floods, "bound_bytes": bound, "seconds": seconds,
    });
    publish(&folder, "report", &report, &figures)?;
    if !all_met {
        bail!("overload: a target was missed");
    }
    Ok(())
}

/// Calls a second that the receiver's core can take.
fn maximum(folder: &Path, cores: &Cores) -> Outcome<f64> {
    let (receiver, sink) = receiver(folder, cores)?;
    let saturating = Workload {
        in_flight: 8,
        ..TRACES
    };
    faultless_load(&receiver.address, &saturating, cores, 2)?;
    let most = faultless_load(&receiver.address, &saturating, cores, MAXIMUM_SECONDS)?;
    receiver.settled()?;
    receiver.process.stop()?;
    sink.process.stop()?;
    Ok(number(&most["calls"]) / number(&most["seconds"]))
}

/// What came of too many calls.
struct Flood {
    in_flight: u32,
    load: Value,
    busy: f64,
    peak_bytes: f64,
}

impl Flood {
    fn goodput(&self) -> f64 {
        number(&self.load["calls"]) / number(&self.load["seconds"])
    }

    fn json(&self) -> Value {
        json!({
            "in_flight": self.in_flight, "load": self.load, "receiver_busy": self.busy,
            "goodput_calls_a_second": self.goodput(), "peak_bytes": self.peak_bytes,
        })
    }
}

fn flood(
    folder: &Path,
    cores: &Cores,
    seconds: u32,
    in_flight: u32,
    calls_a_second: f64,
) -> Outcome<Flood> {
    let (receiver, sink) = receiver(folder, cores)?;
    let workload = Workload {
        in_flight,
        ..TRACES
    };
    let rate = Some(calls_a_second);
    let before = Usage::of(&receiver.process)?.cpu_seconds;
    let load = load(&receiver.address, &workload, cores, seconds, rate)?;
    let busy = (Usage::of(&receiver.process)?.cpu_seconds - before) / number(&load["seconds"]);
    receiver.delivered(load["items"].as_u64().unwrap_or_default())?;
    let peak_bytes = Usage::of(&receiver.process)?.peak_bytes;
    receiver.process.stop()?;
    sink.process.stop()?;
    Ok(Flood {
        in_flight,
        load,
        busy,
        peak_bytes,
    })
}

/// A fresh receiver with its core to itself, and the sink that it delivers to.
fn receiver(folder: &Path, cores: &Cores) -> Outcome<(Server, Server)> {
    let sink = Server::sink(folder, cores.others.as_deref())?;
    let (core, at) = (cores.server.as_deref(), sink.address.as_str());
    let receiver = Server::receiver(folder, core, at, at, BUDGET_SETTING)?;
    Ok((receiver, sink))
}
