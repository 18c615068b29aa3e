//! docs/migrate.md, tried word for word: what it has a newcomer type on their own machine, in a network of its own.

use super::tiers::folder;
use crate::fail::{Outcome, bail};
use crate::process::binary_path;
use crate::{sh, tools};
use serde_json::{Deserializer, Value};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

/// From here on it is about a cluster.
const END: &str = "\n## 3.";
/// What a newcomer takes some seconds to type.
const READY: &str =
    "until curl -sf 127.0.0.1:8888/readyz >/dev/null; do jobs %2 >/dev/null; done\n";

pub(crate) fn run() -> Outcome {
    tools::network()?;
    let folder = folder("migrate")?;
    fs::copy(
        sh::root().join("fixtures/config/how-to.yaml"),
        folder.join("collector.yaml"),
    )?;
    let page = fs::read_to_string(sh::root().join("docs/migrate.md"))?;
    let page = page.split(END).next().unwrap_or_default();
    let [look, start, send] = &blocks(page)[..] else {
        bail!("docs/migrate.md has other commands than this scenario knows: look at both");
    };
    // Job control, for `kill %2`.
    let script = format!("set -em\n{look}{start}{READY}{send}wait\n");
    fs::write(folder.join("typed.sh"), script)?;
    let said = typed(&folder)?;
    // The only JSON that is written for people, with log lines around it.
    let from = said.find("{\n").unwrap_or(said.len());
    let ledger = Deserializer::from_str(&said[from..]).into_iter().next();
    let Some(Ok::<Value, _>(ledger)) = ledger else {
        bail!("there is no ledger in:\n{said}");
    };
    let logs = ledger["lines"].as_array().into_iter().flatten();
    let logs = logs.filter(|line| line["signal"] == "logs");
    let fates: Vec<_> = logs
        .map(|line| ["accepted", "delivered", "held"].map(|fate| line[fate].as_u64()))
        .collect();
    if fates != [[Some(1), Some(1), Some(0)]] {
        bail!("the ledger does not say that the record was delivered: {ledger}");
    }
    println!("docs/migrate.md: validated, started, and one record delivered");
    Ok(())
}

/// Commands of a page, block by block.
fn blocks(page: &str) -> Vec<&str> {
    let blocks = page.split("```sh\n").skip(1);
    blocks.filter_map(|rest| rest.split("```").next()).collect()
}

/// Runs what was typed, and gives all that was said.
fn typed(folder: &Path) -> Outcome<String> {
    let binaries = binary_path("debug", "");
    let mut path = binaries.into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    let output = Command::new("unshare")
        .args([
            "--net",
            "sh",
            "-c",
            "ip link set lo up && exec bash typed.sh 2>&1",
        ])
        .env("PATH", path)
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    fs::write(folder.join("said.txt"), &said)?;
    if !output.status.success() {
        bail!("ended with {}:\n{said}", output.status);
    }
    Ok(said)
}
