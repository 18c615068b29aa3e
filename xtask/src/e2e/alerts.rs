//! Alerts that users of the Collector have fire on what our binaries expose.
//!
//! What they expose is also held to docs/metrics.md. Names and labels of the series come from both tiers' real `/metrics`; their values are the test's. Does not show that
//! the binaries count: other tests do.

use super::documented;
use super::tiers::folder;
use crate::admin;
use crate::fail::{Outcome, bail};
use crate::process::Process;
use crate::{sh, tools};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const RULES: &str = "fixtures/collector-alerts.yaml";
/// By when every alert must have fired.
const EVALUATED: &str = "5m";

/// A series of the text format: its name with labels, and the labels.
struct Series {
    name: String,
    labels: Map<String, Value>,
    text: String,
}

/// Each alert fires on each series that is there for it, in both spellings, and none while all is well.
pub(crate) fn fire() -> Outcome {
    tools::system_packages()?;
    let folder = folder("alerts")?;
    let text = exposed(&folder)?;
    let series: Vec<_> = text.lines().filter_map(Series::read).collect();
    let rules = fs::read_to_string(sh::root().join(RULES))?;
    // What a Collector's built-in reader calls them.
    let legacy = rules.replace("_total", "");
    for (spelling, rules) in [("total", rules), ("legacy", legacy)] {
        let tests = tests(&rules, &series)?;
        let file = folder.join(format!("{spelling}.rules.yaml"));
        fs::write(&file, &rules)?;
        let test = json!({"rule_files": [file], "evaluation_interval": "15s", "tests": tests});
        let file = folder.join(format!("{spelling}.test.json"));
        fs::write(&file, serde_json::to_string_pretty(&test)?)?;
        let file = file.to_string_lossy().into_owned();
        sh::run("promtool", ["test", "rules", &file])?;
    }
    Ok(())
}

/// What both tiers expose, in both spellings.
fn exposed(folder: &Path) -> Outcome<String> {
    let config = folder.join("config.yaml");
    let out = folder.join("out.jsonl");
    let log = folder.join("log");
    let settings = json!({
        "receivers": {"otlp": {"protocols": {
            "grpc": {"endpoint": "127.0.0.1:0"},
            "http": {"endpoint": "127.0.0.1:0"},
        }}},
        "exporters": {"file": {"path": out}},
        "service": {
            "telemetry": {"logs": {"encoding": "json"}},
            "pipelines": {
                "traces": {"receivers": ["otlp"], "exporters": ["file"]},
                "metrics": {"receivers": ["otlp"], "exporters": ["file"]},
                "logs": {"receivers": ["otlp"], "exporters": ["file"]},
            },
        },
        "penstock": {
            "admin": {"endpoint": "127.0.0.1:0"},
            "log": {"directory": log},
            "telemetry": {"otelcol_names": "both"},
            "exporters": {"file": {"listen": "127.0.0.1:0", "admin": "127.0.0.1:0"}},
        },
    });
    // JSON is YAML.
    fs::write(&config, settings.to_string())?;
    let words = ["--config", &config.to_string_lossy()];
    let mut all = String::new();
    for (binary, ready) in [
        ("penstock-receiver", "receiver ready"),
        ("penstock-exporter-file", "exporter ready"),
    ] {
        let mut process = Process::ours(binary, folder, binary, &words)?;
        let told = process.ready(ready)?;
        let (status, page) = admin::get(told["admin"].as_str().unwrap_or_default(), "/metrics")?;
        if status != 200 {
            bail!("{binary}'s /metrics answered {status}");
        }
        documented::check(&page)?;
        // As a scrape of a pod adds it.
        let pod = format!("pod=\"{binary}\"");
        for line in page.lines().filter(|line| !line.starts_with('#')) {
            all.push_str(&match line.split_once('{') {
                Some((name, rest)) => format!("{name}{{{pod},{rest}\n"),
                None => line.replacen(' ', &format!("{{{pod}}} "), 1) + "\n",
            });
        }
        process.stop()?;
    }
    Ok(all)
}

impl Series {
    fn read(line: &str) -> Option<Self> {
        let (text, _value) = line.rsplit_once(' ')?;
        let (name, labels) = text.trim_end_matches('}').split_once('{')?;
        let labels = labels.split("\",").map(|label| label.split_once("=\""));
        let labels = labels.map(|label| {
            let (name, value) = label?;
            Some((name.to_owned(), Value::from(value.trim_end_matches('"'))))
        });
        Some(Self {
            name: name.to_owned(),
            labels: labels.collect::<Option<_>>()?,
            text: text.to_owned(),
        })
    }

    /// Values over time when something is wrong, or nothing.
    fn values(&self, wrong: bool) -> &'static str {
        match (&*self.name, wrong) {
            ("otelcol_exporter_queue_capacity", _) => "1000x40",
            ("otelcol_exporter_queue_size", true) => "810x40",
            ("otelcol_exporter_queue_size", false) => "790x40",
            (_, true) => "0+10x40",
            (_, false) => "10x40",
        }
    }
}

/// Two tests: all is wrong and every alert fires, all is well and none does.
fn tests(rules: &str, series: &[Series]) -> Outcome<Vec<Value>> {
    let mut watched: BTreeMap<&str, Vec<&Series>> = BTreeMap::new();
    for rule in rules.lines().filter_map(|line| line.split_once("alert: ")) {
        let (alert, expression) = rule.1.split_once(',').unwrap_or(rule);
        // The first metric of a rule gives the alert its labels.
        let at = expression.find("otelcol_").unwrap_or(expression.len());
        let name = expression[at..].split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let name = name.into_iter().next().unwrap_or_default();
        let of_name: Vec<_> = series.iter().filter(|series| series.name == name).collect();
        if of_name.is_empty() {
            bail!("{alert}: no process exposes {name}");
        }
        watched.insert(alert, of_name);
    }
    let test = |wrong: bool| {
        let inputs = series
            .iter()
            .filter(|series| series.name.starts_with("otelcol_"));
        let inputs = inputs.filter(|series| !series.labels.contains_key("le"));
        let inputs =
            inputs.map(|series| json!({"series": series.text, "values": series.values(wrong)}));
        let alerts = watched.iter().map(|(alert, series)| {
            let fired = series
                .iter()
                .map(|series| json!({"exp_labels": series.labels}));
            let fired: Vec<_> = if wrong { fired.collect() } else { Vec::new() };
            json!({"eval_time": EVALUATED, "alertname": alert, "exp_alerts": fired})
        });
        json!({
            "name": if wrong { "all is wrong" } else { "all is well" },
            "interval": "15s",
            "input_series": inputs.collect::<Vec<_>>(),
            "alert_rule_test": alerts.collect::<Vec<_>>(),
        })
    };
    println!(
        "{} alerts on {} series",
        watched.len(),
        watched.values().map(Vec::len).sum::<usize>()
    );
    Ok(vec![test(true), test(false)])
}
