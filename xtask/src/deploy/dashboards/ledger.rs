//! Where every item is: accepted = delivered + rejected + dropped + held.

use super::board::{Board, alarm, lines, number, stack};

pub(super) const BOARD: Board = Board {
    name: "ledger",
    title: "Ledger",
    about: "accepted = delivered + rejected + dropped + held, for each signal, pipeline and exporter. Exact numbers are at /ledger of each receiver.",
    variables: &[],
    rows: &[
        (
            "In the time that is shown",
            &[
                number(
                    "Accepted",
                    "short",
                    "Items acked to senders.",
                    &[(
                        "sum(increase(penstock_append_accepted_items_total{NS}[$__range]))",
                        "accepted",
                    )],
                ),
                alarm(
                    "Dropped or lost",
                    "short",
                    "Accepted items that are lost: by a policy, or by a disk.",
                    &[(
                        "sum(increase(penstock_dispatch_dropped_items_total{NS}[$__range]))",
                        "dropped",
                    )],
                ),
                alarm(
                    "Rejected",
                    "short",
                    "Items that a backend will never take; they are in the dead letters.",
                    &[(
                        "sum(increase(penstock_dispatch_rejected_items_total{NS}[$__range]))",
                        "rejected",
                    )],
                ),
                alarm(
                    "Refused",
                    "short",
                    "Items pushed back before the ack. Sidecars do not send spans and access log records again.",
                    &[(
                        "sum(increase(penstock_admit_refused_items_total{NS}[$__range]))",
                        "refused",
                    )],
                ),
                number(
                    "Held now",
                    "short",
                    "Items accepted and not yet at their end, once for each exporter.",
                    &[("sum(penstock_dispatch_held_items{NS})", "held")],
                ),
                alarm(
                    "In logs that nobody serves",
                    "short",
                    "Items for receivers, pipelines or exporters that the configuration has no more.",
                    &[("sum(penstock_log_unserved_items{NS})", "unserved")],
                ),
            ],
        ),
        (
            "Accepted and delivered",
            &[
                stack(
                    "Accepted",
                    "cps",
                    "Items acked to senders, a second.",
                    &[(
                        "sum by (signal) (rate(penstock_append_accepted_items_total{NS}[RATE]))",
                        "{{signal}}",
                    )],
                ),
                lines(
                    "Delivered",
                    "cps",
                    "Items that backends have. Each line should follow what its pipeline accepts.",
                    &[(
                        "sum by (signal, pipeline, exporter) (rate(penstock_dispatch_delivered_items_total{NS}[RATE]))",
                        "{{pipeline}} → {{exporter}} ({{signal}})",
                    )],
                ),
                lines(
                    "Held",
                    "short",
                    "Items not yet at their end.",
                    &[(
                        "sum by (signal, pipeline, exporter) (penstock_dispatch_held_items{NS})",
                        "{{pipeline}} → {{exporter}} ({{signal}})",
                    )],
                ),
            ],
        ),
        (
            "Losses",
            &[
                lines(
                    "Dropped",
                    "cps",
                    "By reason; what each means and what to do is in docs/operations.md.",
                    &[(
                        "sum by (pipeline, exporter, reason) (rate(penstock_dispatch_dropped_items_total{NS}[RATE]))",
                        "{{pipeline}} → {{exporter}}: {{reason}}",
                    )],
                ),
                lines(
                    "Rejected",
                    "cps",
                    "By reason.",
                    &[(
                        "sum by (pipeline, exporter, reason) (rate(penstock_dispatch_rejected_items_total{NS}[RATE]))",
                        "{{pipeline}} → {{exporter}}: {{reason}}",
                    )],
                ),
                lines(
                    "Refused",
                    "cps",
                    "By reason, before the ack.",
                    &[(
                        "sum by (signal, reason) (rate(penstock_admit_refused_items_total{NS}[RATE]))",
                        "{{signal}}: {{reason}}",
                    )],
                ),
                lines(
                    "Lost by the disk",
                    "cps",
                    "Items that the disk did not give back, and operations that it refused.",
                    &[
                        (
                            "sum by (pod, reason) (rate(penstock_log_lost_items_total{NS}[RATE]))",
                            "{{pod}}: {{reason}}",
                        ),
                        (
                            "sum by (pod, fault) (rate(penstock_log_disk_faults_total{NS}[RATE]))",
                            "{{pod}}: {{fault}} refused",
                        ),
                    ],
                ),
                lines(
                    "Dead letters",
                    "cps",
                    "Rejected items that were written, that could not be, and that made room for newer ones.",
                    &[
                        (
                            "sum(rate(penstock_dead_letter_written_items_total{NS}[RATE]))",
                            "written",
                        ),
                        (
                            "sum by (reason) (rate(penstock_dead_letter_failed_items_total{NS}[RATE]))",
                            "not written: {{reason}}",
                        ),
                        (
                            "sum(rate(penstock_dead_letter_discarded_items_total{NS}[RATE]))",
                            "made room",
                        ),
                    ],
                ),
                lines(
                    "Handed over and sent again",
                    "cps",
                    "No fates: items that another receiver took over, and items sent again after a failure.",
                    &[
                        (
                            "sum by (exporter) (rate(penstock_dispatch_handed_over_items_total{NS}[RATE]))",
                            "{{exporter}} handed over",
                        ),
                        (
                            "sum by (exporter) (rate(penstock_dispatch_retried_items_total{NS}[RATE]))",
                            "{{exporter}} sent again",
                        ),
                    ],
                ),
            ],
        ),
    ],
};
