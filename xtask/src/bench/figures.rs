//! Figures of repeated measurements: medians, spreads, and what was measured once.

use super::machine::{Usage, mib};
use super::system::Used;
use crate::fail::{Outcome, bail};
use serde_json::{Value, json};

/// One measurement of one system.
pub(super) struct Sample {
    /// What the load generator says.
    load: Value,
    /// CPU seconds and peak of memory in bytes, process by process.
    used: Vec<(&'static str, f64, f64)>,
    /// CPU seconds of the sink, where it is not what is measured.
    sink_cpu: f64,
}

impl Sample {
    /// `before` and `after` are what the processes and the sink had used.
    pub(super) fn new(load: Value, before: (Used, f64), after: (Used, f64)) -> Self {
        let used = before.0.iter().zip(&after.0);
        let one = |((name, before), (_, after)): (&(&'static str, Usage), &(_, Usage))| {
            let cpu = after.cpu_seconds - before.cpu_seconds;
            (*name, cpu, after.peak_bytes)
        };
        Self {
            load,
            used: used.map(one).collect(),
            sink_cpu: after.1 - before.1,
        }
    }

    fn of_load(&self, field: &str) -> f64 {
        number(&self.load[field])
    }

    pub(super) fn calls_a_second(&self) -> f64 {
        self.of_load("calls") / self.of_load("seconds")
    }

    pub(super) fn items_a_second(&self) -> f64 {
        self.of_load("items") / self.of_load("seconds")
    }

    /// Seconds for a million items, all measured processes together.
    pub(super) fn cost(&self) -> f64 {
        self.cpu() / self.of_load("items") * 1e6
    }

    pub(super) fn micros_a_call(&self) -> f64 {
        self.cpu() / self.of_load("calls") * 1e6
    }

    pub(super) fn p50_millis(&self) -> f64 {
        self.of_load("p50_micros") / 1e3
    }

    pub(super) fn p99_millis(&self) -> f64 {
        self.of_load("p99_micros") / 1e3
    }

    /// Part of its core that the system had.
    pub(super) fn busy(&self) -> f64 {
        self.cpu() / self.of_load("seconds")
    }

    pub(super) fn load_busy(&self) -> f64 {
        self.of_load("cpu_seconds") / self.of_load("seconds")
    }

    pub(super) fn sink_busy(&self) -> f64 {
        self.sink_cpu / self.of_load("seconds")
    }

    fn cpu(&self) -> f64 {
        self.used.iter().map(|(_, cpu, _)| cpu).sum()
    }

    pub(super) fn json(&self) -> Value {
        let used = self.used.iter().map(|(name, cpu, peak)| {
            json!({"process": name, "cpu_seconds": cpu, "peak_mib": mib(*peak)})
        });
        json!({
            "load": self.load,
            "used": used.collect::<Vec<_>>(),
            "sink_cpu_seconds": self.sink_cpu,
            "cpu_seconds_a_million_items": self.cost(),
        })
    }
}

/// The measurements of one system on one workload, one for each round.
#[derive(Default)]
pub(super) struct Figures(pub(super) Vec<Sample>);

impl Figures {
    pub(super) fn median(&self, of: impl Fn(&Sample) -> f64) -> f64 {
        median(self.0.iter().map(of).collect())
    }

    /// The median, with the least and the most.
    pub(super) fn spread(&self, of: impl Fn(&Sample) -> f64, digits: usize) -> String {
        let all = || self.0.iter().map(&of);
        let least = all().fold(f64::INFINITY, f64::min);
        let most = all().fold(f64::NEG_INFINITY, f64::max);
        let middle = self.median(&of);
        format!("{middle:.digits$} ({least:.digits$} to {most:.digits$})")
    }

    /// The median of each process's share of the cost, and the largest of its peaks in MiB.
    pub(super) fn processes(&self) -> Vec<(&'static str, f64, f64)> {
        let Some(first) = self.0.first() else {
            return Vec::new();
        };
        let one = |(n, (name, ..)): (usize, &(&'static str, f64, f64))| {
            let cost = self.median(|sample| sample.used[n].1 / number(&sample.load["items"]) * 1e6);
            let peaks = self.0.iter().map(|sample| sample.used[n].2);
            (*name, cost, mib(peaks.fold(0.0, f64::max)))
        };
        first.used.iter().enumerate().map(one).collect()
    }

    pub(super) fn json(&self) -> Value {
        self.0.iter().map(Sample::json).collect()
    }
}

/// Something that was asked for, with what came of it.
pub(super) struct Verdict {
    pub(super) what: String,
    pub(super) figure: f64,
    /// At most this; at least, if `at_least`.
    pub(super) target: f64,
    pub(super) at_least: bool,
}

impl Verdict {
    pub(super) fn at_most(what: impl Into<String>, figure: f64, target: f64) -> Self {
        Self {
            what: what.into(),
            figure,
            target,
            at_least: false,
        }
    }

    pub(super) fn met(&self) -> bool {
        match self.at_least {
            true => self.figure >= self.target,
            false => self.figure <= self.target,
        }
    }

    pub(super) fn json(&self) -> Value {
        json!({"what": self.what, "figure": self.figure, "target": self.target, "met": self.met()})
    }
}

pub(super) fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

/// The middle one, or the mean of the middle two.
pub(super) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// A count in what the load generator says.
pub(super) fn count(load: &Value, field: &str) -> Outcome<u64> {
    match load[field].as_u64() {
        Some(count) => Ok(count),
        None => bail!("no {field} in {load}"),
    }
}
