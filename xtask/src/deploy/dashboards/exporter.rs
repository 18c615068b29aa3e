//! One exporter, as receivers see it and as its replicas do.

use super::board::{Board, Variable, alarm, lines, number, stack};

pub(super) const BOARD: Board = Board {
    name: "exporter",
    title: "Exporter",
    about: "Each exporter: what waits for it, what it does with it, and how its replicas are.",
    variables: &[Variable {
        name: "exporter",
        metric: "penstock_dispatch_held_items",
    }],
    rows: &[
        (
            "Now",
            &[
                number(
                    "Held",
                    "short",
                    "Items that wait for the exporter or are on their way.",
                    &[(
                        "sum by (exporter) (penstock_dispatch_held_items{NS, exporter=~\"$exporter\"})",
                        "{{exporter}}",
                    )],
                ),
                number(
                    "Oldest unsent item",
                    "s",
                    "Age of the oldest of them.",
                    &[(
                        "max by (exporter) (penstock_dispatch_oldest_held_seconds{NS, exporter=~\"$exporter\"})",
                        "{{exporter}}",
                    )],
                ),
                alarm(
                    "Replicas ejected",
                    "short",
                    "Replicas that a receiver does not send to, since calls to them fail.",
                    &[(
                        "max by (exporter) (penstock_hop_replicas{NS, exporter=~\"$exporter\", state=\"ejected\"})",
                        "{{exporter}}",
                    )],
                ),
            ],
        ),
        (
            "As receivers see it",
            &[
                stack(
                    "Items delivered",
                    "cps",
                    "Items that the backend has, a second.",
                    &[(
                        "sum by (exporter, signal) (rate(penstock_dispatch_delivered_items_total{NS, exporter=~\"$exporter\"}[RATE]))",
                        "{{exporter}} {{signal}}",
                    )],
                ),
                lines(
                    "Batches in flight",
                    "short",
                    "Batches sent or waiting to be sent again. When this stays high and nothing fails, the exporter is too slow: scale it.",
                    &[(
                        "sum by (exporter) (penstock_dispatch_batches_in_flight{NS, exporter=~\"$exporter\"})",
                        "{{exporter}}",
                    )],
                ),
                lines(
                    "Calls by outcome",
                    "reqps",
                    "What calls over the hop came to.",
                    &[(
                        "sum by (exporter, outcome) (rate(penstock_hop_calls_total{NS, exporter=~\"$exporter\"}[RATE]))",
                        "{{exporter}} {{outcome}}",
                    )],
                ),
                lines(
                    "Items sent again, and batches set aside",
                    "cps",
                    "Items sent again after a failure; batches set aside after many, so that others go on.",
                    &[
                        (
                            "sum by (exporter) (rate(penstock_dispatch_retried_items_total{NS, exporter=~\"$exporter\"}[RATE]))",
                            "{{exporter}} items again",
                        ),
                        (
                            "sum by (exporter) (rate(penstock_dispatch_parked_batches_total{NS, exporter=~\"$exporter\"}[RATE]))",
                            "{{exporter}} batches aside",
                        ),
                    ],
                ),
                lines(
                    "Lost for it",
                    "cps",
                    "Items dropped, and items that its backend rejected.",
                    &[
                        (
                            "sum by (exporter, reason) (rate(penstock_dispatch_dropped_items_total{NS, exporter=~\"$exporter\"}[RATE]))",
                            "{{exporter}} dropped: {{reason}}",
                        ),
                        (
                            "sum by (exporter, reason) (rate(penstock_dispatch_rejected_items_total{NS, exporter=~\"$exporter\"}[RATE]))",
                            "{{exporter}} rejected: {{reason}}",
                        ),
                    ],
                ),
                lines(
                    "Replicas",
                    "short",
                    "Replicas that receivers know.",
                    &[(
                        "max by (exporter, state) (penstock_hop_replicas{NS, exporter=~\"$exporter\"})",
                        "{{exporter}} {{state}}",
                    )],
                ),
            ],
        ),
        (
            "As its replicas see it",
            &[
                stack(
                    "Items by what became of them",
                    "cps",
                    "`given back` is sent again by the receiver; `known` was delivered before or is under way.",
                    &[
                        (
                            "sum(rate(penstock_export_delivered_items_total{NS, exporter=~\"$exporter\"}[RATE]))",
                            "delivered",
                        ),
                        (
                            "sum(rate(penstock_export_rejected_items_total{NS, exporter=~\"$exporter\"}[RATE]))",
                            "rejected",
                        ),
                        (
                            "sum(rate(penstock_export_failed_items_total{NS, exporter=~\"$exporter\"}[RATE]))",
                            "given back",
                        ),
                        (
                            "sum(rate(penstock_export_duplicate_items_total{NS, exporter=~\"$exporter\"}[RATE]))",
                            "known",
                        ),
                    ],
                ),
                stack(
                    "Items received by each replica",
                    "cps",
                    "Replicas that are not even: some are slow, or own more Resources.",
                    &[(
                        "sum by (pod) (rate(penstock_export_received_items_total{NS, exporter=~\"$exporter\"}[RATE]))",
                        "{{pod}}",
                    )],
                ),
                lines(
                    "Batches being exported",
                    "short",
                    "By replica, which works on 64 at once; the autoscaler aims at half.",
                    &[(
                        "max by (pod) (penstock_export_batches_in_flight{NS, exporter=~\"$exporter\"})",
                        "{{pod}}",
                    )],
                ),
                lines(
                    "Panics and malformed batches",
                    "cps",
                    "Nothing should be here.",
                    &[
                        (
                            "sum by (pod) (rate(penstock_export_panics_total{NS, exporter=~\"$exporter\"}[RATE]))",
                            "{{pod}} panics",
                        ),
                        (
                            "sum by (pod, reason) (rate(penstock_export_malformed_batches_total{NS, exporter=~\"$exporter\"}[RATE]))",
                            "{{pod}} {{reason}}",
                        ),
                    ],
                ),
                lines(
                    "Series kept for scrapes",
                    "short",
                    "`prometheus` exporters: series that each replica keeps, and series that are kept and not exposed.",
                    &[
                        (
                            "max by (pod) (penstock_exporter_prometheus_series{NS})",
                            "{{pod}}",
                        ),
                        (
                            "max by (metric, reason) (penstock_exporter_hidden_series{NS}) > 0",
                            "{{metric}} hidden: {{reason}}",
                        ),
                    ],
                ),
                lines(
                    "Points shed",
                    "cps",
                    "`prometheus` exporters: data points that were not taken in, by metric and reason. Nothing should be here.",
                    &[(
                        "sum by (metric, reason) (rate(penstock_exporter_prometheus_shed_points_total{NS}[RATE]))",
                        "{{metric}}: {{reason}}",
                    )],
                ),
                lines(
                    "Siblings that tell their series",
                    "short",
                    "`prometheus` exporters: 0 is a replica whose series are missing on what is scraped.",
                    &[(
                        "min by (sibling) (penstock_exporter_sibling_up{NS})",
                        "{{sibling}}",
                    )],
                ),
            ],
        ),
    ],
};
