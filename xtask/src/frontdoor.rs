//! `cargo xtask frontdoor`: clients that share nothing with us against the receiver's gRPC port.
//!
//! Each stage has both tiers and a backend of its own. It must get the right answers, the ledger must balance, and the
//! backend, which counts by itself, must have exactly what was sent. A stage whose tool is not to be had says that it is
//! skipped. Sidecars and SDKs are in `e2e`.

mod peers;
mod spec;
mod tiers;

use crate::fail::Outcome;
use crate::{steps, tools};
use std::time::Instant;

/// What a stage came to.
enum Done {
    /// In a few words.
    Passed(String),
    /// Why.
    Skipped(String),
}

type Stage = fn() -> Outcome<Done>;

const STAGES: [(&str, Stage); 6] = [
    H2SPEC,
    ("h2load", peers::h2load),
    ("nghttp", peers::nghttp),
    ("curl", peers::curl),
    ("grpc-js", peers::grpc_js),
    ("grpcio", peers::grpcio),
];

const H2SPEC: (&str, Stage) = ("h2spec", spec::h2spec);

/// Runs all stages; every one runs even when an earlier one fails.
pub(crate) fn run() -> Outcome {
    run_stages(&STAGES)
}

/// h2spec alone.
pub(crate) fn h2spec() -> Outcome {
    run_stages(&[H2SPEC])
}

fn run_stages(stages: &[(&str, Stage)]) -> Outcome {
    if let Err(error) = tools::system_packages() {
        eprintln!("frontdoor: some stages will be skipped: {error}");
    }
    steps::binaries(false)?;
    let mut failed = Vec::new();
    for &(name, stage) in stages {
        eprintln!("frontdoor {name}");
        let start = Instant::now();
        match stage() {
            Ok(Done::Passed(what)) => println!(
                "frontdoor {name} ... ok: {what} ({:.1} s)",
                start.elapsed().as_secs_f64()
            ),
            Ok(Done::Skipped(why)) => println!("frontdoor {name} ... SKIPPED: {why}"),
            Err(error) => {
                println!("frontdoor {name} ... FAILED: {error}");
                failed.push(name);
            }
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    let failed = failed.join(", ");
    Err(format!("frontdoor: {failed} failed; logs are below target/frontdoor").into())
}
