//! The hop's metrics.
//!
//! Gauges only ever go up and down by what their owner adds, so that the clients of several shards sum up.

use crate::Outcome;
use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};

const CALLS: &str = "penstock_hop_calls_total";
const CALLS_IN_FLIGHT: &str = "penstock_hop_calls_in_flight";
const REPLICAS: &str = "penstock_hop_replicas";

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
        describe_counter!(CALLS, "Calls over the hop, by what became of them");
        describe_gauge!(CALLS_IN_FLIGHT, "Calls that wait for an answer");
        describe_gauge!(REPLICAS, "Replicas of the exporter: available or ejected");
        let calls = |outcome: &'static str| counter!(CALLS, "exporter" => exporter.to_owned(), "outcome" => outcome);
        let replicas = |state: &'static str| gauge!(REPLICAS, "exporter" => exporter.to_owned(), "state" => state);
        Self {
            outcomes: ["delivered", "retry", "too_large", "rejected", "unreached"].map(calls),
            in_flight: gauge!(CALLS_IN_FLIGHT, "exporter" => exporter.to_owned()),
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
