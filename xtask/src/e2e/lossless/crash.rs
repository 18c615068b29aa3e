//! `e2e crash`: SIGKILL at random for every process but the oracle, under load.
//!
//! Small segments and blocks, so that a kill often meets the log between two of them.

use super::Options;
use super::parts::Part;
use super::rig::{Plan, Rig, SETTLE};
use crate::admin::Ledger;
use crate::fail::{Outcome, bail};
use crate::process::pause;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const RATE: u32 = 4000;
const ITEMS_A_CALL: u32 = 20;
/// Milliseconds between two kills, at most; now and then one follows on the heels of another.
const APART: u64 = 1400;
/// Milliseconds that a part stays away, at most.
const AWAY: u64 = 2000;

/// What a receiver says of blocks that it cannot find.
const LOST: &str = "blocks of the log are lost";

/// Who is killed, by weight.
const VICTIMS: [(&str, u32); 5] = [
    ("worker", 35),
    ("supervisor", 15),
    ("otlp", 17),
    ("file", 13),
    ("backend", 20),
];

/// See the module.
pub(crate) fn crash(options: &Options) -> Outcome {
    let kills = options.kills.unwrap_or(if options.short { 18 } else { 60 });
    let mut random = options.random();
    let mut rig = Rig::start(&Plan {
        name: "crash",
        profile: "debug",
        signals: &["traces", "metrics", "logs"],
        log: "max_bytes: 1GiB, segment_size: 256KiB, block_size: 32KiB",
        penstock: "  shards: 2\n  memory: {limit: 24MiB}\n",
        exporters: &["otlp", "file"],
        wrapper: Vec::new(),
    })?;
    let oracle = rig.oracle(RATE, ITEMS_A_CALL)?;
    let mut storm = Storm::default();
    for _ in 0..kills {
        let apart = if random.u8(0..10) == 0 { 20 } else { APART };
        storm.wait(&mut rig, Duration::from_millis(random.u64(0..apart)))?;
        let victim = storm.victim(&mut random);
        let away = Duration::from_millis(random.u64(0..AWAY));
        storm.kill(&mut rig, victim, away)?;
        // The law holds at every moment, whoever has just been killed.
        if let Ok(ledger) = rig.receiver.ledger() {
            ledger.check_law()?;
        }
    }
    storm.wait(&mut rig, Duration::from_millis(AWAY))?;
    rig.receiver.ready()?;
    rig.silence(oracle)?;
    println!(
        "{kills} kills: {:?}; a worker outlived its supervisor by at most {:?}",
        storm.kills, storm.orphaned
    );
    let before = rig.nothing_lost(SETTLE)?;
    unchanged_by_one_more(&mut rig, &before)?;
    if let Some(line) = rig.told(LOST)?.first() {
        bail!("nothing was lost, but the receiver said {line}");
    }
    rig.stop()
}

/// What is settled stays settled: a last kill of everything changes no line.
fn unchanged_by_one_more(rig: &mut Rig, before: &Ledger) -> Outcome {
    rig.receiver.kill()?;
    rig.receiver.up()?;
    let after = rig.settled(SETTLE)?;
    if before.lines().len() != after.lines().len() {
        bail!("lines of the ledger came or went: {:?}", after.lines());
    }
    for (one, other) in before.lines().iter().zip(after.lines()) {
        let same = ["exporter", "signal", "accepted", "delivered"]
            .iter()
            .all(|field| one[*field] == other[*field]);
        if !same {
            bail!("the ledger said {one} and after a kill {other}");
        }
    }
    Ok(())
}

#[derive(Default)]
struct Storm {
    kills: BTreeMap<&'static str, u32>,
    /// Who comes back when.
    due: Vec<(Instant, &'static str)>,
    orphaned: Duration,
}

impl Storm {
    /// Lets time pass and starts what is due.
    fn wait(&mut self, rig: &mut Rig, time: Duration) -> Outcome {
        let end = Instant::now() + time;
        loop {
            self.due.sort_unstable();
            let next = self.due.first().copied().filter(|(due, _)| *due <= end);
            let Some((due, name)) = next else { break };
            pause(due.saturating_duration_since(Instant::now()));
            self.due.remove(0);
            part(rig, name).up()?;
        }
        pause(end.saturating_duration_since(Instant::now()));
        Ok(())
    }

    /// Somebody who is there.
    fn victim(&self, random: &mut fastrand::Rng) -> &'static str {
        let sum: u32 = VICTIMS.iter().map(|(_, weight)| weight).sum();
        let mut at = random.u32(0..sum);
        for (name, weight) in VICTIMS {
            if at < weight {
                let down = self.due.iter().any(|(_, away)| *away == name);
                return if down { "worker" } else { name };
            }
            at -= weight;
        }
        "worker"
    }

    fn kill(&mut self, rig: &mut Rig, victim: &'static str, away: Duration) -> Outcome {
        *self.kills.entry(victim).or_default() += 1;
        match victim {
            "worker" => drop(rig.receiver.kill_worker()?),
            "supervisor" => {
                self.orphaned = self.orphaned.max(rig.receiver.kill()?);
                rig.receiver.up()?;
            }
            name => {
                part(rig, name).kill()?;
                self.due.push((Instant::now() + away, name));
            }
        }
        Ok(())
    }
}

fn part<'a>(rig: &'a mut Rig, name: &str) -> &'a mut Part {
    let exporter = rig.exporters.iter_mut().find(|part| part.name == name);
    exporter.unwrap_or(&mut rig.backend)
}
