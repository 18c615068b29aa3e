//! The hop's metrics.
//!
//! Gauges only ever go up and down by what their owner adds, so that the clients of several shards sum up.

use crate::Outcome;
use metrics::{Counter, Gauge, counter, gauge};
use penstock_metrics::{Metric, Unit, describe};

const CALLS: Metric = Metric::counter(
    "penstock_hop_calls_total",
    Unit::One,
    &["exporter", "outcome"],
    "Calls over the hop: `delivered`, `retry`, `too_large`, `rejected`; `unreached` when no replica could be called.",
);
const CALLS_IN_FLIGHT: Metric = Metric::gauge(
    "penstock_hop_calls_in_flight",
    Unit::One,
    &["exporter"],
    "Calls that wait for an answer; in all of the hop's metrics, `hand_over` stands for other receivers.",
);
const REPLICAS: Metric = Metric::gauge(
    "penstock_hop_replicas",
    Unit::One,
    &["exporter", "state"],
    "Replicas of the exporter: `available` and `ejected`.",
);

/// What the receiver exposes of the hop.
pub const METRICS: &[Metric] = &[CALLS, CALLS_IN_FLIGHT, REPLICAS];

/// Handles for one exporter.
#[derive(Clone, Debug)]
pub(crate) struct HopMetrics {
    outcomes: [Counter; 5],
    in_flight: Gauge,
    pub(crate) available: Gauge,
    pub(crate) ejected: Gauge,
}

impl HopMetrics {
    pub(crate) fn new(exporter: &str) -> Self {
        describe(METRICS);
        let calls = |outcome: &'static str| counter!(CALLS.name, "exporter" => exporter.to_owned(), "outcome" => outcome);
        let replicas = |state: &'static str| gauge!(REPLICAS.name, "exporter" => exporter.to_owned(), "state" => state);
        Self {
            outcomes: ["delivered", "retry", "too_large", "rejected", "unreached"].map(calls),
            in_flight: gauge!(CALLS_IN_FLIGHT.name, "exporter" => exporter.to_owned()),
            available: replicas("available"),
            ejected: replicas("ejected"),
        }
    }

    /// Counts a call in flight for as long as the value lives.
    pub(crate) fn begin(&self) -> InFlight {
        self.in_flight.increment(1);
        InFlight(self.in_flight.clone())
    }

    pub(crate) fn count(&self, outcome: &Outcome) {
        let index = match outcome {
            Outcome::Delivered { .. } => 0,
            Outcome::Retry { .. } => 1,
            Outcome::TooLarge { .. } => 2,
            Outcome::Rejected { .. } => 3,
            Outcome::Unreached { .. } => 4,
        };
        self.outcomes[index].increment(1);
    }
}

/// See [`HopMetrics::begin`].
#[derive(Debug)]
pub(crate) struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}
