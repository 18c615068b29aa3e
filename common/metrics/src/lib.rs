//! What a metric is: its name, type, unit, labels and meaning, said once by its owner.
//!
//! The help text of `/metrics` and `docs/metrics.md` are both made of it. A binary's group lists every series that the
//! binary exposes; tests hold a real `/metrics` to that.
//!
//! *Invariant:* counts nothing, and knows no owner.

pub mod otelcol;
pub mod page;
pub mod spelling;

use metrics::{describe_counter, describe_gauge, describe_histogram};

/// The type of a metric, as Prometheus names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, from 0 at the start of the process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Buckets, a sum and a count.
    Histogram,
}

impl Kind {
    /// As in a `# TYPE` line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Spans, data points or log records.
    Items,
    /// Bytes.
    Bytes,
    /// Seconds.
    Seconds,
    /// Anything else: what the name says.
    One,
}

impl Unit {
    /// As in the docs; empty when the name says it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Items => "items",
            Self::Bytes => "bytes",
            Self::Seconds => "seconds",
            Self::One => "",
        }
    }
}

/// One metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// What it counts.
    pub unit: Unit,
    /// The labels of every series of it, in any order.
    pub labels: &'static [&'static str],
    /// What it means; the values of a label that are few are named.
    pub help: &'static str,
    /// Names that it had in Collectors, see [`spelling`].
    pub legacy: &'static [&'static str],
}

impl Metric {
    /// A metric that only grows.
    #[must_use]
    pub const fn counter(
        name: &'static str,
        unit: Unit,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self {
            name,
            kind: Kind::Counter,
            unit,
            labels,
            help,
            legacy: &[],
        }
    }

    /// A metric that goes up and down.
    #[must_use]
    pub const fn gauge(
        name: &'static str,
        unit: Unit,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self {
            kind: Kind::Gauge,
            ..Self::counter(name, unit, labels, help)
        }
    }

    /// A distribution.
    #[must_use]
    pub const fn histogram(
        name: &'static str,
        unit: Unit,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self {
            kind: Kind::Histogram,
            ..Self::counter(name, unit, labels, help)
        }
    }

    /// Tells the recorder that is installed what the metric means.
    pub fn describe(&self) {
        match self.kind {
            Kind::Counter => describe_counter!(self.name, self.help),
            Kind::Gauge => describe_gauge!(self.name, self.help),
            Kind::Histogram => describe_histogram!(self.name, self.help),
        }
    }
}

/// Describes all of them.
pub fn describe<'a>(metrics: impl IntoIterator<Item = &'a Metric>) {
    for metric in metrics {
        metric.describe();
    }
}
