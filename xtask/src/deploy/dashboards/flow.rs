//! From senders to backends, over both tiers.

use super::board::{Board, lines, stack};

pub(super) const BOARD: Board = Board {
    name: "flow",
    title: "Flow",
    about: "What comes in, what is kept and what goes out, through both tiers.",
    variables: &[],
    rows: &[
        (
            "In",
            &[
                stack(
                    "Items acked",
                    "cps",
                    "Items that senders have an ack for, a second: from here on they are ours.",
                    &[(
                        "sum by (signal) (rate(penstock_receive_accepted_items_total{NS}[RATE]))",
                        "{{signal}}",
                    )],
                ),
                stack(
                    "Bytes of requests",
                    "Bps",
                    "Bodies of export requests as they came, compressed or not.",
                    &[(
                        "sum by (signal) (rate(penstock_receive_body_bytes_total{NS}[RATE]))",
                        "{{signal}}",
                    )],
                ),
                lines(
                    "Requests not accepted",
                    "reqps",
                    "Refused: pushed back since memory or disk is full, or at the end of a drain. Rejected: not valid. Nothing should be here.",
                    &[
                        (
                            "sum by (signal, reason) (rate(penstock_admit_refused_requests_total{NS}[RATE]))",
                            "{{signal}} refused: {{reason}}",
                        ),
                        (
                            "sum by (signal, reason) (rate(penstock_check_rejected_requests_total{NS}[RATE]))",
                            "{{signal}} rejected: {{reason}}",
                        ),
                    ],
                ),
            ],
        ),
        (
            "Kept",
            &[
                lines(
                    "Time to the ack",
                    "s",
                    "99 of 100 blocks were acked within this time from their first request on, writing and syncing included.",
                    &[(
                        "histogram_quantile(0.99, sum by (le, signal) (rate(penstock_append_ack_seconds_bucket{NS}[RATE])))",
                        "{{signal}}",
                    )],
                ),
                lines(
                    "Memory taken",
                    "percentunit",
                    "Of the signal's share of the memory budget, on the fullest receiver. Above the high mark (0.8) senders wait.",
                    &[(
                        "max by (signal) (penstock_admit_held_bytes{NS} / penstock_admit_limit_bytes{NS})",
                        "{{signal}}",
                    )],
                ),
                lines(
                    "Disk of the log",
                    "bytes",
                    "Bytes on disk for each receiver, and what each may have. The distance and the slope say how long a dead backend can be borne.",
                    &[
                        (
                            "max by (pod, signal) (penstock_log_disk_bytes{NS})",
                            "{{pod}} {{signal}}",
                        ),
                        (
                            "min by (signal) (penstock_log_disk_limit_bytes{NS})",
                            "limit of {{signal}}",
                        ),
                    ],
                ),
                lines(
                    "Writes and syncs",
                    "s",
                    "99 of 100 writes to the log, and syncs of it, took less than this.",
                    &[
                        (
                            "histogram_quantile(0.99, sum by (le) (rate(penstock_append_write_seconds_bucket{NS}[RATE])))",
                            "write",
                        ),
                        (
                            "histogram_quantile(0.99, sum by (le) (rate(penstock_append_sync_seconds_bucket{NS}[RATE])))",
                            "sync",
                        ),
                    ],
                ),
                lines(
                    "Items in the log",
                    "short",
                    "Items that one exporter at least has not yet, over all receivers.",
                    &[(
                        "sum by (signal) (penstock_log_held_items{NS})",
                        "{{signal}}",
                    )],
                ),
                lines(
                    "Senders that wait",
                    "short",
                    "Requests whose ack is held back until there is room.",
                    &[(
                        "sum by (signal) (penstock_admit_waiting_requests{NS})",
                        "{{signal}}",
                    )],
                ),
            ],
        ),
        (
            "Out",
            &[
                stack(
                    "Items delivered",
                    "cps",
                    "Items that backends have, a second. An item that two exporters deliver is in here twice.",
                    &[(
                        "sum by (exporter) (rate(penstock_dispatch_delivered_items_total{NS}[RATE]))",
                        "{{exporter}}",
                    )],
                ),
                lines(
                    "Oldest unsent item",
                    "s",
                    "Age of the oldest item that an exporter has not delivered. Near the batch's timeout all is well.",
                    &[(
                        "max by (exporter) (penstock_dispatch_oldest_held_seconds{NS})",
                        "{{exporter}}",
                    )],
                ),
                lines(
                    "Batches in flight",
                    "short",
                    "Batches on their way to exporters, or waiting to be sent again.",
                    &[(
                        "sum by (exporter) (penstock_dispatch_batches_in_flight{NS})",
                        "{{exporter}}",
                    )],
                ),
                lines(
                    "Calls over the hop that fail",
                    "reqps",
                    "`retry`: the backend or a replica could not; `unreached`: there was no replica to call.",
                    &[(
                        "sum by (exporter, outcome) (rate(penstock_hop_calls_total{NS, outcome!=\"delivered\"}[RATE]))",
                        "{{exporter}} {{outcome}}",
                    )],
                ),
                lines(
                    "Replicas of exporters",
                    "short",
                    "Replicas that receivers know, as the receiver that knows the most sees them.",
                    &[(
                        "max by (exporter, state) (penstock_hop_replicas{NS})",
                        "{{exporter}} {{state}}",
                    )],
                ),
                stack(
                    "Batches by what made them go",
                    "cps",
                    "`size` and `bytes`: full; `age`: the timeout; `drain` and `again` for the rest.",
                    &[(
                        "sum by (trigger) (rate(penstock_batch_batches_total{NS}[RATE]))",
                        "{{trigger}}",
                    )],
                ),
            ],
        ),
        (
            "Processes",
            &[
                lines(
                    "CPU",
                    "short",
                    "Cores in use, by pod.",
                    &[(
                        "sum by (pod) (rate(otelcol_process_cpu_seconds_total{NS}[RATE]))",
                        "{{pod}}",
                    )],
                ),
                lines(
                    "Memory",
                    "bytes",
                    "Resident memory, by pod.",
                    &[(
                        "max by (pod) (otelcol_process_memory_rss_bytes{NS})",
                        "{{pod}}",
                    )],
                ),
                lines(
                    "Workers that died",
                    "short",
                    "Workers that a supervisor had to replace within an hour. Nothing should be here.",
                    &[(
                        "sum by (pod) (increase(penstock_supervisor_worker_restarts_total{NS}[1h]))",
                        "{{pod}}",
                    )],
                ),
            ],
        ),
    ],
};
