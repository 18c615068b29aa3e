//! Clients of other makers: all three signals, thousands of calls over few connections.

use super::Done;
use super::tiers::{REQUESTS, Tiers};
use crate::fail::{Outcome, bail};
use crate::{sh, tools};
use std::process::Command;

/// What Kuma 2.13 and 2.14 send, and what no URL may hold.
const LEGACY_AUTHORITY: &str = "meshaccesslog:opentelemetry:0";
/// Headers of a gRPC call, for clients that do not know gRPC.
const HEADERS: [&str; 4] = ["-H", "content-type: application/grpc", "-H", "te: trailers"];

/// nghttp2's load generator: many streams at once.
pub(super) fn h2load() -> Outcome<Done> {
    const CALLS: u64 = 2000;
    if !sh::answers("h2load", &["--version"]) {
        return Ok(Done::Skipped("no `h2load` (nghttp2-client)".to_owned()));
    }
    let tiers = Tiers::start("h2load")?;
    for request in &REQUESTS {
        let mut command = Command::new("h2load");
        command
            .args(["-n", &CALLS.to_string(), "-c", "4", "-m", "64"])
            .args(HEADERS);
        command.arg("-d").arg(request.framed(&tiers.folder)?);
        command.arg(format!("{}{}", tiers.url()?, request.path));
        let log = tiers.folder.join(format!("h2load-{}.txt", request.signal));
        let (status, text) = sh::logged(&mut command, &log)?;
        let (done, answered) = (
            format!("{CALLS} succeeded, 0 failed, 0 errored, 0 timeout"),
            format!("{CALLS} 2xx"),
        );
        if !status.success() || !text.contains(&done) || !text.contains(&answered) {
            bail!("h2load: {status}, calls failed; see {}", log.display());
        }
    }
    tiers.expect(CALLS, 12).map(Done::Passed)
}

/// nghttp2's client: streams with priorities, which we ignore.
pub(super) fn nghttp() -> Outcome<Done> {
    const CALLS: usize = 500;
    if !sh::answers("nghttp", &["--version"]) {
        return Ok(Done::Skipped("no `nghttp` (nghttp2-client)".to_owned()));
    }
    let tiers = Tiers::start("nghttp")?;
    for request in &REQUESTS {
        let mut command = Command::new("nghttp");
        command
            .args(["-nv", "-m", &CALLS.to_string()])
            .args(HEADERS);
        command.arg("-d").arg(request.framed(&tiers.folder)?);
        command.arg(format!("{}{}", tiers.url()?, request.path));
        let log = tiers.folder.join(format!("nghttp-{}.txt", request.signal));
        let (status, text) = sh::logged(&mut command, &log)?;
        let answered = text.matches("grpc-status: 0").count();
        if !status.success() || answered != CALLS {
            bail!(
                "nghttp: {status}, {answered} of {CALLS} calls answered with OK; see {}",
                log.display()
            );
        }
    }
    tiers.expect(CALLS as u64, 3).map(Done::Passed)
}

/// curl with prior knowledge, a connection for each call: curl 7.88, which Debian 12 has, fails when it uses one again,
/// whatever the server.
pub(super) fn curl() -> Outcome<Done> {
    const CALLS: u64 = 100;
    let features = Command::new("curl").arg("--version").output();
    if !features.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("HTTP2")) {
        return Ok(Done::Skipped("no `curl` with HTTP/2".to_owned()));
    }
    let tiers = Tiers::start("curl")?;
    for request in &REQUESTS {
        let body = format!("@{}", request.framed(&tiers.folder)?.display());
        let url = format!("{}{}", tiers.url()?, request.path);
        for _ in 0..CALLS {
            let mut command = Command::new("curl");
            command.args(["-sS", "--http2-prior-knowledge", "-D", "-"]);
            command
                .args(HEADERS)
                .args(["-o", "/dev/null", "--data-binary", &body, &url]);
            let output = command.output()?;
            let text = String::from_utf8_lossy(&output.stdout);
            if !output.status.success() || !text.contains("grpc-status: 0") {
                let error = String::from_utf8_lossy(&output.stderr);
                bail!("curl: {}, answered: {text}{error}", output.status);
            }
        }
    }
    let connections = CALLS * REQUESTS.len() as u64;
    tiers.expect(CALLS, connections).map(Done::Passed)
}

/// gRPC for Node.js.
pub(super) fn grpc_js() -> Outcome<Done> {
    let packages = tools::node()?;
    grpc("grpc-js", || {
        let mut command = Command::new("node");
        command.arg(sh::root().join("integration-tests/peers/grpc_js.js"));
        command.current_dir(&packages);
        command
    })
}

/// gRPC for Python, on gRPC's C core.
pub(super) fn grpcio() -> Outcome<Done> {
    let python = tools::python()?;
    grpc("grpcio", || {
        let mut command = Command::new(&python);
        command.arg(sh::root().join("integration-tests/peers/grpc_python.py"));
        command
    })
}

/// A real gRPC client: half of the calls with the authority of its target, half with the one of legacy sidecars.
fn grpc(name: &str, client: impl Fn() -> Command) -> Outcome<Done> {
    const CALLS: u64 = 1000;
    let tiers = Tiers::start(name)?;
    let target = tiers.receiver.address("grpc")?.to_owned();
    for (authority, what) in [(target.as_str(), "own"), (LEGACY_AUTHORITY, "legacy")] {
        let mut command = client();
        command.args([&target, authority, &CALLS.to_string()]);
        for request in &REQUESTS {
            command.arg(request.path).arg(request.body());
        }
        let log = tiers.folder.join(format!("{name}-{what}.txt"));
        let (status, text) = sh::logged(&mut command, &log)?;
        if !status.success() {
            let last = text.lines().last().unwrap_or_default();
            bail!(
                "{name}, authority {authority}: {last}; see {}",
                log.display()
            );
        }
    }
    tiers.expect(CALLS * 2, 2).map(Done::Passed)
}
