//! The judge: what the oracle sent and was told, against what a backend has.
//!
//! *Invariant:* knows nothing of the receiver but what a sender and a backend saw of it.

use crate::fail::{Outcome, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

#[cfg(test)]
mod tests;

/// The signals' names, in the order in which this file numbers them.
pub(in crate::e2e) const SIGNALS: [&str; 3] = ["traces", "metrics", "logs"];

fn number(signal: &str) -> Outcome<usize> {
    let known = SIGNALS.iter().position(|name| *name == signal);
    known.ok_or_else(|| format!("`{signal}` is no signal").into())
}

/// One call of the oracle.
pub(in crate::e2e) struct Call {
    signal: usize,
    pub(in crate::e2e) first: u64,
    pub(in crate::e2e) items: u64,
    /// Unix milliseconds.
    pub(in crate::e2e) begun: u64,
    pub(in crate::e2e) acked: bool,
    /// What the sender was told, in the oracle's word.
    pub(in crate::e2e) fate: String,
}

/// Everything that was sent, in order of ids.
#[derive(Default)]
pub(in crate::e2e) struct Sent {
    pub(in crate::e2e) calls: Vec<Call>,
    /// Calls by fate.
    pub(in crate::e2e) fates: BTreeMap<String, u64>,
}

impl Sent {
    /// Reads the oracle's files.
    pub(in crate::e2e) fn read(files: &[impl AsRef<Path>]) -> Outcome<Self> {
        let mut sent = Self::default();
        for file in files {
            for line in fs::read_to_string(file)?.lines() {
                let words: Vec<&str> = line.split(' ').collect();
                let [signal, first, items, begun, _ended, fate] = words.as_slice() else {
                    bail!("no line of an oracle: {line}")
                };
                sent.calls.push(Call {
                    signal: number(signal)?,
                    first: first.parse()?,
                    items: items.parse()?,
                    begun: begun.parse()?,
                    acked: *fate == "acked",
                    fate: (*fate).to_owned(),
                });
                *sent.fates.entry((*fate).to_owned()).or_default() += 1;
            }
        }
        sent.calls.sort_by_key(|call| call.first);
        Ok(sent)
    }

    /// The call that sent an id.
    pub(in crate::e2e) fn call(&self, id: u64) -> Option<&Call> {
        let behind = self.calls.partition_point(|call| call.first <= id);
        let call = self.calls.get(behind.checked_sub(1)?)?;
        (id < call.first + call.items).then_some(call)
    }
}

/// One run of ids that a backend got.
pub(in crate::e2e) struct Run {
    signal: usize,
    pub(in crate::e2e) first: u64,
    items: u64,
    /// Unix milliseconds; 0 where the backend does not tell.
    pub(in crate::e2e) arrived: u64,
}

/// What arrived, in order of arrival.
pub(in crate::e2e) struct Arrived(pub(super) Vec<Run>);

impl Arrived {
    /// Reads what `bench-sink --record` wrote.
    pub(in crate::e2e) fn of_sink(file: &Path) -> Outcome<Self> {
        let mut runs = Vec::new();
        for line in fs::read_to_string(file)?.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let [arrived, signal, ids] = words.as_slice() else {
                bail!("no line of a sink: {line}")
            };
            let (signal, arrived) = (number(signal)?, arrived.parse()?);
            for run in ids.split(',').filter(|run| !run.is_empty()) {
                let Some((first, items)) = run.split_once('+') else {
                    bail!("no run of ids: {run}")
                };
                runs.push(Run {
                    signal,
                    first: first.parse()?,
                    items: items.parse()?,
                    arrived,
                });
            }
        }
        Ok(Self(runs))
    }

    /// Reads the OTLP JSON lines of the `file` exporter. The last one may be torn: it was not answered then.
    pub(in crate::e2e) fn of_file(file: &Path) -> Outcome<Self> {
        let mut runs = Vec::new();
        let text = fs::read_to_string(file)?;
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        for line in whole.lines() {
            let signals = [
                "\"resourceSpans\"",
                "\"resourceMetrics\"",
                "\"resourceLogs\"",
            ];
            let signal = signals.iter().position(|wrapper| line.contains(wrapper));
            let Some(signal) = signal.filter(|_| line.ends_with('}')) else {
                bail!("no OTLP JSON in {}: {line:.80}", file.display())
            };
            for found in line.split("oid-").skip(1) {
                runs.push(Run {
                    signal,
                    first: found.get(..16).unwrap_or_default().parse()?,
                    items: 1,
                    arrived: 0,
                });
            }
        }
        Ok(Self(runs))
    }

    /// Those of a range of ids.
    pub(in crate::e2e) fn within(mut self, ids: std::ops::Range<u64>) -> Self {
        self.0.retain(|run| ids.contains(&run.first));
        self
    }

    /// How many different ids of a signal there are, and how many came again.
    pub(in crate::e2e) fn count(&self, signal: &str) -> Outcome<(u64, u64)> {
        let signal = number(signal)?;
        let runs = self.0.iter().filter(|run| run.signal == signal);
        let ids: Vec<_> = runs
            .flat_map(|run| run.first..run.first + run.items)
            .collect();
        let different = ids.iter().collect::<BTreeSet<_>>().len() as u64;
        Ok((different, ids.len() as u64 - different))
    }

    /// When an id came first; `None` if it never did.
    pub(in crate::e2e) fn at(&self, ids: u64) -> Vec<Option<u64>> {
        let mut at = vec![None; usize::try_from(ids).unwrap_or(usize::MAX)];
        for run in &self.0 {
            for id in run.first..run.first + run.items {
                if let Some(at) = at.get_mut(id as usize) {
                    at.get_or_insert(run.arrived);
                }
            }
        }
        at
    }
}

