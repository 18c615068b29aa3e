//! Reading back what arrived: OTLP JSON lines of the `file` exporter and the lines of the Python sink.

use crate::fail::{Outcome, bail};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// For each signal's wrapper: the fields that lead from a request to its items.
const WAYS: [(&str, [&str; 3]); 3] = [
    ("traces", ["resourceSpans", "scopeSpans", "spans"]),
    ("metrics", ["resourceMetrics", "scopeMetrics", "metrics"]),
    ("logs", ["resourceLogs", "scopeLogs", "logRecords"]),
];

/// How often each request id arrived, per signal.
pub(crate) type Ids = BTreeMap<(String, String), usize>;

/// Spans, metrics and log records with their Resource and Scope, written so that equal items are equal text.
pub(crate) fn items(lines: &Path) -> Outcome<Vec<String>> {
    let mut items = Vec::new();
    for line in fs::read_to_string(lines)?.lines() {
        let request: Value = serde_json::from_str(line)?;
        for (signal, [resources, scopes, leaves]) in WAYS {
            for resource in list(&request, resources) {
                for scope in list(resource, scopes) {
                    for leaf in list(scope, leaves) {
                        let all = [
                            &resource["resource"],
                            &resource["schemaUrl"],
                            &scope["scope"],
                            leaf,
                        ];
                        let all: Vec<_> = all.into_iter().map(normal).collect();
                        items.push(format!("{signal} {}", Value::from(all)));
                    }
                }
            }
        }
    }
    items.sort();
    Ok(items)
}

/// The request ids of sidecars' spans and access logs in the `file` exporter's output.
pub(crate) fn ids_of_file(lines: &[&Path]) -> Outcome<Ids> {
    let mut ids = Ids::new();
    for path in lines {
        for item in items(path)? {
            let (signal, text) = item.split_once(' ').unwrap_or_default();
            // Spans have the id in http.url, access log records in their body.
            if let Some(id) = request_id(text) {
                *ids.entry((signal.to_owned(), id.to_owned())).or_default() += 1;
            }
        }
    }
    Ok(ids)
}

/// The same from the Python sink's output.
pub(crate) fn ids_of_sink(lines: &Path) -> Outcome<Ids> {
    let mut ids = Ids::new();
    for line in fs::read_to_string(lines)?.lines() {
        let request: Value = serde_json::from_str(line)?;
        let signal = request["signal"].as_str().unwrap_or_default();
        for id in list(&request, "request_ids")
            .iter()
            .filter_map(Value::as_str)
        {
            *ids.entry((signal.to_owned(), id.to_owned())).or_default() += 1;
        }
    }
    Ok(ids)
}

/// Each id must have arrived exactly twice per signal: once from the client's sidecar, once from the server's.
pub(crate) fn check_pairs(
    place: &str,
    ids: &Ids,
    generated: impl Iterator<Item = String>,
) -> Outcome {
    let (mut missing, mut duplicates, mut all) = (Vec::new(), 0, 0);
    for id in generated {
        for signal in ["traces", "logs"] {
            let arrived = ids
                .get(&(signal.to_owned(), id.clone()))
                .copied()
                .unwrap_or_default();
            all += 2;
            duplicates += arrived.saturating_sub(2);
            if arrived < 2 {
                missing.push(format!("{signal} {id} ({arrived} of 2)"));
            }
        }
    }
    println!(
        "{place}: {all} items generated, {} missing, {duplicates} duplicates",
        missing.len()
    );
    if !missing.is_empty() || duplicates > 0 {
        missing.truncate(10);
        bail!("{place}: generated is not delivered: missing {missing:?}, {duplicates} duplicates");
    }
    Ok(())
}

/// As many data points as were accepted must be in either backend.
pub(crate) fn check_points(accepted: u64, file: &Path, sink: &Path) -> Outcome {
    let (mut in_file, mut in_sink) = (0, 0);
    for line in fs::read_to_string(file)?.lines() {
        let request: Value = serde_json::from_str(line)?;
        for resource in list(&request, "resourceMetrics") {
            for metric in list(resource, "scopeMetrics")
                .iter()
                .flat_map(|scope| list(scope, "metrics"))
            {
                let data = metric.as_object().into_iter().flat_map(Map::values);
                in_file += data
                    .map(|data| list(data, "dataPoints").len() as u64)
                    .sum::<u64>();
            }
        }
    }
    for line in fs::read_to_string(sink)?.lines() {
        let request: Value = serde_json::from_str(line)?;
        if request["signal"] == "metrics" {
            in_sink += request["items"].as_u64().unwrap_or_default();
        }
    }
    println!(
        "data points: {accepted} accepted, {in_file} in the file, {in_sink} at the second backend"
    );
    if accepted == 0 || in_file != accepted || in_sink != accepted {
        bail!("data points accepted are not data points delivered");
    }
    Ok(())
}

fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value[field].as_array().map_or(&[], Vec::as_slice)
}

fn request_id(text: &str) -> Option<&str> {
    let start = text.find("rid-")?;
    let end = text[start..].find("-end")?;
    Some(&text[start..start + end + 4])
}

/// OTLP's JSON leaves writers some freedom: defaults may be left out, 64-bit integers may be numbers or strings.
/// `k8s.pod.ip` is taken out of Resources: the receiver adds it.
fn normal(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields
                .iter()
                .map(|(key, value)| (key.clone(), normal(value)));
            Value::Object(
                kept.filter(|(_, value)| !is_default(value))
                    .collect::<Map<_, _>>(),
            )
        }
        Value::Array(list) => {
            let added = |item: &&Value| item["key"] != "k8s.pod.ip";
            Value::Array(list.iter().filter(added).map(normal).collect())
        }
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < 1e15 => {
                Value::String(format!("{float:.0}"))
            }
            _ => Value::String(number.to_string()),
        },
        other => other.clone(),
    }
}

fn is_default(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(text) => text.is_empty() || text == "0",
        Value::Array(list) => list.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}
