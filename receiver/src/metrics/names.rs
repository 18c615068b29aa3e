//! Names, labels and meanings.

use penstock_metrics::{Metric, Unit};

const SIGNAL: &[&str] = &["signal"];
const DOOR: &[&str] = &["receiver", "transport"];
const ENTRANCE: &[&str] = &["receiver", "transport", "signal"];
const REASON: &[&str] = &["receiver", "transport", "signal", "reason"];

pub(super) const CONNECTIONS: Metric = Metric::gauge(
    "penstock_receive_connections",
    Unit::One,
    DOOR,
    "Connections open now.",
);
pub(super) const MAX_CONNECTIONS: Metric = Metric::gauge(
    "penstock_receive_max_connections",
    Unit::One,
    &[],
    "Connections that may be open at once, over all receivers and transports: `penstock.max_connections`.",
);
pub(super) const CONNECTIONS_TOTAL: Metric = Metric::counter(
    "penstock_receive_connections_total",
    Unit::One,
    DOOR,
    "Connections accepted.",
);
pub(super) const READ_BYTES: Metric = Metric::counter(
    "penstock_receive_read_bytes_total",
    Unit::Bytes,
    DOOR,
    "Bytes read from connections, after TLS.",
);
pub(super) const PARKED_BYTES: Metric = Metric::gauge(
    "penstock_receive_parked_bytes",
    Unit::Bytes,
    &[],
    "Held gRPC calls, 4 KiB for each and what it has sent or may send meanwhile: beside the memory budget, for each signal at most a quarter of its share (and 10 MiB at least).",
);
pub(super) const CONNECTIONS_WAITING: Metric = Metric::gauge(
    "penstock_receive_connections_waiting",
    Unit::One,
    &[],
    "gRPC connections that wait to be read until held calls have left: TCP holds their senders.",
);
pub(super) const REQUESTS: Metric = Metric::counter(
    "penstock_receive_requests_total",
    Unit::One,
    ENTRANCE,
    "Export requests begun.",
);
pub(super) const BODY_BYTES: Metric = Metric::counter(
    "penstock_receive_body_bytes_total",
    Unit::Bytes,
    ENTRANCE,
    "Request bodies as they came.",
);
pub(super) const ACCEPTED_ITEMS: Metric = Metric::counter(
    "penstock_receive_accepted_items_total",
    Unit::Items,
    ENTRANCE,
    "Items acked to senders.",
);
pub(super) const MALFORMED_CALLS: Metric = Metric::counter(
    "penstock_receive_malformed_calls_total",
    Unit::One,
    &["receiver", "transport", "reason"],
    "Calls and connections that never reached a signal: `path`, `method`, `content_type`, `encoding`, `tls`, `protocol`.",
);
pub(super) const UNAUTHENTICATED_CALLS: Metric = Metric::counter(
    "penstock_receive_unauthenticated_calls_total",
    Unit::One,
    &["receiver", "transport", "reason"],
    "Calls of senders that may not send, refused before their bodies: credentials are `missing` or `wrong`, or too many wait to be checked (`busy`).",
);
pub(super) const ADMIT_LIMIT: Metric = Metric::gauge(
    "penstock_admit_limit_bytes",
    Unit::Bytes,
    SIGNAL,
    "The signal's share of the memory budget.",
);
pub(super) const ADMIT_HELD: Metric = Metric::gauge(
    "penstock_admit_held_bytes",
    Unit::Bytes,
    SIGNAL,
    "Bytes of it in use: everything received and not delivered.",
);
pub(super) const ADMIT_WAITING: Metric = Metric::gauge(
    "penstock_admit_waiting_requests",
    Unit::One,
    SIGNAL,
    "Requests held because the budget is above its high mark.",
);
pub(super) const REFUSED_REQUESTS: Metric = Metric::counter(
    "penstock_admit_refused_requests_total",
    Unit::One,
    REASON,
    "Requests pushed back with RetryInfo: `memory`, `disk`, `stopping`.",
);
pub(super) const REFUSED_ITEMS: Metric = Metric::counter(
    "penstock_admit_refused_items_total",
    Unit::Items,
    REASON,
    "Items in them.",
);
pub(super) const UNCOUNTED: Metric = Metric::counter(
    "penstock_admit_uncounted_requests_total",
    Unit::One,
    REASON,
    "Refused requests whose items could not be counted in time.",
);
pub(super) const REJECTED_REQUESTS: Metric = Metric::counter(
    "penstock_check_rejected_requests_total",
    Unit::One,
    REASON,
    "Requests that are not valid: `too_large`, `compression`, `json`, `framing`, `slow`, `gone`, the faults of the wire format, and `unknown_exporter` for what another receiver hands over.",
);
pub(super) const REPAIRED_STRINGS: Metric = Metric::counter(
    "penstock_check_repaired_strings_total",
    Unit::One,
    ENTRANCE,
    "Strings whose invalid UTF-8 became U+FFFD.",
);

/// All of them.
pub(crate) const METRICS: &[Metric] = &[
    CONNECTIONS,
    MAX_CONNECTIONS,
    CONNECTIONS_TOTAL,
    READ_BYTES,
    PARKED_BYTES,
    CONNECTIONS_WAITING,
    REQUESTS,
    BODY_BYTES,
    ACCEPTED_ITEMS,
    MALFORMED_CALLS,
    UNAUTHENTICATED_CALLS,
    ADMIT_LIMIT,
    ADMIT_HELD,
    ADMIT_WAITING,
    REFUSED_REQUESTS,
    REFUSED_ITEMS,
    UNCOUNTED,
    REJECTED_REQUESTS,
    REPAIRED_STRINGS,
];
