//! Those who send: their connections, their requests, and what is wrong with them.

use super::board::{Board, lines, stack};

pub(super) const BOARD: Board = Board {
    name: "sidecars",
    title: "Sidecars",
    about: "Senders: connections and how even they are, requests, what senders wait for, and what is wrong with what they send.",
    variables: &[],
    rows: &[
        (
            "Connections",
            &[
                stack(
                    "Open connections",
                    "short",
                    "By receiver. A sidecar has one for each kind of data; they become even within one `max_connection_age`.",
                    &[("sum by (pod) (penstock_receive_connections{NS})", "{{pod}}")],
                ),
                lines(
                    "Connections against the limit",
                    "percentunit",
                    "Of `penstock.max_connections`. At 1 new senders wait.",
                    &[(
                        "sum by (pod) (penstock_receive_connections{NS}) / sum by (pod) (penstock_receive_max_connections{NS})",
                        "{{pod}}",
                    )],
                ),
                lines(
                    "Opened and closed",
                    "cps",
                    "`aged` and `drained`: we sent them elsewhere; `peer`: they went; `broken`, `idle` and `fault` point to networks or senders.",
                    &[
                        (
                            "sum by (transport) (rate(penstock_receive_connections_total{NS}[RATE]))",
                            "opened, {{transport}}",
                        ),
                        (
                            "sum by (reason) (rate(penstock_http2_connections_closed_total{NS}[RATE]))",
                            "closed, {{reason}}",
                        ),
                    ],
                ),
            ],
        ),
        (
            "Requests",
            &[
                stack(
                    "Requests",
                    "reqps",
                    "Export requests begun.",
                    &[(
                        "sum by (signal, transport) (rate(penstock_receive_requests_total{NS}[RATE]))",
                        "{{signal}}, {{transport}}",
                    )],
                ),
                lines(
                    "Items in a request",
                    "short",
                    "Accepted items for each request: what senders batch.",
                    &[(
                        "sum by (signal) (rate(penstock_receive_accepted_items_total{NS}[RATE])) / sum by (signal) (rate(penstock_receive_requests_total{NS}[RATE]))",
                        "{{signal}}",
                    )],
                ),
                lines(
                    "Bytes of an item",
                    "bytes",
                    "Bytes of bodies for each accepted item.",
                    &[(
                        "sum by (signal) (rate(penstock_receive_body_bytes_total{NS}[RATE])) / sum by (signal) (rate(penstock_receive_accepted_items_total{NS}[RATE]))",
                        "{{signal}}",
                    )],
                ),
            ],
        ),
        (
            "Waiting",
            &[
                lines(
                    "Requests that wait",
                    "short",
                    "Requests whose ack is held back, since memory or disk is above its high mark.",
                    &[(
                        "sum by (pod, signal) (penstock_admit_waiting_requests{NS})",
                        "{{pod}} {{signal}}",
                    )],
                ),
                lines(
                    "Connections that wait",
                    "short",
                    "Connections that are not read until held calls have left.",
                    &[(
                        "sum by (pod) (penstock_receive_connections_waiting{NS})",
                        "{{pod}}",
                    )],
                ),
                lines(
                    "Memory of held calls",
                    "bytes",
                    "Beside the memory budget, and bounded.",
                    &[(
                        "sum by (pod) (penstock_receive_parked_bytes{NS})",
                        "{{pod}}",
                    )],
                ),
            ],
        ),
        (
            "What is wrong with them",
            &[
                lines(
                    "Requests that are not valid",
                    "reqps",
                    "Rejected, by reason.",
                    &[(
                        "sum by (signal, reason) (rate(penstock_check_rejected_requests_total{NS}[RATE]))",
                        "{{signal}}: {{reason}}",
                    )],
                ),
                lines(
                    "Calls that are no exports",
                    "reqps",
                    "Calls and connections that never reached a signal, and calls without credentials.",
                    &[
                        (
                            "sum by (transport, reason) (rate(penstock_receive_malformed_calls_total{NS}[RATE]))",
                            "{{transport}}: {{reason}}",
                        ),
                        (
                            "sum by (transport, reason) (rate(penstock_receive_unauthenticated_calls_total{NS}[RATE]))",
                            "{{transport}}: credentials {{reason}}",
                        ),
                    ],
                ),
                lines(
                    "Faults of HTTP/2",
                    "cps",
                    "What peers did wrong or too slowly, by kind; and strings that were no UTF-8 and were repaired.",
                    &[
                        (
                            "sum by (kind) (rate(penstock_http2_faults_total{NS}[RATE]))",
                            "{{kind}}",
                        ),
                        (
                            "sum by (signal) (rate(penstock_check_repaired_strings_total{NS}[RATE]))",
                            "repaired strings of {{signal}}",
                        ),
                    ],
                ),
            ],
        ),
    ],
};
