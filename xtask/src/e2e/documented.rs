//! What a process exposes is in docs/metrics.md, read as a tool would read it: names in every spelling, types, labels.

use crate::fail::{Outcome, bail};
use crate::sh;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// A row of the page.
struct Row {
    kind: String,
    labels: BTreeSet<String>,
}

/// Checks the text of one `/metrics`.
pub(super) fn check(metrics: &str) -> Outcome {
    let rows = rows()?;
    let mut faults = Vec::new();
    let mut current = None;
    let lines = metrics.lines();
    for line in lines.filter(|line| !line.starts_with("# HELP")) {
        if let Some((name, kind)) = line
            .strip_prefix("# TYPE ")
            .and_then(|rest| rest.split_once(' '))
        {
            current = rows.get(name);
            match current {
                None => faults.push(format!("{name} is not in docs/metrics.md")),
                Some(row) if row.kind != kind => faults.push(format!("{name} is no {}", row.kind)),
                Some(_) => {}
            }
        } else if let (Some(row), Some(labels)) = (current, labels(line))
            && row.labels != labels
        {
            faults.push(format!("{line} has not the labels {:?}", row.labels));
        }
    }
    faults.dedup();
    if faults.is_empty() {
        return Ok(());
    }
    bail!("{}", faults.join("\n"))
}

/// By name, the old ones too.
fn rows() -> Outcome<BTreeMap<String, Row>> {
    let page = fs::read_to_string(sh::root().join("docs/metrics.md"))?;
    let mut rows = BTreeMap::new();
    let mut header: Vec<&str> = Vec::new();
    for line in page.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        if cells[0] == "metric" {
            header = cells;
            continue;
        }
        let cell = |name: &str| {
            let place = header.iter().position(|column| *column == name);
            place
                .and_then(|place| cells.get(place))
                .copied()
                .unwrap_or_default()
        };
        for name in quoted(cell("metric")).chain(quoted(cell("legacy"))) {
            let row = Row {
                kind: cell("type").to_owned(),
                labels: quoted(cell("labels")).map(str::to_owned).collect(),
            };
            rows.insert(name.to_owned(), row);
        }
    }
    Ok(rows)
}

/// What stands between backticks.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// The labels of a series, without a histogram's `le`.
fn labels(line: &str) -> Option<BTreeSet<String>> {
    let (series, _value) = line.rsplit_once(' ')?;
    let labels = series.split_once('{').map_or("", |(_, labels)| labels);
    let labels = labels.trim_end_matches('}').split("\",");
    let names = labels.filter_map(|label| Some(label.split_once('=')?.0.to_owned()));
    Some(names.filter(|name| name != "le").collect())
}
