//! Dashboards of Grafana, made of short descriptions: `deploy render` writes them into the chart, `deploy check` holds them to it, and every
//! query to the metrics and labels that the code has.
//!
//! In queries `NS` stands for the namespaces that are chosen and `RATE` for the time to rate over.

mod board;
mod exporter;
mod flow;
mod ledger;
mod sidecars;

use super::expressions::{self, Expression};
use crate::fail::Outcome;
use crate::{catalogue, sh};
use board::{Board, Panel};
use std::fs;
use std::path::{Path, PathBuf};

#[cfg(test)]
mod tests;

const FOLDER: &str = "deploy/helm/penstock/files/dashboards";
const BOARDS: [&Board; 4] = [
    &flow::BOARD,
    &ledger::BOARD,
    &exporter::BOARD,
    &sidecars::BOARD,
];

/// Writes them.
pub(super) fn write() -> Outcome {
    fs::create_dir_all(sh::root().join(FOLDER))?;
    for board in BOARDS {
        fs::write(file(board), board.json())?;
    }
    Ok(())
}

fn file(board: &Board) -> PathBuf {
    sh::root().join(FOLDER).join(format!("{}.json", board.name))
}

/// Everything that is wrong with them, a sentence each.
pub(super) fn faults(folder: &Path) -> Outcome<Vec<String>> {
    let mut faults = Vec::new();
    let (mut expressions, mut legends) = (Vec::new(), Vec::new());
    for board in BOARDS {
        if fs::read_to_string(file(board)).ok() != Some(board.json()) {
            faults.push(format!(
                "{FOLDER}/{}.json is not what is described: cargo xtask deploy render",
                board.name
            ));
        }
        for panel in board.panels() {
            let place = format!("dashboard {}, {}", board.name, panel.title);
            faults.extend(
                incomplete(panel)
                    .into_iter()
                    .map(|fault| format!("{place}: {fault}")),
            );
            for (query, legend) in panel.queries {
                expressions.push(Expression {
                    place: place.clone(),
                    text: sample(&board::expanded(query)),
                });
                legends.push(*legend);
            }
        }
    }
    let (named, told) = expressions::check(folder, &expressions)?;
    faults.extend(told);
    for ((expression, named), legend) in expressions.iter().zip(&named).zip(legends) {
        let labels = legend
            .split("{{")
            .skip(1)
            .filter_map(|part| part.split("}}").next());
        let unknown = labels.filter(|label| !named.labels.contains(*label));
        faults.extend(unknown.map(|label| {
            format!(
                "{}: the legend has `{label}`, the query has not",
                expression.place
            )
        }));
    }
    faults.extend(variables()?);
    Ok(faults)
}

/// What people need to read a panel.
fn incomplete(panel: &Panel) -> Vec<String> {
    let mut faults = Vec::new();
    for (what, missing) in [
        ("title", panel.title.is_empty()),
        ("description", !panel.about.ends_with('.')),
        ("unit", panel.unit.is_empty()),
        ("query", panel.queries.is_empty()),
    ] {
        if missing {
            faults.push(format!("has no {what}"));
        }
    }
    for (query, _) in panel.queries {
        // Each selector: a histogram's or another's, but never all namespaces.
        if query.matches("penstock_").count() + query.matches("otelcol_").count()
            != query.matches("{NS").count()
        {
            faults.push(format!("a selector of `{query}` is of all namespaces"));
        }
    }
    faults
}

/// Grafana's variables, which only Grafana knows, as something that promtool reads.
fn sample(expression: &str) -> String {
    expression
        .replace("$__rate_interval", "5m")
        .replace("$__range", "1h")
}

/// Variables are values of labels that exist.
fn variables() -> Outcome<Vec<String>> {
    let rows = catalogue::rows()?;
    let mut faults = Vec::new();
    for board in BOARDS {
        for variable in board::VARIABLES.iter().chain(board.variables) {
            let row = rows.get(variable.metric);
            let scraped = variable.name == "namespace";
            if !row.is_some_and(|row| scraped || row.labels.contains(variable.name)) {
                faults.push(format!(
                    "dashboard {}: no {} has a label `{}`",
                    board.name, variable.metric, variable.name
                ));
            }
        }
    }
    Ok(faults)
}
