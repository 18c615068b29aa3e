//! Shape of the tree: which way imports point, small files, documented purpose.

use crate::fail::{Outcome, bail};
use crate::sh;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[cfg(test)]
mod tests;

/// The order of the crates. A crate may use only crates further down; those on one level do not use each other.
const LEVELS: [&[&str]; 10] = [
    &["xtask", "integration-tests"],
    &[
        "receiver",
        "exporters/otlp",
        "exporters/debug",
        "exporters/file",
        "exporters/prometheus",
        "exporters/remotewrite",
    ],
    &[
        "batcher",
        "exporters/harness",
        "exporters/http",
        "exporters/series",
        "exporters/siblings",
    ],
    &["common/auth", "common/hop"],
    &["common/telemetry", "common/tls"],
    &["common/settings"],
    &["common/otlp", "common/runtime", "common/http2"],
    &["common/testkit"],
    &["common/metrics"],
    &[],
];

/// Lines a source file may have.
const MAX_LINES: usize = 500;

pub(crate) fn run() -> Outcome {
    eprintln!("$ tidy");
    let mut faults = Vec::new();
    let files = tracked_files()?;
    for path in &files {
        let text = fs::read_to_string(sh::root().join(path)).unwrap_or_default();
        if path.extension().is_some_and(|extension| extension == "rs") {
            faults.extend(source(path, &text));
        } else if path.ends_with("Cargo.toml") && text.contains("[package]") {
            faults.extend(manifest(path, &text));
        }
    }
    faults.extend(metrics_documented(&files)?);
    if faults.is_empty() {
        return Ok(());
    }
    bail!("tidy:\n  {}", faults.join("\n  "))
}

fn tracked_files() -> Outcome<Vec<PathBuf>> {
    let list = ["ls-files", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git")
        .args(list)
        .current_dir(sh::root())
        .output()?;
    let text = String::from_utf8(output.stdout)?;
    Ok(text
        .lines()
        .map(PathBuf::from)
        .filter(|path| sh::root().join(path).is_file())
        .collect())
}

/// Faults of one Rust file.
fn source(path: &Path, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut fault = |what: &str| faults.push(format!("{}: {what}", path.display()));
    if !text.starts_with("//!") && !text.starts_with("#![no_main]") {
        fault("starts with no `//!` that says what it is for");
    }
    let lines = text.lines().count();
    if lines > MAX_LINES {
        fault(&format!("{lines} lines are more than {MAX_LINES}"));
    }
    if path.ends_with("mod.rs") {
        fault("is a mod.rs: name the file after the module");
    }
    // Written apart so that this file does not find itself.
    for word in [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("todo", "!("),
        concat!("#[", "ignore"),
    ] {
        if text.contains(word) {
            fault(&format!("has `{word}` left in it"));
        }
    }
    faults
}

/// Faults of one manifest: its name, its lints, the direction of its dependencies.
fn manifest(path: &Path, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let folder = path
        .parent()
        .unwrap_or(Path::new(""))
        .to_string_lossy()
        .replace('\\', "/");
    if folder.contains("fuzz") {
        return faults;
    }
    let mut fault = |what: String| faults.push(format!("{}: {what}", path.display()));
    let name = package_name(&folder);
    if !text.contains(&format!("name = \"{name}\"")) {
        fault(format!("the package of this folder is named `{name}`"));
    }
    if !text.contains("[lints]\nworkspace = true") {
        fault("does not take the workspace's lints".to_owned());
    }
    let Some(own) = level(&folder) else {
        fault("has no level in xtask's tidy".to_owned());
        return faults;
    };
    // What only tests use may come from anywhere below the binaries.
    let production = text.split("[dev-dependencies]").next().unwrap_or_default();
    for (other_level, folders) in LEVELS.iter().enumerate() {
        for other in *folders {
            let dependency = format!("\n{}.workspace", package_name(other));
            if *other != folder && production.contains(&dependency) && other_level <= own {
                fault(format!("uses {other}, which does not lie below it"));
            }
        }
    }
    faults
}

fn level(folder: &str) -> Option<usize> {
    LEVELS.iter().position(|folders| folders.contains(&folder))
}

/// `common/otlp` is `penstock-otlp`, `exporters/file` is `penstock-exporter-file`.
fn package_name(folder: &str) -> String {
    match folder.split_once('/') {
        Some(("common", name)) => format!("penstock-{name}"),
        Some(("exporters", name)) => format!("penstock-exporter-{name}"),
        _ if folder == "xtask" => folder.to_owned(),
        _ => format!("penstock-{folder}"),
    }
}

/// Every metric that the code names is in docs/metrics.md.
fn metrics_documented(files: &[PathBuf]) -> Outcome<Vec<String>> {
    let docs = fs::read_to_string(sh::root().join("docs/metrics.md"))?;
    let mut faults = Vec::new();
    for path in files
        .iter()
        .filter(|path| path.extension().is_some_and(|found| found == "rs"))
    {
        let text = fs::read_to_string(sh::root().join(path))?;
        for name in text.split('"').filter(|word| is_metric(word)) {
            if !docs.contains(&format!("`{name}`")) {
                faults.push(format!(
                    "{}: metric `{name}` is not in docs/metrics.md",
                    path.display()
                ));
            }
        }
    }
    Ok(faults)
}

fn is_metric(word: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    word.strip_prefix("penstock_")
        .is_some_and(|name| !name.is_empty() && name.chars().all(plain))
}
