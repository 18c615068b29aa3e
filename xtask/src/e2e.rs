//! End-to-end scenarios: the real binaries as processes, real sidecars and SDKs, real kills.
//!
//! A scenario that is asked for by its name runs in full; all of them together, or with `--short`, run in a short form where
//! there is one.

mod alerts;
mod counters;
mod delivered;
mod documented;
mod exporters;
mod image;
mod lossless;
pub(crate) mod mesh_network;
mod migrate;
mod prometheus;
mod prometheus_pages;
mod prometheus_replicas;
mod remote_write;
mod sdks;
mod sidecars;
pub(crate) mod tiers;
mod tls;

use crate::fail::{Outcome, bail};
use crate::steps;
use lossless::Options;
use std::str::FromStr;
use std::time::Instant;

type Scenario = fn(&Options) -> Outcome;

const SCENARIOS: [(&str, Scenario); 23] = [
    ("sidecars-direct", |_| sidecars::direct()),
    ("sidecars-legacy", |_| sidecars::legacy()),
    ("sidecars-goaway", |_| sidecars::goaway()),
    ("sidecars-pipe", |_| sidecars::pipe()),
    ("sdk-python", |_| sdks::python()),
    ("sdk-javascript", |_| sdks::javascript()),
    ("migrate", |_| migrate::run()),
    ("tls", |_| tls::run()),
    ("exporter-killed", |_| exporters::killed()),
    ("exporter-replicas", |_| exporters::replicas()),
    ("alerts", |_| alerts::fire()),
    ("image", |_| image::run()),
    ("remote-write", remote_write::run),
    ("prometheus", prometheus::run),
    ("prometheus-pages", prometheus_pages::run),
    ("prometheus-replicas", prometheus_replicas::run),
    ("crash", lossless::crash),
    ("worker-crash", lossless::worker_crash),
    ("outage", lossless::outage),
    ("disk-full", lossless::disk_full),
    ("damage", lossless::damage),
    ("reload", lossless::reload),
    ("mesh-network", mesh_network::run),
];

/// Runs one scenario, or all of them; every one runs even when an earlier one fails.
pub(crate) fn run(words: &[&str]) -> Outcome {
    let (name, options) = parse(words)?;
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
    if !options.built {
        steps::binaries(false)?;
    }
    let mut failed = 0;
    for (name, scenario) in &chosen {
        eprintln!("scenario {name}");
        let start = Instant::now();
        match scenario(&options) {
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

/// `[scenario] [--short] [--built] [--kills n] [--seed n] [--seconds n]`
fn parse<'a>(words: &[&'a str]) -> Outcome<(Option<&'a str>, Options)> {
    fn number<T: FromStr>(word: Option<&&str>) -> Outcome<Option<T>> {
        let number = word.and_then(|word| word.parse().ok());
        number.map(Some).ok_or_else(|| "a number is missing".into())
    }
    let (mut name, mut options) = (None, Options::default());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--built" => options.built = true,
            "--short" => options.short = true,
            "--kills" => options.kills = number(words.next())?,
            "--seed" => options.seed = number(words.next())?,
            "--seconds" => options.seconds = number(words.next())?,
            word if !word.starts_with('-') && name.is_none() => name = Some(word),
            word => bail!("`{word}` is not understood"),
        }
    }
    options.short |= name.is_none();
    Ok((name, options))
}
