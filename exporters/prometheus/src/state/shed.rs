//! What was not taken in, for people to see: how many data points, of which metrics and why.
//!
//! *Invariant:* names few metrics by themselves; the others are counted together.

use super::kept::Why;
use metrics::{counter, gauge};
use penstock_metrics::{Metric, Unit, describe};
use std::collections::BTreeSet;

#[cfg(test)]
mod tests;

const SHED: Metric = Metric::counter(
    "penstock_exporter_prometheus_shed_points_total",
    Unit::Items,
    &["metric", "reason"],
    "Data points that were not taken in, by what their metric is called where it is scraped and the reason; beyond 32 of both, `other`.",
);
const SERIES: Metric = Metric::gauge(
    "penstock_exporter_prometheus_series",
    Unit::One,
    &[],
    "Series that this replica keeps.",
);
/// All of ours on the admin address.
pub(crate) const METRICS: &[Metric] = &[SHED, SERIES];

/// Metrics with a name of their own, each for one reason.
const NAMED: usize = 32;
const OTHER: &str = "other";

/// What is told so far.
#[derive(Debug, Default)]
pub(super) struct Shed {
    named: BTreeSet<(Why, String)>,
    others_told: bool,
    is_described: bool,
}

impl Shed {
    pub(super) fn count(&mut self, metric: &str, why: Why, points: usize) {
        let reason = why.text();
        let key = (why, metric.to_owned());
        if !self.named.contains(&key) && self.named.len() < NAMED {
            tracing::warn!(metric, reason, "data points are not taken in");
            self.named.insert(key);
        } else if !self.named.contains(&key) && !self.others_told {
            tracing::warn!(
                metric,
                reason,
                "data points are not taken in, of this metric and more; they are counted, and not named"
            );
            self.others_told = true;
        }
        let name = self.name(metric, why).to_owned();
        counter!(SHED.name, "metric" => name, "reason" => reason)
            .increment(u64::try_from(points).unwrap_or(u64::MAX));
    }

    /// What it is counted under.
    fn name<'a>(&self, metric: &'a str, why: Why) -> &'a str {
        if self.named.contains(&(why, metric.to_owned())) {
            metric
        } else {
            OTHER
        }
    }

    pub(super) fn kept(&mut self, series: usize) {
        // Not before: the process has its recorder after its exporter.
        if !std::mem::replace(&mut self.is_described, true) {
            describe(METRICS);
        }
        #[expect(clippy::cast_precision_loss, reason = "a gauge")]
        gauge!(SERIES.name).set(series as f64);
    }
}
