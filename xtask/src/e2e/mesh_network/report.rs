//! What became of everything, event by event.

use super::envoys::{Made, Told};
use crate::e2e::lossless::books::{SIGNALS, Verdict};
use crate::fail::{Outcome, bail};
use std::collections::BTreeMap;

/// One signal in one event of one topology.
pub(super) struct Row {
    topology: String,
    event: String,
    sender: &'static str,
    signal: String,
    generated: u64,
    delivered: u64,
    duplicates: u64,
    /// Of what is lost, by what the sender was told; Envoy does not say.
    told: Option<BTreeMap<String, u64>>,
    /// Connections that could not be made, where senders count them.
    unconnected: Option<u64>,
}

impl Row {
    pub(super) fn all(topology: &str, event: &str, verdict: &Verdict) -> Vec<Self> {
        let signals = SIGNALS
            .iter()
            .filter_map(|signal| Some((signal, verdict.of_signal(signal)?)));
        let rows = signals.map(|(signal, tally)| Self {
            topology: topology.to_owned(),
            event: event.to_owned(),
            sender: "gRPC",
            signal: (*signal).to_owned(),
            generated: tally.issued,
            delivered: tally.arrived,
            duplicates: tally.duplicates,
            told: Some(tally.lost.clone()),
            unconnected: None,
        });
        rows.collect()
    }

    pub(super) fn of_envoys(
        topology: &str,
        event: &str,
        made: &Made,
        told: &[Told; 2],
    ) -> Vec<Self> {
        let rows = told.iter().map(|told| Self {
            topology: topology.to_owned(),
            event: event.to_owned(),
            sender: "Envoy",
            signal: told.signal.to_owned(),
            generated: told.generated,
            delivered: told.delivered,
            duplicates: told.duplicates,
            told: None,
            unconnected: Some(made.unconnected),
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
            sender,
            signal,
            generated,
            ..
        } = row;
        if *generated == 0 {
            bail!("{topology}: {event}: {sender} sent no {signal}");
        }
        if row.lost() > 0 {
            bail!(
                "{topology}: {event}: {} of {generated} {signal} by {sender} were lost",
                row.lost()
            );
        }
    }
    Ok(())
}

/// The head of a table in Markdown.
pub(super) const HEAD: &str = "| topology | event | sender | signal | generated | delivered | lost | refused | no connection | no answer | duplicates | Envoy's failed connections |\n\
                               |---|---|---|---|---:|---:|---:|---:|---:|---:|---:|---:|\n";

/// Its lines.
pub(super) fn lines(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        let told = |fate: &str| match &row.told {
            Some(told) => told.get(fate).copied().unwrap_or(0).to_string(),
            None => String::new(),
        };
        let unconnected = row.unconnected.map(|count| count.to_string());
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
            row.topology,
            row.event,
            row.sender,
            row.signal,
            row.generated,
            row.delivered,
            row.lost(),
            told("refused"),
            told("unreachable"),
            told("unknown"),
            row.duplicates,
            unconnected.unwrap_or_default(),
        ));
    }
    text
}
