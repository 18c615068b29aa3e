//! The data points of one metric.
//!
//! *Invariant:* each is counted, whatever becomes of it.

use super::Work;
use super::buckets;
use super::labels::labels;
use crate::histogram::{STALE, Sample};
use crate::series::{Exemplar, Family, Labels, Series};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::{
    self as otlp, DataPointFlags, ExponentialHistogramDataPoint, HistogramDataPoint,
    NumberDataPoint, SummaryDataPoint, number_data_point,
};
use std::fmt::Write;
use std::sync::Arc;

/// Longest labels of an exemplar, in characters: Prometheus drops what is longer.
const EXEMPLAR_RUNES: usize = 128;

/// Where points go.
pub(super) struct Points<'a> {
    pub(super) work: &'a mut Work,
    pub(super) family: &'a Arc<Family>,
    /// On every series.
    pub(super) common: &'a [(String, String)],
    /// Why none of them can be expressed.
    pub(super) refuse: Option<&'static str>,
    /// They are what came since the last ones.
    pub(super) delta: bool,
    /// The time of the latest one of the Resource, in milliseconds.
    pub(super) latest: &'a mut i64,
}

/// Adds a value.
pub(super) fn sample(series: &mut Series, value: f64, millis: i64) {
    series.samples.push(Sample {
        value,
        timestamp: millis,
    });
}

fn millis(nanos: u64) -> i64 {
    i64::try_from(nanos / 1_000_000).unwrap_or(i64::MAX)
}

fn is_stale(flags: u32) -> bool {
    flags & DataPointFlags::NoRecordedValueMask as u32 != 0
}

/// As Go writes it: without an exponent, without a needless fraction.
fn bound(value: f64) -> String {
    if value == f64::INFINITY {
        "+Inf".to_owned()
    } else {
        value.to_string()
    }
}

