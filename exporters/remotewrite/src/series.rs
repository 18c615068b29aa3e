//! Series as they go to the backend, whatever the protocol's version.
//!
//! *Invariant:* labels are sorted and unique, values in the order of their times, a series occurs once.

use crate::wire::{Histogram, Sample};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// Names and values; the name of the metric is one of them.
pub(crate) type Labels = Vec<(String, String)>;

/// The type of a metric, by its number in the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Counter = 1,
    Gauge = 2,
    Histogram = 3,
    Summary = 5,
    Info = 6,
}

/// What is said of a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Family {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) help: String,
    pub(crate) unit: String,
}

/// One observed value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Exemplar {
    pub(crate) labels: Labels,
    pub(crate) value: f64,
    pub(crate) millis: i64,
}

/// One series of a batch.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Series {
    pub(crate) labels: Labels,
    pub(crate) family: Arc<Family>,
    pub(crate) samples: Vec<Sample>,
    pub(crate) histograms: Vec<Histogram>,
    pub(crate) exemplars: Vec<Exemplar>,
    /// When its count began, in milliseconds; 0 when that is not known.
    pub(crate) created: i64,
    /// The batch's data points that are in it, by number.
    pub(crate) points: Vec<usize>,
}

impl Series {
    /// About what it takes in a request.
    pub(crate) fn bytes(&self) -> usize {
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
    pub(crate) fn shard(&self, shards: usize) -> usize {
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

    /// All of them, with values in the order of time; of values at one time the last one counts.
    pub(crate) fn finish(self) -> Vec<Series> {
        let mut list = self.list;
        for series in &mut list {
            ordered(&mut series.samples, |sample| sample.timestamp);
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

fn ordered<T>(values: &mut Vec<T>, time: impl Fn(&T) -> i64) {
    values.reverse();
    values.sort_by_key(&time);
    values.dedup_by(|later, kept| time(later) == time(kept));
}
