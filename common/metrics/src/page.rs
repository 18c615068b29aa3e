//! `docs/metrics.md`: what there is, for people and for tools that read tables.

use crate::{Metric, otelcol};
use std::fmt::Write;

/// Metrics that belong together.
#[derive(Clone, Debug)]
pub struct Section {
    /// Its heading.
    pub title: &'static str,
    /// The processes that expose it: `receiver`, `exporters`, `all`, or one exporter.
    pub binary: &'static str,
    /// What there is to say of all of them; may be empty.
    pub about: &'static str,
    /// The metrics.
    pub metrics: &'static [Metric],
}

const INTRODUCTION: &str = "\
# Metrics

Every binary serves `/metrics` in Prometheus' text format on its admin address. This page is made of the code by
`cargo xtask docs`; tests hold a running binary's `/metrics` to it, names, types and labels alike. Each table has one metric a row.

Items are spans, data points or log records. `signal` is `traces`, `metrics` or `logs`; `receiver`, `pipeline` and `exporter` are ids
of the configuration. Values of other labels are closed sets, save for
`metric`, which names 32 of somebody's metrics at most.

## What may change
- A metric's name, type, unit and labels do not change. What has to be another metric gets another name.
- Metrics, and values of labels that name a reason, a kind or a state, may be added in any version: sum over them, or name those you mean.
- A metric that goes is marked here as deprecated, with what to use instead, for two minor versions and six months at least before it goes.
- The Collector's names below stay as they are here, whatever the Collector renames; names that it changes to are added to them.
";

const COLLECTOR: &str = "\
## Names of the Collector
The same numbers under the names that dashboards and alerts ask for. What one name counts is counted by one process only, so that sums over
all of them are right. `penstock.telemetry.otelcol_names` chooses the spelling: `total` (the default) is the first column, which is what
the Collector's Helm chart has; `legacy` the second, which is what a Collector's built-in reader and older versions have (`penstock.telemetry.otelcol_service_labels`
adds `service_name`, `service_instance_id` and `service_version` to each series, as Collectors before v0.149 did); `both` gives both.

| metric | legacy | type | unit | labels | binary | meaning |
|---|---|---|---|---|---|---|
";

/// The whole page.
#[must_use]
pub fn page(sections: &[Section]) -> String {
    let mut page = INTRODUCTION.to_owned();
    for section in sections {
        // Writing to a string cannot fail.
        _ = write!(page, "\n## {}\n", section.title);
        if !section.about.is_empty() {
            _ = writeln!(page, "{}", section.about);
        }
        page.push_str(
            "\n| metric | type | unit | labels | binary | meaning |\n|---|---|---|---|---|---|\n",
        );
        for metric in section.metrics {
            let Metric { name, help, .. } = metric;
            let (kind, unit, labels) = columns(metric);
            let binary = section.binary;
            _ = writeln!(
                page,
                "| `{name}` | {kind} | {unit} | {labels} | {binary} | {help} |"
            );
        }
    }
    page.push('\n');
    page.push_str(COLLECTOR);
    for metric in otelcol::all() {
        let Metric { name, help, .. } = metric;
        let (kind, unit, labels) = columns(metric);
        let legacy = quoted(metric.legacy);
        let binary = binary(metric);
        _ = writeln!(
            page,
            "| `{name}` | {legacy} | {kind} | {unit} | {labels} | {binary} | {help} |"
        );
    }
    page
}

fn columns(metric: &Metric) -> (&'static str, &'static str, String) {
    (
        metric.kind.name(),
        metric.unit.name(),
        quoted(metric.labels),
    )
}

fn quoted(names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

fn binary(metric: &Metric) -> &'static str {
    let in_any = |tables: &[&[Metric]]| tables.iter().any(|table| table.contains(metric));
    let receiver = in_any(otelcol::RECEIVER) || in_any(otelcol::BATCHER);
    match (receiver, in_any(otelcol::EXPORTERS)) {
        (true, true) => "receiver, exporters",
        (true, false) => "receiver",
        (false, true) => "exporters",
        (false, false) => "all",
    }
}
