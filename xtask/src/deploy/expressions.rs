//! PromQL of alerts and dashboards: promtool takes it, and every metric and label in it is one that the code has.

use crate::catalogue::{self, Row};
use crate::fail::{Outcome, bail};
use crate::{sh, tools};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

#[cfg(test)]
mod tests;

/// Labels that Prometheus adds to what it scrapes from pods.
const SCRAPED: [&str; 2] = ["namespace", "pod"];
/// What makes a rate of a counter.
const OF_COUNTERS: [&str; 3] = ["rate", "irate", "increase"];

/// One expression, and where it stands.
pub(super) struct Expression {
    pub(super) place: String,
    pub(super) text: String,
}

/// What an expression names, as `peers/promql.py` tells it.
pub(super) struct Named {
    found: Value,
    /// Labels that it groups or matches by.
    pub(super) labels: BTreeSet<String>,
}

/// Reads the expressions; gives what each names, and what is wrong with them.
pub(super) fn check(
    folder: &Path,
    expressions: &[Expression],
) -> Outcome<(Vec<Named>, Vec<String>)> {
    taken_by_promtool(folder, expressions)?;
    let named = named(folder, expressions)?;
    let rows = catalogue::rows()?;
    let mut faults = Vec::new();
    for (expression, named) in expressions.iter().zip(&named) {
        let told = unknown(named, &rows);
        faults.extend(
            told.into_iter()
                .map(|fault| format!("{}: {fault}", expression.place)),
        );
    }
    Ok((named, faults))
}

/// promtool reads each as a rule of its own.
fn taken_by_promtool(folder: &Path, expressions: &[Expression]) -> Outcome {
    let rule = |(number, expression): (usize, &Expression)| json!({"record": format!("check:{number}"), "expr": expression.text});
    let rules: Vec<_> = expressions.iter().enumerate().map(rule).collect();
    let file = folder.join("expressions.json");
    let text = json!({"groups": [{"name": "expressions", "rules": rules}]});
    fs::write(&file, text.to_string())?;
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "rules"]).arg(&file);
    let (status, said) = sh::logged(&mut promtool, &folder.join("expressions.log"))?;
    if !status.success() {
        bail!("promtool takes not all expressions: {said}");
    }
    Ok(())
}

fn named(folder: &Path, expressions: &[Expression]) -> Outcome<Vec<Named>> {
    let texts: Vec<_> = expressions
        .iter()
        .map(|expression| &expression.text)
        .collect();
    let file = folder.join("promql.json");
    fs::write(&file, serde_json::to_string(&texts)?)?;
    let output = Command::new(tools::python()?)
        .arg("integration-tests/peers/promql.py")
        .current_dir(sh::root())
        .stdin(Stdio::from(fs::File::open(&file)?))
        .output()?;
    if !output.status.success() {
        bail!("promql.py: {}", String::from_utf8_lossy(&output.stderr));
    }
    let found: Vec<Value> = serde_json::from_slice(&output.stdout)?;
    if found.len() != expressions.len() {
        bail!("promql.py did not read all expressions");
    }
    Ok(found.into_iter().map(Named::new).collect())
}

impl Named {
    pub(super) fn new(found: Value) -> Self {
        let labels = strings(&found["labels"]).map(str::to_owned).collect();
        Self { found, labels }
    }
}

fn strings(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
}

/// Metrics and labels that do not exist, counters that are not rated and gauges that are.
fn unknown(named: &Named, rows: &BTreeMap<String, Row>) -> Vec<String> {
    let found = &named.found;
    if let Some(fault) = found["fault"].as_str() {
        return vec![fault.to_owned()];
    }
    let mut faults = Vec::new();
    let mut known: BTreeSet<&str> = SCRAPED.into();
    known.extend(strings(&found["made"]));
    for selector in found["selectors"].as_array().into_iter().flatten() {
        let metric = selector["metric"].as_str().unwrap_or_default();
        let Some((row, part)) = row(metric, rows) else {
            faults.push(format!("there is no metric `{metric}`"));
            continue;
        };
        let mut own: BTreeSet<_> = row.labels.iter().map(String::as_str).collect();
        if part == "_bucket" {
            own.insert("le");
        }
        let wrong = strings(&selector["labels"]);
        let wrong = wrong.filter(|label| !own.contains(label) && !SCRAPED.contains(label));
        faults.extend(wrong.map(|label| format!("{metric} has no label `{label}`")));
        known.extend(own);
        let rated = selector["function"]
            .as_str()
            .is_some_and(|name| OF_COUNTERS.contains(&name));
        let grows = row.kind != "gauge";
        if rated != grows {
            let should = if grows { "needs" } else { "is no counter, for" };
            faults.push(format!("{metric} {should} rate() or increase()"));
        }
    }
    let wrong = named.labels.iter();
    let wrong = wrong.filter(|label| !known.contains(label.as_str()));
    faults.extend(wrong.map(|label| format!("none of its metrics has the label `{label}`")));
    faults
}

/// The metric that a series belongs to, and what a histogram adds to its name.
fn row<'a, 'b>(series: &'b str, rows: &'a BTreeMap<String, Row>) -> Option<(&'a Row, &'b str)> {
    if let Some(row) = rows.get(series) {
        return (row.kind != "histogram").then_some((row, ""));
    }
    ["_bucket", "_sum", "_count"].into_iter().find_map(|part| {
        let row = rows.get(series.strip_suffix(part)?)?;
        (row.kind == "histogram").then_some((row, part))
    })
}
