//! `values.yaml` and `values.schema.json` name the same keys, and each value says what it is for.

use crate::fail::Outcome;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

#[cfg(test)]
mod tests;

/// What is missing in the chart at `chart`.
pub(super) fn faults(chart: &Path) -> Outcome<Vec<String>> {
    let values = fs::read_to_string(chart.join("values.yaml"))?;
    let schema = fs::read_to_string(chart.join("values.schema.json"))?;
    Ok(compare(&values, &serde_json::from_str(&schema)?))
}

fn compare(values: &str, schema: &Value) -> Vec<String> {
    let (keys, mut faults) = keys(values);
    let mut known = BTreeSet::new();
    named(schema, "", &mut known);
    for key in keys.difference(&known) {
        faults.push(format!("values.yaml: {key} is not in values.schema.json"));
    }
    for key in known.difference(&keys) {
        faults.push(format!("values.schema.json: {key} is not in values.yaml"));
    }
    faults
}

/// Paths of the keys of a values file in block style, and those of values without a comment: above it, or above the keys before it.
fn keys(values: &str) -> (BTreeSet<String>, Vec<String>) {
    let (mut keys, mut faults) = (BTreeSet::new(), Vec::new());
    let mut path: Vec<(usize, &str)> = Vec::new();
    let mut told = false;
    for line in values.lines() {
        let text = line.trim_start();
        let indent = line.len() - text.len();
        if text.is_empty() {
            told = false;
            continue;
        }
        if text.starts_with('#') {
            told = true;
            continue;
        }
        let Some((key, value)) = text.split_once(':').filter(|_| !text.starts_with('-')) else {
            continue;
        };
        path.retain(|(outer, _)| *outer < indent);
        let parents = path.iter().map(|(_, key)| *key);
        let full = parents.chain([key]).collect::<Vec<_>>().join(".");
        path.push((indent, key));
        // What Kubernetes defines is Kubernetes' to describe.
        if full.contains(".resources.") {
            continue;
        }
        if !told && !value.trim().is_empty() {
            faults.push(format!("values.yaml: {full} has no comment"));
        }
        keys.insert(full);
    }
    (keys, faults)
}

fn named(schema: &Value, above: &str, into: &mut BTreeSet<String>) {
    for (key, part) in schema["properties"].as_object().into_iter().flatten() {
        let path = if above.is_empty() {
            key.clone()
        } else {
            format!("{above}.{key}")
        };
        named(part, &path, into);
        into.insert(path);
    }
}
