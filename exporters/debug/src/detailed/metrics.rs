//! Metrics in detail: descriptor and data points of all five kinds.
//!
//! *Invariant:* as in the parent module.

use super::{attributes, named, resource, scope};
use crate::text::{id, line, time};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint,
    SummaryDataPoint, exemplar, number_data_point,
};
use std::ops::Range;

const TEMPORALITIES: [&str; 3] = ["Unspecified", "Delta", "Cumulative"];

pub(crate) fn metrics(request: &ExportMetricsServiceRequest) -> String {
    let mut out = String::new();
    for (index, metrics) in request.resource_metrics.iter().enumerate() {
        line!(out, "ResourceMetrics #{index}");
        resource(&mut out, metrics.resource.as_ref(), &metrics.schema_url);
        for (index, metrics) in metrics.scope_metrics.iter().enumerate() {
            line!(out, "ScopeMetrics #{index}");
            line!(out, "ScopeMetrics SchemaURL: {}", metrics.schema_url);
            scope(&mut out, metrics.scope.as_ref());
            for (index, one) in metrics.metrics.iter().enumerate() {
                line!(out, "Metric #{index}");
                metric(&mut out, one);
            }
        }
    }
    out
}

fn metric(out: &mut String, metric: &Metric) {
    let (kind, temporality) = match &metric.data {
        None => ("Empty", None),
        Some(Data::Gauge(_)) => ("Gauge", None),
        Some(Data::Sum(sum)) => ("Sum", Some(sum.aggregation_temporality)),
        Some(Data::Histogram(data)) => ("Histogram", Some(data.aggregation_temporality)),
        Some(Data::ExponentialHistogram(data)) => {
            ("ExponentialHistogram", Some(data.aggregation_temporality))
        }
        Some(Data::Summary(_)) => ("Summary", None),
    };
    line!(out, "Descriptor:");
    line!(out, "     -> Name: {}", metric.name);
    line!(out, "     -> Description: {}", metric.description);
    line!(out, "     -> Unit: {}", metric.unit);
    line!(out, "     -> DataType: {kind}");
    attributes(out, "", "Metadata", &metric.metadata);
    if let Some(Data::Sum(sum)) = &metric.data {
        line!(out, "     -> IsMonotonic: {}", sum.is_monotonic);
    }
    if let Some(temporality) = temporality {
        line!(
            out,
            "     -> AggregationTemporality: {}",
            named(&TEMPORALITIES, temporality)
        );
    }
    match &metric.data {
        None => {}
        Some(Data::Gauge(data)) => each(out, "Number", &data.data_points, number),
        Some(Data::Sum(data)) => each(out, "Number", &data.data_points, number),
        Some(Data::Histogram(data)) => each(out, "Histogram", &data.data_points, histogram),
        Some(Data::ExponentialHistogram(data)) => {
            each(out, "ExponentialHistogram", &data.data_points, exponential);
        }
        Some(Data::Summary(data)) => each(out, "Summary", &data.data_points, summary),
    }
}

fn each<P>(out: &mut String, kind: &str, points: &[P], print: impl Fn(&mut String, &P)) {
    for (index, point) in points.iter().enumerate() {
        line!(out, "{kind}DataPoints #{index}");
        print(out, point);
    }
}

fn head(out: &mut String, found: &[KeyValue], times: Range<u64>) {
    attributes(out, "", "Data point attributes", found);
    line!(out, "StartTimestamp: {}", time(times.start));
    line!(out, "Timestamp: {}", time(times.end));
}

fn stats(out: &mut String, count: u64, stats: [Option<f64>; 3]) {
    line!(out, "Count: {count}");
    for (name, value) in ["Sum", "Min", "Max"].into_iter().zip(stats) {
        if let Some(value) = value {
            line!(out, "{name}: {value:.6}");
        }
    }
}

fn number(out: &mut String, point: &NumberDataPoint) {
    head(
        out,
        &point.attributes,
        point.start_time_unix_nano..point.time_unix_nano,
    );
    match point.value {
        None => {}
        Some(number_data_point::Value::AsInt(value)) => line!(out, "Value: {value}"),
        Some(number_data_point::Value::AsDouble(value)) => line!(out, "Value: {value:.6}"),
    }
    exemplars(out, &point.exemplars);
}

fn histogram(out: &mut String, point: &HistogramDataPoint) {
    head(
        out,
        &point.attributes,
        point.start_time_unix_nano..point.time_unix_nano,
    );
    stats(out, point.count, [point.sum, point.min, point.max]);
    for (index, bound) in point.explicit_bounds.iter().enumerate() {
        line!(out, "ExplicitBounds #{index}: {bound:.6}");
    }
    for (index, count) in point.bucket_counts.iter().enumerate() {
        line!(out, "Buckets #{index}, Count: {count}");
    }
    exemplars(out, &point.exemplars);
}

fn exponential(out: &mut String, point: &ExponentialHistogramDataPoint) {
    head(
        out,
        &point.attributes,
        point.start_time_unix_nano..point.time_unix_nano,
    );
    stats(out, point.count, [point.sum, point.min, point.max]);
    let factor = std::f64::consts::LN_2 * (-f64::from(point.scale)).exp2();
    let bound = |index: f64| (index * factor).exp();
    let side = |buckets: Option<&Buckets>| -> Vec<(f64, u64)> {
        let Some(buckets) = buckets else {
            return Vec::new();
        };
        let index = |step: u32| f64::from(buckets.offset) + f64::from(step);
        (0..)
            .map(index)
            .zip(buckets.bucket_counts.iter().copied())
            .collect()
    };
    for (index, count) in side(point.negative.as_ref()).into_iter().rev() {
        line!(
            out,
            "Bucket [{:.6}, {:.6}), Count: {count}",
            -bound(index + 1.0),
            -bound(index)
        );
    }
    if point.zero_count != 0 {
        line!(out, "Bucket [0, 0], Count: {}", point.zero_count);
    }
    for (index, count) in side(point.positive.as_ref()) {
        line!(
            out,
            "Bucket ({:.6}, {:.6}], Count: {count}",
            bound(index),
            bound(index + 1.0)
        );
    }
    exemplars(out, &point.exemplars);
}

fn summary(out: &mut String, point: &SummaryDataPoint) {
    head(
        out,
        &point.attributes,
        point.start_time_unix_nano..point.time_unix_nano,
    );
    stats(out, point.count, [Some(point.sum), None, None]);
    for (index, value) in point.quantile_values.iter().enumerate() {
        let (quantile, value) = (value.quantile, value.value);
        line!(
            out,
            "QuantileValue #{index}: Quantile {quantile:.6}, Value {value:.6}"
        );
    }
}

fn exemplars(out: &mut String, exemplars: &[Exemplar]) {
    if !exemplars.is_empty() {
        line!(out, "Exemplars:");
    }
    for (index, one) in exemplars.iter().enumerate() {
        line!(out, "Exemplar #{index}");
        line!(out, "     -> Trace ID: {}", id(&one.trace_id));
        line!(out, "     -> Span ID: {}", id(&one.span_id));
        line!(out, "     -> Timestamp: {}", time(one.time_unix_nano));
        match one.value {
            None => {}
            Some(exemplar::Value::AsInt(value)) => line!(out, "     -> Value: {value}"),
            Some(exemplar::Value::AsDouble(value)) => line!(out, "     -> Value: {value:.6}"),
        }
        attributes(
            out,
            "     ",
            "-> FilteredAttributes",
            &one.filtered_attributes,
        );
    }
}
