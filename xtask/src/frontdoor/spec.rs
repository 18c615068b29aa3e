//! h2spec, the conformance test of HTTP/2 servers.

use super::Done;
use super::tiers::Tiers;
use crate::fail::{Outcome, bail};
use crate::{sh, tools};
use std::process::Command;

/// All cases for servers, the strict ones too. Its requests are no OTLP calls: any answer will do, nothing may be accepted.
pub(super) fn h2spec() -> Outcome<Done> {
    let Some(program) = tools::h2spec()? else {
        return Ok(Done::Skipped("needs Go, and there is no `go`".to_owned()));
    };
    let tiers = Tiers::start("h2spec")?;
    let port = tiers.receiver.grpc_port()?.to_string();
    let mut command = Command::new(program);
    command.args(["--host", "127.0.0.1", "--port", &port, "--strict"]);
    command.args(["--timeout", "3", "generic", "hpack", "http2"]);
    let log = tiers.folder.join("h2spec.txt");
    let (status, text) = sh::logged(&mut command, &log)?;
    let summary = text
        .lines()
        .rev()
        .find(|line| line.contains(" tests, "))
        .unwrap_or_default();
    // A case is skipped when an answer does not lend itself to it: that is nothing shown.
    if !status.success() || !summary.contains(" 0 skipped, 0 failed") {
        bail!("`{summary}`, {status}; see {}", log.display());
    }
    let summary = format!("{summary}, strict");
    // The receiver is still there, and balances.
    tiers.expect(0, u64::MAX)?;
    Ok(Done::Passed(summary))
}
