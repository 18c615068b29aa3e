//! The data points of one metric.
//!
//! *Invariant:* each is counted, whatever becomes of it.

use super::Work;
use super::labels::{Labeller, sorted};
use super::{buckets, exemplars};
use crate::point::{Buckets, Family, Kind, Labels, Point, Quantiles, Value};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::{
    self as otlp, DataPointFlags, ExponentialHistogramDataPoint, HistogramDataPoint,
    NumberDataPoint, SummaryDataPoint, number_data_point,
};
use std::sync::Arc;

/// Where points go.
pub(super) struct Points<'a> {
    pub(super) work: &'a mut Work,
    pub(super) family: &'a Arc<Family>,
    pub(super) labeller: Labeller,
    /// On every series.
    pub(super) common: &'a [(String, String)],
    /// Why none of them can be expressed.
    pub(super) refuse: Option<&'static str>,
    /// They are what came since the last ones.
    pub(super) delta: bool,
    /// The time of the latest one of the Resource, in milliseconds.
    pub(super) latest: &'a mut i64,
}

/// What points of all types say.
struct Head<'a> {
    attributes: Vec<KeyValue>,
    flags: u32,
    time: u64,
    start: u64,
    exemplars: &'a [otlp::Exemplar],
}

/// The head of a point of whichever type.
macro_rules! head {
    ($point:expr, $exemplars:expr) => {
        Head {
            attributes: std::mem::take(&mut $point.attributes),
            flags: $point.flags,
            time: $point.time_unix_nano,
            start: $point.start_time_unix_nano,
            exemplars: $exemplars,
        }
    };
}

fn millis(nanos: u64) -> i64 {
    i64::try_from(nanos / 1_000_000).unwrap_or(i64::MAX)
}

fn is_stale(flags: u32) -> bool {
    flags & DataPointFlags::NoRecordedValueMask as u32 != 0
}

impl Points<'_> {
    /// Adds a point of this value, or says why there is none.
    fn put(&mut self, head: Head<'_>, value: Result<Value, &'static str>) {
        let number = self.work.points;
        self.work.points += 1;
        let time = millis(head.time);
        *self.latest = (*self.latest).max(time);
        let value = match (self.refuse, value) {
            (Some(reason), _) | (None, Err(reason)) => {
                *self.work.refused.entry(reason).or_default() += 1;
                return;
            }
            (None, Ok(value)) => value,
        };
        self.work.list.push(Point {
            family: Arc::clone(self.family),
            labels: self.labels(head.attributes),
            value,
            ends: is_stale(head.flags),
            delta: self.delta,
            millis: time,
            created: millis(head.start),
            exemplars: exemplars::exemplars(head.exemplars, self.labeller),
            number,
            more: 0,
        });
    }

    /// A point's own attributes win over all but the identity of its target. Names that mean something to Prometheus in a metric of
    /// this type are called as it calls such labels of what it scrapes.
    fn labels(&self, attributes: Vec<KeyValue>) -> Labels {
        let has = |name: &str| self.common.iter().any(|(known, _)| known == name);
        let meaning = match self.family.kind {
            Kind::Histogram => "le",
            Kind::Summary => "quantile",
            Kind::Counter | Kind::Gauge | Kind::Info => "__name__",
        };
        let mut all = self.common.to_vec();
        for (name, value) in self.labeller.labels(attributes) {
            match name.as_str() {
                "job" | "instance" if has(&name) => {}
                "__name__" => all.push(("exported___name__".to_owned(), value)),
                reserved if reserved == meaning => all.push((format!("exported_{name}"), value)),
                _ => all.push((name, value)),
            }
        }
        sorted(all)
    }

    pub(super) fn numbers(&mut self, points: Vec<NumberDataPoint>) {
        self.work.list.reserve(points.len());
        for mut point in points {
            #[expect(
                clippy::cast_precision_loss,
                reason = "Prometheus has floating point only"
            )]
            let value = match point.value {
                Some(number_data_point::Value::AsDouble(value)) => Ok(Value::Number(value)),
                Some(number_data_point::Value::AsInt(value)) => Ok(Value::Number(value as f64)),
                None if is_stale(point.flags) => Ok(Value::Number(0.0)),
                None => Err("no value"),
            };
            let head = head!(point, &point.exemplars);
            self.put(head, value);
        }
    }

    pub(super) fn histograms(&mut self, points: Vec<HistogramDataPoint>) {
        self.work.list.reserve(points.len());
        for mut point in points {
            let value = classic(&point).map(|buckets| Value::Buckets(Box::new(buckets)));
            let head = head!(point, &point.exemplars);
            self.put(head, value);
        }
    }

    pub(super) fn exponential(&mut self, points: Vec<ExponentialHistogramDataPoint>) {
        self.work.list.reserve(points.len());
        for mut point in points {
            let head = head!(point, &point.exemplars);
            let native = buckets::native(&point, millis(point.time_unix_nano));
            let value = native.map(|native| Value::Native(Box::new(native)));
            self.put(head, value.ok_or("scale below -4"));
        }
    }

    pub(super) fn summaries(&mut self, points: Vec<SummaryDataPoint>) {
        self.work.list.reserve(points.len());
        for mut point in points {
            let head = head!(point, &[]);
            let mut values: Vec<_> = point
                .quantile_values
                .iter()
                .map(|quantile| (quantile.quantile, quantile.value))
                .collect();
            values.sort_by(|(one, _), (other, _)| one.total_cmp(other));
            values.dedup_by(|(one, _), (other, _)| one == other);
            let quantiles = Quantiles {
                values,
                count: point.count,
                sum: point.sum,
            };
            self.put(head, Ok(Value::Quantiles(Box::new(quantiles))));
        }
    }
}

/// A classic histogram's buckets, each with all that is below it.
fn classic(point: &HistogramDataPoint) -> Result<Buckets, &'static str> {
    let (mut bounds, counts) = (point.explicit_bounds.clone(), &point.bucket_counts);
    if counts.is_empty() {
        // Without counts bounds say nothing, save which series end.
        if !is_stale(point.flags) {
            bounds.clear();
        }
    } else if counts.len() != bounds.len() + 1 {
        return Err("buckets and bounds do not match");
    }
    if !bounds.is_sorted_by(|one, other| one < other) || bounds.iter().any(|bound| bound.is_nan()) {
        return Err("bounds do not ascend");
    }
    // The last bucket has no bound, whether or not the sender names it.
    bounds.retain(|bound| *bound != f64::INFINITY);
    let mut sum = 0_u64;
    let mut below = counts.iter().map(|count| {
        sum = sum.saturating_add(*count);
        sum
    });
    let mut counts: Vec<u64> = below.by_ref().take(bounds.len()).collect();
    counts.resize(bounds.len(), 0);
    let most = below.last().or(counts.last().copied()).unwrap_or_default();
    Ok(Buckets {
        bounds,
        counts,
        count: point.count.max(most),
        sum: point.sum,
    })
}