/// What became of one signal on its way to one backend.
#[derive(Default)]
pub(in crate::e2e) struct Tally {
    pub(in crate::e2e) issued: u64,
    pub(in crate::e2e) acked: u64,
    /// Ids that the backend has, once or more.
    pub(in crate::e2e) arrived: u64,
    /// Acked and not there.
    pub(in crate::e2e) missing: u64,
    /// There although no ack came.
    pub(in crate::e2e) unacked_arrived: u64,
    /// Arrivals beyond the first of each id.
    pub(in crate::e2e) duplicates: u64,
    /// Ids that the backend does not have, by what their sender was told.
    pub(in crate::e2e) lost: BTreeMap<String, u64>,
    /// Some of the missing.
    pub(in crate::e2e) examples: Vec<u64>,
}

/// The verdict over one backend, by signal.
pub(in crate::e2e) struct Verdict(pub(super) [Tally; 3]);

impl Verdict {
    /// Fails when something is there that nobody sent.
    pub(in crate::e2e) fn of(backend: &str, sent: &Sent, arrived: &Arrived) -> Outcome<Self> {
        let end = sent.calls.last().map_or(0, |call| call.first + call.items);
        let mut times = vec![0u32; usize::try_from(end)?];
        for run in &arrived.0 {
            for id in run.first..run.first + run.items {
                let sent_as = sent.call(id).map(|call| call.signal);
                match times.get_mut(usize::try_from(id)?) {
                    Some(times) if sent_as == Some(run.signal) => *times += 1,
                    _ => bail!(
                        "{backend} has id {id} as {}, which nobody sent so",
                        SIGNALS[run.signal]
                    ),
                }
            }
        }
        let mut tallies: [Tally; 3] = Default::default();
        for call in &sent.calls {
            let tally = &mut tallies[call.signal];
            for id in call.first..call.first + call.items {
                let times = u64::from(times[usize::try_from(id)?]);
                tally.issued += 1;
                tally.acked += u64::from(call.acked);
                tally.arrived += u64::from(times > 0);
                tally.unacked_arrived += u64::from(times > 0 && !call.acked);
                tally.duplicates += times.saturating_sub(1);
                if times == 0 {
                    *tally.lost.entry(call.fate.clone()).or_default() += 1;
                }
                if times == 0 && call.acked {
                    tally.missing += 1;
                    if tally.examples.len() < 5 {
                        tally.examples.push(id);
                    }
                }
            }
        }
        let verdict = Self(tallies);
        verdict.tell(backend);
        Ok(verdict)
    }

    fn tell(&self, backend: &str) {
        for (signal, tally) in SIGNALS
            .iter()
            .zip(&self.0)
            .filter(|(_, tally)| tally.issued > 0)
        {
            #[expect(clippy::cast_precision_loss, reason = "shown to people")]
            let share = 100.0 * tally.duplicates as f64 / tally.arrived.max(1) as f64;
            println!(
                "{backend} {signal}: {} issued, {} acked, {} arrived, {} acked and missing, {} arrived without an ack, \
                 {} duplicates ({share:.2} %)",
                tally.issued,
                tally.acked,
                tally.arrived,
                tally.missing,
                tally.unacked_arrived,
                tally.duplicates
            );
        }
    }

    /// Everything acked must have arrived.
    pub(in crate::e2e) fn nothing_lost(&self, backend: &str) -> Outcome {
        for (signal, tally) in SIGNALS.iter().zip(&self.0) {
            if tally.missing > 0 {
                bail!(
                    "{backend}: {} of {} acked {signal} are missing, such as {:?}",
                    tally.missing,
                    tally.acked,
                    tally.examples
                );
            }
        }
        Ok(())
    }

    pub(in crate::e2e) fn of_signal(&self, signal: &str) -> Option<&Tally> {
        let place = SIGNALS.iter().position(|name| *name == signal)?;
        self.0.get(place)
    }

    pub(in crate::e2e) fn missing(&self) -> u64 {
        self.0.iter().map(|tally| tally.missing).sum()
    }
}
