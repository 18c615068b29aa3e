//! Every metric that there is, out of docs/metrics.md: the page is made of the code, and a test holds it to that.

use crate::fail::Outcome;
use crate::sh;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// A metric.
pub(crate) struct Row {
    /// `counter`, `gauge` or `histogram`.
    pub(crate) kind: String,
    /// The labels of its series.
    pub(crate) labels: BTreeSet<String>,
}

/// Every metric by its name, and by the old ones of the Collector.
pub(crate) fn rows() -> Outcome<BTreeMap<String, Row>> {
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
