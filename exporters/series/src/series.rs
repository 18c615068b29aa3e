//! Series as they go to the backend, whatever the protocol's version.
//!
//! *Invariant:* labels are sorted and unique, values in the order of their times, a series occurs once.

use crate::histogram::{Histogram, STALE, Sample};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// Names and values; the name of the metric is one of them.
pub type Labels = Vec<(String, String)>;

/// The type of a metric, by its number in the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// One series of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Sorted, unique, none of them empty.
    pub labels: Labels,
    /// What is said of its metric.
    pub family: Arc<Family>,
    /// Values in the order of time.
    pub samples: Vec<Sample>,
    /// The same, of a native histogram.
    pub histograms: Vec<Histogram>,
    /// In the order of time.
    pub exemplars: Vec<Exemplar>,
    /// Values are what came since the last one, and not since `created`.
    pub delta: bool,
    /// When its count began, in milliseconds; 0 when that is not known.
    pub created: i64,
    /// The batch's data points that are in it, by number.
    pub points: Vec<usize>,
}

impl Series {
    /// About what it takes in a request.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let text = |labels: &Labels| {
            let lengths = labels
                .iter()
                .map(|(name, value)| name.len() + value.len() + 6);
            lengths.sum::<usize>()
        };
        let buckets = |histogram: &Histogram| {
            let spans = histogram.positive_spans.len() + histogram.negative_spans.len();
            let deltas = histogram.positive_deltas.len() + histogram.negative_deltas.len();
            64 + 8 * spans + 4 * deltas
        };
        let exemplars = self
            .exemplars
            .iter()
            .map(|exemplar| text(&exemplar.labels) + 24);
        text(&self.labels)
            + 20 * self.samples.len()
            + self.histograms.iter().map(buckets).sum::<usize>()
            + exemplars.sum::<usize>()
            + 24
    }

    /// What always sends a series the same way.
    #[must_use]
    pub fn shard(&self, shards: usize) -> usize {
        let mut hasher = DefaultHasher::new();
        self.labels.hash(&mut hasher);
        usize::try_from(hasher.finish() % shards.max(1) as u64).unwrap_or_default()
    }
}

/// The series of a batch while it is read.
#[derive(Debug, Default)]
pub(crate) struct Collected {
    list: Vec<Series>,
    by_labels: HashMap<Labels, usize>,
}

impl Collected {
    /// The series with these labels, which need not be sorted; of labels with the same name the last one counts.
    pub(crate) fn of(&mut self, labels: Labels, family: &Arc<Family>, point: usize) -> &mut Series {
        let labels = sorted(labels);
        let index = match self.by_labels.get(&labels) {
            Some(index) => *index,
            None => {
                self.by_labels.insert(labels.clone(), self.list.len());
                self.list.push(Series {
                    labels,
                    family: Arc::clone(family),
                    samples: Vec::new(),
                    histograms: Vec::new(),
                    exemplars: Vec::new(),
                    delta: false,
                    created: 0,
                    points: Vec::new(),
                });
                self.list.len() - 1
            }
        };
        let series = &mut self.list[index];
        if series.points.last() != Some(&point) {
            series.points.push(point);
        }
        series
    }

    /// All of them, with values in the order of time; of values at one time the last one counts, but what only came since the
    /// last one is added up: attributes that become the same labels are two parts of one count.
    pub(crate) fn finish(self) -> Vec<Series> {
        let mut list = self.list;
        for series in &mut list {
            if series.delta {
                add_up(&mut series.samples);
            } else {
                ordered(&mut series.samples, |sample| sample.timestamp);
            }
            ordered(&mut series.histograms, |histogram| histogram.timestamp);
            series.exemplars.sort_by_key(|exemplar| exemplar.millis);
        }
        list
    }
}

fn sorted(mut labels: Labels) -> Labels {
    labels.reverse();
    labels.sort_by(|(one, _), (other, _)| one.cmp(other));
    labels.dedup_by(|(later, _), (kept, _)| later == kept);
    labels.retain(|(_, value)| !value.is_empty());
    labels
}

fn add_up(samples: &mut Vec<Sample>) {
    samples.sort_by_key(|sample| sample.timestamp);
    samples.dedup_by(|later, kept| {
        let same = later.timestamp == kept.timestamp;
        if same && is_stale(kept) {
            kept.value = later.value;
        } else if same && !is_stale(later) {
            kept.value += later.value;
        }
        same
    });
}

fn is_stale(sample: &Sample) -> bool {
    sample.value.to_bits() == STALE.to_bits()
}

fn ordered<T>(values: &mut Vec<T>, time: impl Fn(&T) -> i64) {
    values.reverse();
    values.sort_by_key(&time);
    values.dedup_by(|later, kept| time(later) == time(kept));
}
