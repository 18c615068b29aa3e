//! `e2e disk-full`: the backend is gone until the log has no room, by its own limit and by the file system's.
//!
//! With `hold` senders are refused in the end and nothing that was acked is lost; with `drop_oldest` nobody is refused, and
//! what is lost is counted to the item.

use super::Options;
use super::outage::bytes_in;
use super::rig::{Plan, Rig, SETTLE};
use crate::admin::Ledger;
use crate::fail::{Outcome, bail};
use crate::process::{pause, wait_within};
use crate::sh;
use serde_json::Value;
use std::time::Duration;

const RATE: u32 = 8000;
/// Of the log, for two signals.
const LIMIT_MIB: u32 = 8;
/// How long it stays full.
const FULL: Duration = Duration::from_secs(4);
/// A sender is refused after a second, so that it does not take long to see.
const MEMORY: &str = "  memory: {limit: 8MiB, max_hold: 1s}\n";
const FILL: Duration = Duration::from_secs(60);

/// See the module.
pub(crate) fn disk_full(_options: &Options) -> Outcome {
    let limit = format!("max_bytes: {LIMIT_MIB}MiB, segment_size: 512KiB, block_size: 64KiB");
    println!("hold:");
    held(
        start(
            "disk-full-hold",
            &format!("{limit}, on_full: hold"),
            Vec::new(),
        )?,
        true,
    )?;
    println!("drop_oldest:");
    dropped(start(
        "disk-full-drop",
        &format!("{limit}, on_full: drop_oldest"),
        Vec::new(),
    )?)?;
    match small_file_system("disk-full-enospc")? {
        None => println!("full file system: SKIPPED, no tmpfs can be mounted in a user namespace"),
        Some(wrapper) => {
            println!("full file system:");
            let log = "max_bytes: 1GiB, segment_size: 512KiB, block_size: 64KiB";
            held(start("disk-full-enospc", log, wrapper)?, false)?;
        }
    }
    Ok(())
}

fn start(name: &str, log: &str, wrapper: Vec<String>) -> Outcome<Rig> {
    Rig::start(&Plan {
        name,
        profile: "debug",
        signals: &["traces", "logs"],
        log,
        penstock: MEMORY,
        exporters: &["otlp"],
        wrapper,
    })
}

/// Words before a command that give it a small file system of its own in the trial's data folder.
fn small_file_system(name: &str) -> Outcome<Option<Vec<String>>> {
    let folder = sh::target().join("e2e").join(format!("{name}-mount"));
    std::fs::create_dir_all(&folder)?;
    let words = |folder: &str| {
        let script = format!(
            "mkdir -p \"$0\" && mount -t tmpfs -o size={LIMIT_MIB}m tmpfs \"$0\" && exec \"$@\""
        );
        ["-U", "-r", "-m", "sh", "-c", &script, folder]
            .map(str::to_owned)
            .to_vec()
    };
    let mut attempt = words(&folder.to_string_lossy());
    attempt.push("true".to_owned());
    let attempt: Vec<_> = attempt.iter().map(String::as_str).collect();
    if !sh::answers("unshare", &attempt) {
        return Ok(None);
    }
    let data = sh::target().join("e2e").join(name).join("data");
    let mut wrapper = vec!["unshare".to_owned()];
    wrapper.extend(words(&data.to_string_lossy()));
    Ok(Some(wrapper))
}

/// Fills the log, leaves it full, lets the backend come back.
fn through(rig: &mut Rig, full: impl Fn(&Ledger, u64) -> bool) -> Outcome<(Value, f64)> {
    let oracle = rig.oracle(RATE, 50)?;
    pause(Duration::from_secs(1));
    rig.backend.kill()?;
    let mut last = 0;
    wait_within(FILL, "a log without room", || {
        pause(Duration::from_millis(500));
        let ledger = rig.receiver.ledger()?;
        let accepted = ledger.sum("accepted", |_| true);
        let full = full(&ledger, accepted - last);
        last = accepted;
        Ok(full.then_some(()))
    })?;
    pause(FULL);
    let on_disk = bytes_in(&rig.data());
    rig.backend.up()?;
    wait_within(SETTLE, "senders that are taken again", || {
        pause(Duration::from_millis(200));
        let accepted = rig.receiver.ledger()?.sum("accepted", |_| true);
        Ok((accepted > last + u64::from(RATE)).then_some(()))
    })?;
    let told = rig.silence(oracle)?;
    if told["unknown_calls"].is_u64() || told["unreachable_calls"].is_u64() {
        bail!("calls were neither acked nor refused: {told}");
    }
    Ok((told, on_disk))
}

fn held(mut rig: Rig, on_disk_known: bool) -> Outcome {
    let (told, on_disk) = through(&mut rig, |ledger, new| {
        ledger.sum("held", |_| true) > 0 && new == 0
    })?;
    if !told["refused_calls"].is_u64() {
        bail!("the log was never full: {told}");
    }
    if on_disk_known {
        within_limit(on_disk)?;
    }
    rig.nothing_lost(SETTLE)?;
    rig.stop()
}

fn dropped(mut rig: Rig) -> Outcome {
    let (told, on_disk) = through(&mut rig, |ledger, _| {
        ledger.sum("dropped", |_| true) > u64::from(RATE)
    })?;
    if told["refused_calls"].is_u64() {
        bail!("with drop_oldest nobody is refused: {told}");
    }
    within_limit(on_disk)?;
    if on_disk < f64::from(LIMIT_MIB) * 1024.0 * 1024.0 / 2.0 {
        bail!("more was dropped than had to be: {on_disk} bytes were left");
    }
    let ledger = rig.settled(SETTLE)?;
    let verdict = rig.judge(&ledger)?;
    let (lost, dropped) = (verdict.missing(), ledger.sum("dropped", |_| true));
    println!("{dropped} dropped by the ledger, {lost} of the acked ones are missing");
    if lost != dropped {
        bail!("{lost} items are missing, {dropped} were counted as dropped");
    }
    rig.stop()
}

fn within_limit(on_disk: f64) -> Outcome {
    let limit = f64::from(LIMIT_MIB) * 1024.0 * 1024.0;
    println!(
        "{:.2} MiB on disk, limit {LIMIT_MIB}",
        on_disk / 1024.0 / 1024.0
    );
    if on_disk > limit {
        bail!("{on_disk} bytes on disk are more than the limit");
    }
    Ok(())
}
