//! Points as series, which is how they go to a backend that they are written to.
//!
//! *Invariant:* labels are sorted and unique, values in the order of their times, a series occurs once.

use crate::histogram::{Histogram, STALE, Sample};
use crate::number::plain_float;
use crate::point::{Exemplar, Family, Labels, Point, Value};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// One series of a batch.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Sorted, unique, none of them empty; the name of the metric is one of them.
    pub labels: Labels,
    /// What is said of its metric.
    pub family: Arc<Family>,
    /// Values in the order of time.
    pub samples: Vec<Sample>,
    /// The same, of a native histogram.
    pub histograms: Vec<Histogram>,
    /// In the order of time.
    pub exemplars: Vec<Exemplar>,
    /// When its count began, in milliseconds; 0 when that is not known.
    pub created: i64,
    /// The batch's data points that are in it, by number.
    pub points: Vec<usize>,
}

impl Series {
    /// The series of points, in the order in which they come first; of values at one time the last one counts.
    pub(crate) fn of(points: &[Point]) -> Vec<Self> {
        let mut collected = Collected::default();
        for point in points {
            collected.put(point);
        }
        let mut list = collected.list;
        for series in &mut list {
            ordered(&mut series.samples, |sample| sample.timestamp);
            ordered(&mut series.histograms, |histogram| histogram.timestamp);
            series.exemplars.sort_by_key(|exemplar| exemplar.millis);
        }
        list
    }

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

/// Series while points are read.
#[derive(Debug, Default)]
struct Collected {
    list: Vec<Series>,
    by_labels: HashMap<Labels, usize>,
}

impl Collected {
    #[expect(
        clippy::cast_precision_loss,
        reason = "Prometheus has floating point only"
    )]
    fn put(&mut self, point: &Point) {
        match &point.value {
            Value::Number(value) => {
                let series = self.sample(point, "", None, *value);
                series.exemplars.extend(point.exemplars.iter().cloned());
            }
            Value::Buckets(buckets) => {
                let mut left = point.exemplars.clone();
                for (le, count) in buckets.each() {
                    let label = Some(("le", plain_float(le)));
                    let series = self.sample(point, "_bucket", label, count as f64);
                    let here = left.extract_if(.., |exemplar| exemplar.value <= le);
                    series.exemplars.extend(here);
                }
                if let Some(sum) = buckets.sum.or(point.ends.then_some(STALE)) {
                    self.sample(point, "_sum", None, sum);
                }
                self.sample(point, "_count", None, buckets.count as f64);
            }
            Value::Native(histogram) => {
                let mut histogram = Histogram::clone(histogram);
                if point.ends {
                    histogram.sum = STALE;
                }
                let series = self.series(point, "", None);
                series.histograms.push(histogram);
                series.exemplars.extend(point.exemplars.iter().cloned());
            }
            Value::Quantiles(quantiles) => {
                self.sample(point, "_sum", None, quantiles.sum);
                self.sample(point, "_count", None, quantiles.count as f64);
                for (quantile, value) in &quantiles.values {
                    let label = Some(("quantile", plain_float(*quantile)));
                    self.sample(point, "", label, *value);
                }
            }
        }
    }

    fn sample(
        &mut self,
        point: &Point,
        suffix: &str,
        label: Option<(&str, String)>,
        value: f64,
    ) -> &mut Series {
        let series = self.series(point, suffix, label);
        series.samples.push(Sample {
            value: if point.ends { STALE } else { value },
            timestamp: point.millis,
        });
        series
    }

    fn series(
        &mut self,
        point: &Point,
        suffix: &str,
        label: Option<(&str, String)>,
    ) -> &mut Series {
        let mut labels = point.labels.clone();
        let name = format!("{}{suffix}", point.family.name);
        let more = label.map(|(name, value)| (name.to_owned(), value));
        for (name, value) in [("__name__".to_owned(), name)].into_iter().chain(more) {
            let place = labels.partition_point(|(known, _)| *known < name);
            labels.insert(place, (name, value));
        }
        let index = match self.by_labels.get(&labels) {
            Some(index) => *index,
            None => {
                self.by_labels.insert(labels.clone(), self.list.len());
                self.list.push(Series {
                    labels,
                    family: Arc::clone(&point.family),
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
        series.created = point.created;
        if series.points.last() != Some(&point.number) {
            series.points.push(point.number);
        }
        series
    }
}

fn ordered<T>(values: &mut Vec<T>, time: impl Fn(&T) -> i64) {
    values.reverse();
    values.sort_by_key(&time);
    values.dedup_by(|later, kept| time(later) == time(kept));
}
