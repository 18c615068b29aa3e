//! A data point as Prometheus has it: one value of a metric, however many series it is shown as.
//!
//! *Invariant:* labels are sorted and unique; bounds ascend.

use crate::histogram::{Histogram, Mismatch};
use std::sync::Arc;

/// Names and values.
pub type Labels = Vec<(String, String)>;

/// The type of a metric, by its number in the remote write protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Only grows.
    Counter = 1,
    /// Goes up and down.
    Gauge = 2,
    /// Buckets, a sum and a count.
    Histogram = 3,
    /// Quantiles, a sum and a count.
    Summary = 5,
    /// Says something in its labels.
    Info = 6,
}

/// What is said of a metric.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Family {
    /// As the series of a counter or gauge are called.
    pub name: String,
    /// Its type.
    pub kind: Kind,
    /// Its description.
    pub help: String,
    /// Its unit, as OTLP has it.
    pub unit: String,
}

/// One observed value.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    /// Trace, span, and more if there is room.
    pub labels: Labels,
    /// What was observed.
    pub value: f64,
    /// When.
    pub millis: i64,
}

/// One data point.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// What is said of its metric.
    pub family: Arc<Family>,
    /// Sorted, unique, none of them empty; the metric's name is not among them.
    pub labels: Labels,
    /// What was measured.
    pub value: Value,
    /// Nothing was measured: the series ends.
    pub ends: bool,
    /// The value is what came since the last one, and not since `created`.
    pub delta: bool,
    /// When it was measured, in milliseconds.
    pub millis: i64,
    /// When its count began, in milliseconds; 0 when that is not known.
    pub created: i64,
    /// In the order of time.
    pub exemplars: Vec<Exemplar>,
    /// The batch's data point that it is, by number.
    pub number: usize,
    /// More of them that it is the sum of.
    pub more: usize,
}

/// A value of any type.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A counter's or gauge's.
    Number(f64),
    /// A classic histogram's.
    Buckets(Box<Buckets>),
    /// A native histogram's.
    Native(Box<Histogram>),
    /// A summary's.
    Quantiles(Box<Quantiles>),
}

/// A classic histogram.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Buckets {
    /// Upper bounds, ascending, all of them finite.
    pub bounds: Vec<f64>,
    /// Observations up to each bound, from the lowest value on.
    pub counts: Vec<u64>,
    /// All observations; never less than those up to any bound.
    pub count: u64,
    /// Of what was observed, if it is known.
    pub sum: Option<f64>,
}

/// A summary.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quantiles {
    /// Quantiles and their values.
    pub values: Vec<(f64, f64)>,
    /// Observations.
    pub count: u64,
    /// Of what was observed.
    pub sum: f64,
}

impl Value {
    /// Series that it is shown as.
    #[must_use]
    pub fn series(&self) -> usize {
        match self {
            Self::Number(_) | Self::Native(_) => 1,
            Self::Buckets(buckets) => buckets.bounds.len() + 3,
            Self::Quantiles(quantiles) => quantiles.values.len() + 2,
        }
    }

    /// Adds what came besides.
    ///
    /// # Errors
    /// [`Mismatch`]: the two cannot be added up, as they are of different types or have different bounds. Nothing has changed.
    pub fn add(&mut self, more: &Self) -> Result<(), Mismatch> {
        match (self, more) {
            (Self::Number(sum), Self::Number(more)) => *sum += more,
            (Self::Buckets(sum), Self::Buckets(more)) => sum.add(more)?,
            (Self::Native(sum), Self::Native(more)) => sum.add(more),
            _ => return Err(Mismatch),
        }
        Ok(())
    }
}

impl Buckets {
    /// Every bucket with its bound, the one that has all observations last.
    pub fn each(&self) -> impl Iterator<Item = (f64, u64)> {
        let bounds = self.bounds.iter().copied();
        let counts = self.counts.iter().copied();
        bounds.zip(counts).chain([(f64::INFINITY, self.count)])
    }

    fn add(&mut self, more: &Self) -> Result<(), Mismatch> {
        if self.bounds != more.bounds {
            return Err(Mismatch);
        }
        for (sum, more) in self.counts.iter_mut().zip(&more.counts) {
            *sum = sum.saturating_add(*more);
        }
        self.count = self.count.saturating_add(more.count);
        self.sum = self.sum.zip(more.sum).map(|(sum, more)| sum + more);
        Ok(())
    }
}
