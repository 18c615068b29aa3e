//! What the front door counts. Handles are made once; the hot path adds to them.

use metrics::{Counter, Gauge, describe_counter, describe_gauge};

use crate::error::{End, Fault};

/// Calls answered.
pub const CALLS: &str = "penstock_http2_calls_total";
/// Bytes read from connections, after decryption.
pub const READ: &str = "penstock_http2_read_bytes_total";
/// Bytes written to connections, before encryption.
pub const WRITTEN: &str = "penstock_http2_written_bytes_total";
/// Connections open now.
pub const CONNECTIONS: &str = "penstock_http2_connections";
/// Connections ended, by `reason`.
pub const CLOSED: &str = "penstock_http2_connections_closed_total";
/// Faults of peers, by `kind`.
pub const FAULTS: &str = "penstock_http2_faults_total";

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
        describe_counter!(CALLS, "Calls answered.");
        describe_counter!(READ, "Bytes read from connections, after decryption.");
        describe_counter!(WRITTEN, "Bytes written to connections, before encryption.");
        describe_gauge!(CONNECTIONS, "Connections open now.");
        describe_counter!(CLOSED, "Connections ended, by reason.");
        describe_counter!(FAULTS, "What peers did wrong or too slowly, by kind.");
        let ends = [
            End::Peer,
            End::Broken,
            End::Drained,
            End::Aged,
            End::Idle,
            End::Fault(Fault::Protocol),
        ];
        Self {
            calls: metrics::counter!(CALLS),
            read: metrics::counter!(READ),
            written: metrics::counter!(WRITTEN),
            connections: metrics::gauge!(CONNECTIONS),
            closed: ends.map(|end| metrics::counter!(CLOSED, "reason" => end.label())),
            faults: Fault::ALL.map(|fault| metrics::counter!(FAULTS, "kind" => fault.label())),
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
