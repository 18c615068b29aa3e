//! Every fate moves exactly one counter.
use super::*;

#[test]
fn the_ledger_balances_whatever_becomes_of_a_batch() {
    let ledger = Ledger::new("debug");
    let reason = || "no".to_owned();
    let fates = [
        Ok(Exported::default()),
        Ok(Exported {
            rejected: 4,
            message: String::new(),
        }),
        Err(ExportError::Retry {
            after: None,
            reason: reason(),
        }),
        Err(ExportError::TooLarge { reason: reason() }),
        Err(ExportError::Rejected { reason: reason() }),
    ];
    for fate in &fates {
        ledger.received(Signal::Logs, 10);
        ledger.begin();
        ledger.end(Signal::Logs, 10, fate);
    }
    ledger.received(Signal::Logs, 10);
    ledger.duplicate(Signal::Logs, 10);
    let [traces, _, logs] = ledger.lines().try_into().unwrap();
    assert_eq!((logs.received, logs.delivered, logs.rejected), (60, 16, 14));
    assert_eq!((logs.failed, logs.duplicates), (20, 10));
    assert!(logs.balances() && traces.balances());
    assert_eq!(traces.received, 0);
}

#[test]
fn a_batch_in_flight_is_received_and_has_no_fate() {
    let ledger = Ledger::new("debug");
    ledger.received(Signal::Traces, 1);
    assert!(!ledger.lines()[0].balances());
}

#[test]
fn the_page_is_json_with_a_line_per_signal() {
    let page: serde_json::Value = serde_json::from_str(&Ledger::new("otlp/x").json()).unwrap();
    let signals: Vec<_> = page
        .as_array()
        .unwrap()
        .iter()
        .map(|line| &line["signal"])
        .collect();
    assert_eq!(signals, ["traces", "metrics", "logs"]);
    assert_eq!(page[0]["exporter"], "otlp/x");
}
