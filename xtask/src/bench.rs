//! `cargo xtask bench`: release binaries under load, CPU and memory of each process from the OS.
//!
//! Without further words it is one run with all comparisons, and one report. What is reported must add up first: every item
//! that the load generator saw acked has arrived. Reports go to `target/bench`, as Markdown and JSON.

mod catch_up;
mod compare;
mod figures;
mod full;
mod idle;
mod ingest;
mod log;
mod machine;
mod overload;
mod peers;
mod prometheus;
mod report;
mod rig;
mod system;
mod workload;

use crate::fail::{Outcome, bail};
use peers::Peer;
use std::str::FromStr;

const USAGE: &str = "bench [--rounds n] [--seconds s] [--peer name=path].. [--smoke] | bench ingest [seconds] [rounds] \
                     | bench log [seconds] [rounds] | bench overload [seconds] | bench prometheus [series]";

/// How thorough a run is.
struct Options {
    /// Of load for each measurement.
    seconds: f64,
    rounds: u32,
    peers: Vec<Peer>,
    /// Only whether it works and adds up: binaries that are not optimised, and no judgement.
    smoke: bool,
}

/// `bench [options]`, `bench ingest [seconds] [rounds]`, `bench log [seconds] [rounds]`, `bench overload [seconds]`,
/// `bench prometheus [series]`.
pub(crate) fn run(words: &[&str]) -> Outcome {
    machine::take_precedence();
    match words {
        ["ingest"] => ingest::run(3.0, 5),
        ["ingest", seconds] => ingest::run(parse(seconds)?, 5),
        ["ingest", seconds, rounds] => ingest::run(parse(seconds)?, parse(rounds)?),
        ["log"] => log::run(5.0, 5),
        ["log", seconds] => log::run(parse(seconds)?, 5),
        ["log", seconds, rounds] => log::run(parse(seconds)?, parse(rounds)?),
        ["prometheus"] => prometheus::run(&[100_000, 1_000_000]),
        ["prometheus", series] => prometheus::run(&[parse(series)?]),
        ["overload"] => overload::run(60.0),
        ["overload", seconds] => overload::run(parse(seconds)?),
        words => full::run(&options(words)?),
    }
}

/// A short run with the binaries of the tests.
pub(crate) fn smoke() -> Outcome {
    full::run(&options(&["--smoke"])?)
}

fn options(words: &[&str]) -> Outcome<Options> {
    let mut options = Options {
        seconds: 2.0,
        rounds: 3,
        peers: Vec::new(),
        smoke: false,
    };
    let mut words = words.iter().copied();
    while let Some(word) = words.next() {
        if word == "--smoke" {
            options.smoke = true;
            (options.seconds, options.rounds) = (0.2, 1);
            continue;
        }
        let Some(value) = words.next() else {
            bail!("{USAGE}")
        };
        match word {
            "--seconds" => options.seconds = parse(value)?,
            "--rounds" => options.rounds = parse(value)?,
            "--peer" => options.peers.push(Peer::named(value)?),
            _ => bail!("{USAGE}"),
        }
    }
    Ok(options)
}

/// A number above 0.
fn parse<T: FromStr + Default + PartialOrd>(word: &str) -> Outcome<T> {
    let number = word.parse().ok().filter(|number| *number > T::default());
    number.ok_or_else(|| format!("`{word}` is no such number above 0").into())
}
