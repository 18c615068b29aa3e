//! What a process exposes is in docs/metrics.md, read as a tool would read it: names in every spelling, types, labels.

use crate::catalogue;
use crate::fail::{Outcome, bail};
use std::collections::BTreeSet;

/// Checks the text of one `/metrics`.
pub(super) fn check(metrics: &str) -> Outcome {
    let rows = catalogue::rows()?;
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

/// The labels of a series, without a histogram's `le`.
fn labels(line: &str) -> Option<BTreeSet<String>> {
    let (series, _value) = line.rsplit_once(' ')?;
    let labels = series.split_once('{').map_or("", |(_, labels)| labels);
    let labels = labels.trim_end_matches('}').split("\",");
    let names = labels.filter_map(|label| Some(label.split_once('=')?.0.to_owned()));
    Some(names.filter(|name| name != "le").collect())
}
