//! Exponential histograms as native histograms.
//!
//! *Invariant:* no count is lost: a scale that Prometheus does not have is made coarser by joining buckets.

use crate::histogram::{self, BucketSpan, Histogram};
use opentelemetry_proto::tonic::metrics::v1::ExponentialHistogramDataPoint;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;

/// Prometheus' finest and coarsest schema.
const SCHEMAS: std::ops::RangeInclusive<i32> = -4..=8;
/// The usual width of the zero bucket when a point does not say it.
const ZERO_THRESHOLD: f64 = 1e-128;

/// The native histogram of a point; `None` when it is coarser than Prometheus has it.
pub(super) fn native(point: &ExponentialHistogramDataPoint, millis: i64) -> Option<Histogram> {
    if point.scale < *SCHEMAS.start() {
        return None;
    }
    let schema = point.scale.min(*SCHEMAS.end());
    let down = point.scale.abs_diff(schema);
    let (positive_spans, positive_deltas) = spans(point.positive.as_ref(), down);
    let (negative_spans, negative_deltas) = spans(point.negative.as_ref(), down);
    let threshold = point.zero_threshold;
    Some(Histogram {
        count: Some(point.count),
        sum: point.sum.unwrap_or_default(),
        schema,
        zero_threshold: if threshold == 0.0 {
            ZERO_THRESHOLD
        } else {
            threshold
        },
        zero_count: Some(point.zero_count),
        negative_spans,
        negative_deltas,
        positive_spans,
        positive_deltas,
        reset_hint: 0,
        timestamp: millis,
    })
}

/// Runs of buckets, and each bucket's count as the difference to the one before. OTLP's bucket i is Prometheus' i + 1.
fn spans(buckets: Option<&Buckets>, down: u32) -> (Vec<BucketSpan>, Vec<i64>) {
    let mut joined: Vec<(i32, u64)> = Vec::new();
    if let Some(buckets) = buckets {
        let from = i64::from(buckets.offset);
        for (index, count) in (from..).zip(&buckets.bucket_counts) {
            let index = i32::try_from((index >> down.min(62)) + 1).unwrap_or(i32::MAX);
            match joined.last_mut() {
                Some((last, sum)) if *last == index => *sum = sum.saturating_add(*count),
                _ => joined.push((index, *count)),
            }
        }
    }
    joined.retain(|(_, count)| *count > 0);
    let signed = |(index, count)| (index, i64::try_from(count).unwrap_or(i64::MAX));
    histogram::spans(joined.into_iter().map(signed))
}
