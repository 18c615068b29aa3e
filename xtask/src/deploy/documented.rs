//! Commands of Helm that the docs tell people to type: the chart takes each.

use super::{CONFIG, NAMESPACE, RENDERED_FOR};
use crate::fail::{Outcome, bail};
use crate::sh;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

#[cfg(test)]
mod tests;

const PAGES: [&str; 2] = ["docs/install.md", "docs/migrate.md"];

/// Those that fail, with what Helm says.
pub(super) fn faults(helm: &Path) -> Outcome<Vec<String>> {
    let mut faults = Vec::new();
    for page in PAGES {
        let text = fs::read_to_string(sh::root().join(page))?;
        let commands = commands(&text);
        if commands.is_empty() {
            bail!("{page} has no command of Helm");
        }
        for words in commands {
            // What comes after `helm install`, without a cluster.
            let mut command = Command::new(helm);
            command
                .arg("template")
                .args(&words)
                .args(["--kube-version", &format!("1.{RENDERED_FOR}.0")])
                .current_dir(sh::root())
                .stdin(Stdio::null());
            let output = command.output()?;
            let told = String::from_utf8_lossy(&output.stdout);
            if !output.status.success() {
                let said = String::from_utf8_lossy(&output.stderr);
                faults.push(format!("{page}: helm install {}: {said}", words.join(" ")));
            } else if !told.contains(&format!("namespace: {NAMESPACE}")) {
                faults.push(format!("{page}: what is installed is not in {NAMESPACE}"));
            }
        }
    }
    Ok(faults)
}

/// The words after `helm install` of each such command, with our own file in place of the user's.
fn commands(page: &str) -> Vec<Vec<String>> {
    let joined = page.replace("\\\n", " ");
    let lines = joined.lines().map(str::trim);
    let commands = lines.filter_map(|line| line.strip_prefix("helm install "));
    let words = |command: &str| {
        let words = command.split_whitespace();
        words
            .map(|word| word.replace("=collector.yaml", &format!("={CONFIG}")))
            .collect()
    };
    commands.map(words).collect()
}
