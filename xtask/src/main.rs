//! All automation of the repository: `cargo xtask <command>`. Each command is a file; each prints what it runs.

mod admin;
mod bench;
mod catalogue;
mod confmap;
mod demo;
mod deploy;
mod dev;
mod e2e;
mod envoy;
mod fail;
mod frontdoor;
mod image;
mod mesh;
mod podman;
mod process;
mod prometheus;
mod relay;
mod sh;
mod steps;
mod tidy;
mod tools;

use fail::Outcome;
use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask <command>

  dev [--demo]      build and run receiver and exporters on loopback; --demo adds two Envoy sidecars and traffic
  test              everything that must pass: ci steps, every e2e scenario, frontdoor (installs what it needs)
  ci                fmt, lint, tidy, doc, unit and integration tests, deny
  e2e [scenario] [--short] [--built] [--kills n] [--seed n] [--seconds n]
                    real binaries, real sidecars and SDKs, real kills; without a name all of them, in their short forms;
                    `e2e list` names them; --built takes the binaries that are there
  frontdoor         h2spec, nghttp2's tools, curl, grpc-js and grpcio against the receiver's gRPC port
  h2spec            of these, the conformance test of HTTP/2 servers alone (needs Go)
  confmap [--write] the Collector's own reader of configuration against what the tests hold ours to (needs Go)
  bench [--rounds n] [--seconds s] [--peer otelcol|rotel|df_engine=path].. [--smoke]
                    release binaries under load, everything in one run and one report: CPU and memory of each process beside
                    tonic and the peers whose binaries are given; --smoke only whether it works, with the tests' binaries
  bench ingest [seconds] [rounds]
                    the cost of receiving: our front door beside tonic, the receiver, idle connections
  bench log [seconds] [rounds]
                    what keeping costs: the log in memory, on disk, and on disk with a sync before each ack
  bench overload [seconds]
                    twice the load that one core can take: goodput and memory
  bench prometheus [series]
                    the scrape exporter: data points taken in, memory of a series, pages in each format
  deploy render|check|diff
                    the Helm chart: writes its dashboards, and deploy/rendered from it; judges it with Helm 3 and 4 for each
                    version of Kubernetes and Kong Mesh, its alerts and dashboards; tells what render would change
  image [--twice]   container images FROM scratch, with SBOMs, as OCI layouts below target/images; --twice builds
                    them a second time from another folder and compares
  docs              writes docs/metrics.md, which is made of the code
  fmt | lint | tidy | doc | unit | deny
                    one step of ci
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Outcome {
    match words {
        ["dev"] => dev::run(false),
        ["dev", "--demo"] => dev::run(true),
        ["test"] => steps::test(),
        ["ci"] => steps::ci(),
        ["e2e", words @ ..] => e2e::run(words),
        // What `e2e mesh-network` starts in networks of their own.
        ["mesh-network-inside", words @ ..] => e2e::mesh_network::inside(words),
        ["frontdoor"] => frontdoor::run(),
        ["h2spec"] => frontdoor::h2spec(),
        ["confmap"] => confmap::run(false),
        ["confmap", "--write"] => confmap::run(true),
        ["bench", words @ ..] => bench::run(words),
        ["fmt"] => steps::fmt(),
        ["lint"] => steps::lint(),
        ["tidy"] => tidy::run(),
        ["doc"] => steps::doc(),
        ["deploy", "render"] => deploy::render(),
        ["deploy", "check"] => {
            steps::binaries(false)?;
            deploy::check()
        }
        ["deploy", "diff"] => deploy::diff(),
        ["image"] => image::run(false),
        ["image", "--twice"] => image::run(true),
        ["docs"] => steps::docs(),
        ["unit"] => steps::unit(),
        ["deny"] => steps::deny(),
        _ => {
            eprint!("{USAGE}");
            Err("no such command".into())
        }
    }
}
