//! What is sent, and how.

use crate::sh;

/// Requests that take turns, and how they are sent.
#[derive(Clone, Copy)]
pub(super) struct Workload {
    pub(super) name: &'static str,
    /// Files of fixtures/otlp, or a request that the load generator makes itself.
    pub(super) requests: &'static [&'static str],
    pub(super) connections: u32,
    /// Unanswered calls on each connection.
    pub(super) in_flight: u32,
    /// Calls that begin in a second, answered or not; as many as are answered if `None`.
    pub(super) rate: Option<f64>,
}

/// Four of Envoy's requests, with 5 spans each.
pub(super) const TRACES: Workload = Workload {
    name: "mesh traces: 5 spans a call",
    requests: &[
        "fast-traces-0001.pb",
        "mixed-traces-0001.pb",
        "mixed-traces-0010.pb",
        "mixed-traces-0030.pb",
    ],
    connections: 200,
    in_flight: 2,
    rate: None,
};

/// From 2 to 54 access log records, 20.5 in the mean.
pub(super) const LOGS: Workload = Workload {
    name: "mesh logs: 2 to 54 records a call",
    requests: &[
        "fast-logs-0010.pb",
        "mixed-logs-0025.pb",
        "mixed-logs-0001.pb",
        "down503tcp-logs-0004.pb",
        "mixed-logs-0005.pb",
        "mixed-logs-0021.pb",
        "down503tcp-logs-0001.pb",
        "mixed-logs-0009.pb",
    ],
    ..TRACES
};

/// All sidecars at a time push what they have scraped.
pub(super) const METRICS: Workload = Workload {
    name: "mesh metrics: bursts of 759 points",
    requests: &["SYNTH-kumadp-out10-v3-metrics-0001.pb"],
    in_flight: 1,
    ..TRACES
};

pub(super) const BULK_TRACES: Workload = Workload {
    name: "bulk spans: 100 a call",
    requests: &["bulk-traces"],
    connections: 16,
    in_flight: 8,
    rate: None,
};

pub(super) const BULK_METRICS: Workload = Workload {
    name: "bulk points: 100 a call",
    requests: &["bulk-metrics"],
    ..BULK_TRACES
};

/// 20,000 spans a second.
pub(super) const LOW_RATE: Workload = Workload {
    name: "low rate: 20,000 spans/s",
    rate: Some(4_000.0),
    in_flight: 8,
    ..TRACES
};

impl Workload {
    /// For the load generator.
    pub(super) fn words(&self) -> String {
        let fixtures = sh::root().join("fixtures/otlp");
        let place = |request: &&str| {
            if request.starts_with("bulk-") {
                (*request).to_owned()
            } else {
                fixtures.join(request).to_string_lossy().into_owned()
            }
        };
        let places: Vec<_> = self.requests.iter().map(place).collect();
        places.join(",")
    }

    /// For a report, with connections and unanswered calls on each.
    pub(super) fn shape(&self) -> String {
        format!("{}, {} x {}", self.name, self.connections, self.in_flight)
    }
}
