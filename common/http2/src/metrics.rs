//! What the front door counts. Handles are made once; the hot path adds to them.

use metrics::{Counter, Gauge};
use penstock_metrics::{Metric, Unit, describe};

use crate::error::{End, Fault};

const CALLS: Metric = Metric::counter(
    "penstock_http2_calls_total",
    Unit::One,
    &[],
    "Calls answered.",
);
const READ: Metric = Metric::counter(
    "penstock_http2_read_bytes_total",
    Unit::Bytes,
    &[],
    "Bytes read from connections, after TLS.",
);
const WRITTEN: Metric = Metric::counter(
    "penstock_http2_written_bytes_total",
    Unit::Bytes,
    &[],
    "Bytes written to connections, before TLS.",
);
const CONNECTIONS: Metric = Metric::gauge(
    "penstock_http2_connections",
    Unit::One,
    &[],
    "Connections open now.",
);
const CLOSED: Metric = Metric::counter(
    "penstock_http2_connections_closed_total",
    Unit::One,
    &["reason"],
    "Connections ended: `peer`, `broken`, `drained`, `aged`, `idle`, `fault`.",
);
const FAULTS: Metric = Metric::counter(
    "penstock_http2_faults_total",
    Unit::One,
    &["kind"],
    "What peers did wrong or too slowly, by kind: floods, bad frames and headers, time-outs, calls cut off at a `deadline`.",
);

/// All of them.
pub const METRICS: &[Metric] = &[CONNECTIONS, CLOSED, CALLS, READ, WRITTEN, FAULTS];

/// The handles.
#[derive(Clone)]
pub(crate) struct Metrics {
    pub(crate) calls: Counter,
    pub(crate) read: Counter,
    pub(crate) written: Counter,
    pub(crate) connections: Gauge,
    closed: [Counter; 6],
    faults: [Counter; Fault::ALL.len()],
}

impl Metrics {
    /// Registers all metrics with the recorder that is installed now.
    pub(crate) fn new() -> Self {
        describe(METRICS);
        let ends = [
            End::Peer,
            End::Broken,
            End::Drained,
            End::Aged,
            End::Idle,
            End::Fault(Fault::Protocol),
        ];
        Self {
            calls: metrics::counter!(CALLS.name),
            read: metrics::counter!(READ.name),
            written: metrics::counter!(WRITTEN.name),
            connections: metrics::gauge!(CONNECTIONS.name),
            closed: ends.map(|end| metrics::counter!(CLOSED.name, "reason" => end.label())),
            faults: Fault::ALL.map(|fault| metrics::counter!(FAULTS.name, "kind" => fault.label())),
        }
    }

    pub(crate) fn fault(&self, fault: Fault) {
        self.faults[fault as usize].increment(1);
    }

    pub(crate) fn closed(&self, end: End) {
        let index = match end {
            End::Peer => 0,
            End::Broken => 1,
            End::Drained => 2,
            End::Aged => 3,
            End::Idle => 4,
            End::Fault(_) => 5,
        };
        self.closed[index].increment(1);
        self.connections.decrement(1.0);
    }
}

#[cfg(test)]
mod tests;
