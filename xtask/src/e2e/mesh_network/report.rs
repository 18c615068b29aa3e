//! What became of everything, event by event.

use crate::e2e::lossless::books::{SIGNALS, Verdict};
use crate::fail::{Outcome, bail};

/// One signal in one event of one topology.
pub(super) struct Row {
    topology: String,
    event: String,
    signal: String,
    generated: u64,
    acked: u64,
    delivered: u64,
    duplicates: u64,
}

impl Row {
    pub(super) fn all(topology: &str, event: &str, verdict: &Verdict) -> Vec<Self> {
        let signals = SIGNALS
            .iter()
            .filter_map(|signal| Some((signal, verdict.of_signal(signal)?)));
        let rows = signals.map(|(signal, tally)| Self {
            topology: topology.to_owned(),
            event: event.to_owned(),
            signal: (*signal).to_owned(),
            generated: tally.issued,
            acked: tally.acked,
            delivered: tally.arrived,
            duplicates: tally.duplicates,
        });
        rows.collect()
    }

    fn lost(&self) -> u64 {
        self.generated - self.delivered
    }
}

/// Fails when anything was lost, or nothing was sent.
pub(super) fn nothing_lost(rows: &[Row]) -> Outcome {
    for row in rows {
        let Row {
            topology,
            event,
            signal,
            generated,
            ..
        } = row;
        if *generated == 0 {
            bail!("{topology}: {event}: no {signal} were sent");
        }
        if row.lost() > 0 {
            bail!(
                "{topology}: {event}: {} of {generated} {signal} were lost",
                row.lost()
            );
        }
    }
    Ok(())
}

/// The head of a table in Markdown.
pub(super) const HEAD: &str = "| topology | event | signal | generated | acked | delivered | lost | duplicates |\n\
                               |---|---|---|---:|---:|---:|---:|---:|\n";

/// Its lines.
pub(super) fn lines(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} |\n",
            row.topology,
            row.event,
            row.signal,
            row.generated,
            row.acked,
            row.delivered,
            row.lost(),
            row.duplicates
        ));
    }
    text
}
