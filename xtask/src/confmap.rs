//! `cargo xtask confmap`: asks the Collector's own confmap again what it makes of the cases in `fixtures/config/together.json`.
//!
//! The tests of `common/settings` hold our reader to what stands there; this holds what stands there to the Collector. Needs
//! Go, and says so where there is none.

use crate::fail::{Outcome, bail};
use crate::sh;
use serde_json::Value;
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

const CASES: &str = "fixtures/config/together.json";
const PEER: &str = "integration-tests/peers/confmap";

/// Compares, or writes down what the Collector says now.
pub(crate) fn run(write: bool) -> Outcome {
    if !sh::answers("go", &["version"]) {
        println!("confmap ... SKIPPED: needs Go, and there is no `go`");
        return Ok(());
    }
    let program = sh::target().join("tools/go/confmap");
    let output = program.display().to_string();
    sh::run_in(&sh::root().join(PEER), "go", ["build", "-o", &output, "."])?;
    let path = sh::root().join(CASES);
    let mut cases: Vec<Value> = serde_json::from_str(&fs::read_to_string(&path)?)?;
    let mut child = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(&serde_json::to_vec(&cases)?)?;
    }
    let answer = child.wait_with_output()?;
    if !answer.status.success() {
        bail!("the confmap peer ended with {}", answer.status);
    }
    let results: Vec<Value> = serde_json::from_slice(&answer.stdout)?;
    if results.len() != cases.len() {
        bail!("{} results for {} cases", results.len(), cases.len());
    }
    let mut changed = Vec::new();
    for (case, result) in cases.iter_mut().zip(results) {
        if case["collector"] != result {
            changed.push(format!(
                "{}: {result}, not {}",
                case["name"], case["collector"]
            ));
            case["collector"] = result;
        }
    }
    if write {
        fs::write(
            &path,
            format!("{}\n", serde_json::to_string_pretty(&cases)?),
        )?;
    } else if !changed.is_empty() {
        bail!(
            "the Collector says otherwise now (--write takes it over):\n  {}",
            changed.join("\n  ")
        );
    }
    println!(
        "confmap ... ok: {} cases, {} changed",
        cases.len(),
        changed.len()
    );
    Ok(())
}
