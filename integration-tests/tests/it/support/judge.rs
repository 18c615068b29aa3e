//! Waiting for what must come true, and the judgement over the ledger.

use penstock_batcher::ledger::Line;
use penstock_otlp::Signal;
use penstock_receiver::Receiver;
use std::time::Duration;
use tokio::time::{interval, timeout};

/// Beyond any machine's slowness: only what never happens takes this long.
const NEVER: Duration = Duration::from_secs(120);
const POLL: Duration = Duration::from_millis(5);

/// Waits until `holds`.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let mut ticks = interval(POLL);
    let waiting = async {
        while !holds() {
            ticks.tick().await;
        }
    };
    if timeout(NEVER, waiting).await.is_err() {
        panic!("never came true: {what}");
    }
}

/// Waits until nothing is held, neither items nor bytes, with the law holding all the way.
pub(crate) async fn settle(receiver: &Receiver) {
    eventually("nothing is held", || {
        let lines = receiver.ledger().lines();
        assert_law(&lines);
        let no_bytes = |signal| receiver.held_bytes(signal) == 0;
        lines.iter().all(|line| line.held == 0) && Signal::ALL.into_iter().all(no_bytes)
    })
    .await;
}

/// The ledger's law on every line.
pub(crate) fn assert_law(lines: &[Line]) {
    for line in lines {
        assert!(line.balances(), "{line:?}");
    }
}

/// The line of one exporter, whatever its pipeline.
pub(crate) fn line(receiver: &Receiver, exporter: &str) -> Line {
    let lines = receiver.ledger().lines();
    assert_law(&lines);
    let found = lines.into_iter().find(|line| line.exporter == exporter);
    found.unwrap_or_else(|| panic!("no line of {exporter}"))
}
