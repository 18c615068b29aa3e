//! End-to-end scenarios: the real binaries as processes, real sidecars and SDKs, real kills.

mod delivered;
mod exporters;
mod sdks;
mod sidecars;
pub(crate) mod tiers;

use crate::fail::{Outcome, bail};
use crate::steps;
use std::time::Instant;

type Scenario = fn() -> Outcome;

const SCENARIOS: [(&str, Scenario); 8] = [
    ("sidecars-direct", sidecars::direct),
    ("sidecars-legacy", sidecars::legacy),
    ("sidecars-goaway", sidecars::goaway),
    ("sidecars-pipe", sidecars::pipe),
    ("sdk-python", sdks::python),
    ("sdk-javascript", sdks::javascript),
    ("exporter-killed", exporters::killed),
    ("exporter-replicas", exporters::replicas),
];

/// Runs one scenario, or all of them; every one runs even when an earlier one fails.
pub(crate) fn run(name: Option<&str>) -> Outcome {
    if name == Some("list") {
        for (name, _) in SCENARIOS {
            println!("{name}");
        }
        return Ok(());
    }
    let chosen: Vec<_> = SCENARIOS
        .iter()
        .filter(|(known, _)| name.is_none_or(|name| name == *known))
        .collect();
    if chosen.is_empty() {
        bail!("no such scenario; `cargo xtask e2e list` names them");
    }
    steps::binaries(false)?;
    let mut failed = 0;
    for (name, scenario) in &chosen {
        eprintln!("scenario {name}");
        let start = Instant::now();
        match scenario() {
            Ok(()) => println!(
                "scenario {name} ... ok ({:.1} s)",
                start.elapsed().as_secs_f64()
            ),
            Err(error) => {
                failed += 1;
                println!("scenario {name} ... FAILED: {error}");
            }
        }
    }
    println!("{} passed, {failed} failed", chosen.len() - failed);
    if failed > 0 {
        Err("e2e failed; logs are below target/e2e".into())
    } else {
        Ok(())
    }
}
