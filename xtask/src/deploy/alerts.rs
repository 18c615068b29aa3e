//! The alerts of the chart: promtool tests each, each names what exists, and has a runbook.

use super::examples;
use super::expressions::{self, Expression, Named};
use crate::fail::{Outcome, bail};
use crate::{sh, tools};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

#[cfg(test)]
mod tests;

const RULES: &str = "deploy/helm/penstock/files/rules.yaml";
const TESTS: &str = "deploy/tests/rules.yaml";
const RUNBOOKS: &str = "docs/runbooks.md";
/// What each section of the runbooks says.
const PARTS: [&str; 3] = ["**Means**", "**Look**", "**Do**"];

/// Everything that is wrong with them, a sentence each.
pub(super) fn faults(folder: &Path) -> Outcome<Vec<String>> {
    let file = yaml(RULES)?;
    let rules: Vec<_> = list(&file["groups"])
        .flat_map(|group| list(&group["rules"]))
        .collect();
    let expressions: Vec<_> = rules
        .iter()
        .map(|rule| Expression {
            place: format!("alert {}", text(&rule["alert"])),
            text: text(&rule["expr"]).to_owned(),
        })
        .collect();
    let (named, mut faults) = expressions::check(folder, &expressions)?;
    for (rule, named) in rules.iter().zip(&named) {
        let told = annotations(rule, named);
        let alert = text(&rule["alert"]);
        faults.extend(told.into_iter().map(|fault| format!("{alert}: {fault}")));
    }
    let alerts: BTreeSet<_> = rules.iter().map(|rule| text(&rule["alert"])).collect();
    let runbooks = fs::read_to_string(sh::root().join(RUNBOOKS))?;
    faults.extend(sections(&alerts, &runbooks));
    let tests = yaml(TESTS)?;
    faults.extend(untested(&alerts, &tests));
    run(folder, file.clone(), &tests)?;
    Ok(faults)
}

/// promtool compares annotations to the letter; without them tests say when an alert fires, and nothing twice.
fn run(folder: &Path, mut rules: Value, tests: &Value) -> Outcome {
    let groups = rules["groups"].as_array_mut().into_iter().flatten();
    for rule in groups.flat_map(|group| group["rules"].as_array_mut().into_iter().flatten()) {
        if let Some(rule) = rule.as_object_mut() {
            rule.remove("annotations");
        }
    }
    fs::write(folder.join("rules.json"), rules.to_string())?;
    let recording = yaml(examples::RECORDING)?;
    fs::write(folder.join("recording-rules.json"), recording.to_string())?;
    let file = folder.join("rules.test.json");
    fs::write(&file, tests.to_string())?;
    let whole = sh::root().join(RULES).to_string_lossy().into_owned();
    sh::run("promtool", ["check", "rules", &whole])?;
    let file = file.to_string_lossy().into_owned();
    sh::run("promtool", ["test", "rules", &file])
}

fn annotations(rule: &Value, named: &Named) -> Vec<String> {
    let mut faults = Vec::new();
    let mut fault = |what: &str| faults.push(what.to_owned());
    let severity = text(&rule["labels"]["severity"]);
    if !["critical", "warning"].contains(&severity) {
        fault("severity is neither critical nor warning");
    }
    let annotations = &rule["annotations"];
    for key in ["summary", "description"] {
        let words = text(&annotations[key]);
        if words.is_empty() {
            fault(&format!("has no {key}"));
        }
        for label in words.split("$labels.").skip(1) {
            let end = label.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let label = &label[..end.unwrap_or(label.len())];
            if !named.labels.contains(label) {
                fault(&format!("{key} has the label `{label}`, the alert has not"));
            }
        }
    }
    let alert = text(&rule["alert"]).to_lowercase();
    if text(&annotations["runbook_url"]) != format!("{RUNBOOKS}#{alert}") {
        fault("runbook_url is not its own section");
    }
    faults
}

/// A section for each alert, and no others.
fn sections(alerts: &BTreeSet<&str>, runbooks: &str) -> Vec<String> {
    let mut known = BTreeMap::new();
    for section in runbooks.split("\n## ").skip(1) {
        let (title, body) = section.split_once('\n').unwrap_or((section, ""));
        known.insert(title, body);
    }
    let mut faults = Vec::new();
    for alert in alerts {
        match known.get(alert) {
            None => faults.push(format!("{RUNBOOKS} has no section {alert}")),
            Some(body) => {
                let missing = PARTS.iter().filter(|part| !body.contains(**part));
                faults
                    .extend(missing.map(|part| format!("{RUNBOOKS}: {alert} does not say {part}")));
            }
        }
    }
    let others = known.keys().filter(|title| !alerts.contains(**title));
    faults.extend(others.map(|title| format!("{RUNBOOKS}: there is no alert {title}")));
    faults
}

/// Alerts that no test sees firing, or quiet.
fn untested(alerts: &BTreeSet<&str>, tests: &Value) -> Vec<String> {
    let mut seen = BTreeSet::new();
    for test in list(&tests["tests"]).flat_map(|test| list(&test["alert_rule_test"])) {
        seen.insert((
            text(&test["alertname"]),
            list(&test["exp_alerts"]).next().is_some(),
        ));
    }
    let mut faults = Vec::new();
    for alert in alerts {
        for (firing, how) in [(true, "firing"), (false, "quiet")] {
            if !seen.contains(&(*alert, firing)) {
                faults.push(format!("{TESTS}: no test sees {alert} {how}"));
            }
        }
    }
    let unknown = seen.iter().filter(|(alert, _)| !alerts.contains(alert));
    faults.extend(unknown.map(|(alert, _)| format!("{TESTS}: there is no alert {alert}")));
    faults
}

pub(super) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

pub(super) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A file of YAML, by the YAML that checks manifests too.
pub(super) fn yaml(path: &str) -> Outcome<Value> {
    let file = sh::root().join(path);
    let output = Command::new(tools::python()?)
        .args([
            "-c",
            "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)",
        ])
        .stdin(Stdio::from(fs::File::open(&file)?))
        .output()?;
    if !output.status.success() {
        bail!("{path}: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
