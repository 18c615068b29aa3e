//! The names under which the Collector's users know the same counts: the one table of aliases.
//!
//! *Invariant:* an alias never says more than its original. `send_failed` counts what will not be tried again, as it does
//! in a Collector with retries on; what the receiver sends again is in `penstock_export_failed_items_total` alone.

use penstock_otlp::Signal;

/// What our counters of an item's fate are called there, before the item's name and `_total`.
const ALIASES: [(&str, &str); 2] = [
    (
        "penstock_export_delivered_items_total",
        "otelcol_exporter_sent",
    ),
    (
        "penstock_export_rejected_items_total",
        "otelcol_exporter_send_failed",
    ),
];

/// The alias of one of our counters for `signal`, if it has one.
pub(crate) fn alias(name: &str, signal: Signal) -> Option<String> {
    let (_, prefix) = ALIASES.iter().find(|(original, _)| *original == name)?;
    Some(format!("{prefix}_{}_total", signal.items_name()))
}