impl Points<'_> {
    /// The next point's number, or none when it cannot be expressed.
    fn next(&mut self, time: u64) -> Option<usize> {
        let number = self.work.points;
        self.work.points += 1;
        *self.latest = (*self.latest).max(millis(time));
        if let Some(reason) = self.refuse {
            self.refuse(reason);
            return None;
        }
        Some(number)
    }

    fn refuse(&mut self, reason: &'static str) {
        *self.work.refused.entry(reason).or_default() += 1;
    }

    fn labels(&self, attributes: &[KeyValue]) -> Labels {
        let mut all = self.common.to_vec();
        // A point's own attributes win over all but the identity of its target.
        let own = labels(attributes).into_iter();
        let reserved = |name: &str| matches!(name, "job" | "instance");
        let has = |name: &str| self.common.iter().any(|(known, _)| known == name);
        all.extend(own.filter(|(name, _)| !(reserved(name) && has(name))));
        all
    }

    fn series(
        &mut self,
        base: &Labels,
        suffix: &str,
        extra: Option<(&str, String)>,
        point: usize,
    ) -> &mut Series {
        let mut labels = base.clone();
        let name = format!("{}{suffix}", self.family.name);
        labels.push(("__name__".to_owned(), name));
        labels.extend(extra.map(|(name, value)| (name.to_owned(), value)));
        let series = self.work.collected.of(labels, self.family, point);
        series.delta = self.delta;
        series
    }

    pub(super) fn numbers(&mut self, points: Vec<NumberDataPoint>) {
        for point in points {
            let Some(number) = self.next(point.time_unix_nano) else {
                continue;
            };
            #[expect(
                clippy::cast_precision_loss,
                reason = "Prometheus has floating point only"
            )]
            let value = match point.value {
                _ if is_stale(point.flags) => STALE,
                Some(number_data_point::Value::AsDouble(value)) => value,
                Some(number_data_point::Value::AsInt(value)) => value as f64,
                None => {
                    self.refuse("no value");
                    continue;
                }
            };
            let labels = self.labels(&point.attributes);
            let exemplars = exemplars(&point.exemplars);
            let series = self.series(&labels, "", None, number);
            sample(series, value, millis(point.time_unix_nano));
            series.created = millis(point.start_time_unix_nano);
            series.exemplars.extend(exemplars);
        }
    }

    pub(super) fn histograms(&mut self, points: Vec<HistogramDataPoint>) {
        for point in points {
            let Some(number) = self.next(point.time_unix_nano) else {
                continue;
            };
            let has_buckets = !point.bucket_counts.is_empty();
            if has_buckets && point.bucket_counts.len() != point.explicit_bounds.len() + 1 {
                self.refuse("buckets and bounds do not match");
                continue;
            }
            let (stale, time) = (is_stale(point.flags), millis(point.time_unix_nano));
            let created = millis(point.start_time_unix_nano);
            let labels = self.labels(&point.attributes);
            #[expect(
                clippy::cast_precision_loss,
                reason = "Prometheus has floating point only"
            )]
            let value = |count: u64| if stale { STALE } else { count as f64 };
            let mut exemplars = exemplars(&point.exemplars);
            let bounds = point.explicit_bounds.iter().copied();
            let mut sum = 0_u64;
            let mut add = |points: &mut Self, le: f64, count: u64| {
                let series = points.series(&labels, "_bucket", Some(("le", bound(le))), number);
                sample(series, value(count), time);
                series.created = created;
                series
                    .exemplars
                    .extend(exemplars.extract_if(.., |exemplar| exemplar.value <= le));
            };
            for (le, count) in bounds.zip(&point.bucket_counts) {
                sum = sum.saturating_add(*count);
                add(self, le, sum);
            }
            add(self, f64::INFINITY, point.count);
            if let Some(total) = point.sum.or(stale.then_some(STALE)) {
                let total = if stale { STALE } else { total };
                let series = self.series(&labels, "_sum", None, number);
                sample(series, total, time);
                series.created = created;
            }
            let series = self.series(&labels, "_count", None, number);
            sample(series, value(point.count), time);
            series.created = created;
        }
    }

    pub(super) fn exponential(&mut self, points: Vec<ExponentialHistogramDataPoint>) {
        for point in points {
            let Some(number) = self.next(point.time_unix_nano) else {
                continue;
            };
            let time = millis(point.time_unix_nano);
            let Some(mut histogram) = buckets::native(&point, time) else {
                self.refuse("scale below -4");
                continue;
            };
            if is_stale(point.flags) {
                histogram.sum = STALE;
            }
            let labels = self.labels(&point.attributes);
            let exemplars = exemplars(&point.exemplars);
            let series = self.series(&labels, "", None, number);
            series.histograms.push(histogram);
            series.created = millis(point.start_time_unix_nano);
            series.exemplars.extend(exemplars);
        }
    }

    pub(super) fn summaries(&mut self, points: Vec<SummaryDataPoint>) {
        for point in points {
            let Some(number) = self.next(point.time_unix_nano) else {
                continue;
            };
            let (stale, time) = (is_stale(point.flags), millis(point.time_unix_nano));
            let created = millis(point.start_time_unix_nano);
            let labels = self.labels(&point.attributes);
            let value = |value: f64| if stale { STALE } else { value };
            #[expect(
                clippy::cast_precision_loss,
                reason = "Prometheus has floating point only"
            )]
            let totals = [("_sum", point.sum), ("_count", point.count as f64)];
            for (suffix, total) in totals {
                let series = self.series(&labels, suffix, None, number);
                sample(series, value(total), time);
                series.created = created;
            }
            for quantile in &point.quantile_values {
                let extra = Some(("quantile", bound(quantile.quantile)));
                let series = self.series(&labels, "", extra, number);
                sample(series, value(quantile.value), time);
                series.created = created;
            }
        }
    }
}

fn exemplars(exemplars: &[otlp::Exemplar]) -> Vec<Exemplar> {
    let translated = exemplars.iter().filter_map(|exemplar| {
        #[expect(
            clippy::cast_precision_loss,
            reason = "Prometheus has floating point only"
        )]
        let value = match exemplar.value? {
            otlp::exemplar::Value::AsDouble(value) => value,
            otlp::exemplar::Value::AsInt(value) => value as f64,
        };
        let mut ids = Vec::new();
        for (name, id) in [
            ("trace_id", &exemplar.trace_id),
            ("span_id", &exemplar.span_id),
        ] {
            if !id.is_empty() {
                let mut text = String::new();
                id.iter().for_each(|byte| _ = write!(text, "{byte:02x}"));
                ids.push((name.to_owned(), text));
            }
        }
        let all: Labels = ids
            .iter()
            .cloned()
            .chain(labels(&exemplar.filtered_attributes))
            .collect();
        let runes = |labels: &Labels| {
            let lengths = labels
                .iter()
                .map(|(n, v)| n.chars().count() + v.chars().count());
            lengths.sum::<usize>()
        };
        let labels = if runes(&all) <= EXEMPLAR_RUNES {
            all
        } else {
            ids
        };
        Some(Exemplar {
            labels,
            value,
            millis: millis(exemplar.time_unix_nano),
        })
    });
    translated.collect()
}
