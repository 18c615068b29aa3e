//! `e2e worker-crash`: real sidecars push while the receiver's worker is killed again and again. Sidecars never send anything
//! twice, so what was under way at a kill is lost, and nothing else may be.
//!
//! Beside it the same with the whole receiver gone for a while: what a listener that dies costs.

use super::Options;
use super::rig::{Plan, Rig};
use super::sidecars::Push;
use crate::fail::{Outcome, bail};
use crate::process::pause;
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_secs(3);
/// Two sidecars of two workers each have a connection for each signal, with one call under way at most: acks come in
/// milliseconds, calls 50 ms apart.
const CONNECTIONS: u64 = 4;
/// Spans that Envoy sends in one call, and log records: what fits its buffer of 16 KiB.
const ITEMS_A_CALL: [(&str, u64); 2] = [("traces", 5), ("logs", 60)];

/// See the module.
pub(crate) fn worker_crash(options: &Options) -> Outcome {
    let (kills, gone) = if options.short { (3, 2) } else { (10, 5) };
    let kills = options.kills.unwrap_or(kills);
    let killed = killed(kills)?;
    let gone = Duration::from_secs(gone);
    let beside = absent(gone)?;
    println!("lost of both sidecars' items        traces   logs");
    println!(
        "worker killed {kills:2} times            {:8} {:6}",
        killed[0], killed[1]
    );
    println!(
        "receiver gone once for {gone:?}        {:8} {:6}",
        beside[0], beside[1]
    );
    for ((signal, items), lost) in ITEMS_A_CALL.iter().zip(killed) {
        let most = u64::from(kills) * CONNECTIONS * items;
        println!("{signal}: {lost} lost, at most {most} were under way un-acked");
        if lost > most {
            bail!("{lost} {signal} lost by {kills} kills of the worker, more than {most}");
        }
    }
    Ok(())
}

/// Items lost by kills of the worker.
fn killed(kills: u32) -> Outcome<[u64; 2]> {
    let (mut rig, push) = start("worker-crash", EVERY * (kills + 1))?;
    let mut gaps = Vec::new();
    for _ in 0..kills {
        pause(EVERY);
        let start = Instant::now();
        let old = rig.receiver.kill_worker()?;
        while rig.receiver.worker()? == old {
            pause(Duration::from_millis(2));
        }
        rig.receiver.ready()?;
        gaps.push(start.elapsed());
    }
    gaps.sort_unstable();
    println!(
        "from SIGKILL to a ready worker: median {:?}, longest {:?}",
        gaps.get(gaps.len() / 2).copied().unwrap_or_default(),
        gaps.last().copied().unwrap_or_default()
    );
    lost(rig, push)
}

/// Items lost while nobody listens.
fn absent(time: Duration) -> Outcome<[u64; 2]> {
    let (mut rig, push) = start("worker-crash-absent", EVERY * 2 + time)?;
    pause(EVERY);
    rig.receiver.kill()?;
    pause(time);
    rig.receiver.up()?;
    lost(rig, push)
}

/// Starts both tiers and traffic for that long.
fn start(name: &str, time: Duration) -> Outcome<(Rig, Push)> {
    let rig = Rig::start(&Plan {
        name,
        profile: "debug",
        signals: &["traces", "metrics", "logs"],
        log: "max_bytes: 1GiB",
        penstock: "",
        exporters: &["file"],
        wrapper: Vec::new(),
    })?;
    let push = Push::start(&rig, time)?;
    Ok((rig, push))
}

/// What of the generated did not arrive: spans, log records.
fn lost(rig: Rig, push: Push) -> Outcome<[u64; 2]> {
    let arrived = push.end(rig)?;
    println!(
        "{} items generated for each signal, {} duplicates at the backend",
        arrived.generated, arrived.duplicates
    );
    Ok(arrived.missing)
}
