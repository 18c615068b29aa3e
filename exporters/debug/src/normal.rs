//! Normal verbosity: a line for each Resource, each Scope and each item.
//!
//! *Invariant:* every item of the request has its line, whatever is missing around it.

use crate::text::{id, line, pairs, plain};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint, SummaryDataPoint,
    number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use std::fmt::Write;

pub(crate) fn traces(request: &ExportTraceServiceRequest) -> String {
    let mut out = String::new();
    for (index, spans) in request.resource_spans.iter().enumerate() {
        let details = resource(spans.resource.as_ref(), &spans.schema_url);
        line!(out, "ResourceTraces #{index}{details}");
        for (index, spans) in spans.scope_spans.iter().enumerate() {
            line!(
                out,
                "ScopeTraces #{index}{}",
                scope(spans.scope.as_ref(), &spans.schema_url)
            );
            for span in &spans.spans {
                let (trace_id, span_id) = (id(&span.trace_id), id(&span.span_id));
                line!(
                    out,
                    "{} {trace_id} {span_id}{}",
                    span.name,
                    attributes(&span.attributes)
                );
            }
        }
    }
    out
}

pub(crate) fn logs(request: &ExportLogsServiceRequest) -> String {
    let mut out = String::new();
    for (index, logs) in request.resource_logs.iter().enumerate() {
        let details = resource(logs.resource.as_ref(), &logs.schema_url);
        line!(out, "ResourceLog #{index}{details}");
        for (index, logs) in logs.scope_logs.iter().enumerate() {
            line!(
                out,
                "ScopeLog #{index}{}",
                scope(logs.scope.as_ref(), &logs.schema_url)
            );
            for record in &logs.log_records {
                line!(
                    out,
                    "{}{}",
                    plain(record.body.as_ref()),
                    attributes(&record.attributes)
                );
            }
        }
    }
    out
}

pub(crate) fn metrics(request: &ExportMetricsServiceRequest) -> String {
    let mut out = String::new();
    for (index, metrics) in request.resource_metrics.iter().enumerate() {
        let details = resource(metrics.resource.as_ref(), &metrics.schema_url);
        line!(out, "ResourceMetrics #{index}{details}");
        for (index, metrics) in metrics.scope_metrics.iter().enumerate() {
            let details = scope(metrics.scope.as_ref(), &metrics.schema_url);
            line!(out, "ScopeMetrics #{index}{details}");
            for metric in &metrics.metrics {
                points(&mut out, metric);
            }
        }
    }
    out
}

fn points(out: &mut String, metric: &Metric) {
    let mut point = |attributes: &[KeyValue], value: String| {
        line!(out, "{}{{{}}} {value}", metric.name, pairs(attributes, ","));
    };
    match &metric.data {
        None => {}
        Some(Data::Gauge(gauge)) => {
            gauge
                .data_points
                .iter()
                .for_each(|p| point(&p.attributes, number(p)));
        }
        Some(Data::Sum(sum)) => {
            sum.data_points
                .iter()
                .for_each(|p| point(&p.attributes, number(p)));
        }
        Some(Data::Histogram(histogram)) => {
            histogram
                .data_points
                .iter()
                .for_each(|p| point(&p.attributes, buckets(p)));
        }
        Some(Data::ExponentialHistogram(histogram)) => {
            histogram
                .data_points
                .iter()
                .for_each(|p| point(&p.attributes, exponential(p)));
        }
        Some(Data::Summary(summary)) => {
            summary
                .data_points
                .iter()
                .for_each(|p| point(&p.attributes, quantiles(p)));
        }
    }
}

fn number(point: &NumberDataPoint) -> String {
    match point.value {
        None => String::new(),
        Some(number_data_point::Value::AsInt(value)) => value.to_string(),
        Some(number_data_point::Value::AsDouble(value)) => value.to_string(),
    }
}

/// ` name=value` of those that there are.
fn given(values: &[(&str, Option<f64>)]) -> String {
    let given = values
        .iter()
        .filter_map(|(name, value)| Some((name, (*value)?)));
    given
        .map(|(name, value)| format!(" {name}={value}"))
        .collect()
}

fn buckets(point: &HistogramDataPoint) -> String {
    let stats = given(&[("sum", point.sum), ("min", point.min), ("max", point.max)]);
    let mut text = format!("count={}{stats}", point.count);
    for (index, count) in point.bucket_counts.iter().enumerate() {
        let bound = point.explicit_bounds.get(index);
        let bound = bound.map_or_else(String::new, |bound| format!("le{bound}="));
        let _written = write!(text, " {bound}{count}").is_ok();
    }
    text
}

fn exponential(point: &ExponentialHistogramDataPoint) -> String {
    let stats = given(&[("sum", point.sum), ("min", point.min), ("max", point.max)]);
    let mut text = format!("count={}{stats}", point.count);
    let base = (-f64::from(point.scale)).exp2().exp2();
    let mut side = |buckets: Option<&Buckets>| {
        for (step, count) in (0u32..).zip(buckets.map_or(&[][..], |b| &b.bucket_counts)) {
            let index = f64::from(buckets.map_or(0, |b| b.offset)) + f64::from(step);
            let _written = write!(text, " le{}={count}", base.powf(index)).is_ok();
        }
    };
    side(point.negative.as_ref());
    side(point.positive.as_ref());
    if point.zero_count > 0 {
        let (threshold, count) = (point.zero_threshold, point.zero_count);
        let _written = write!(text, " zero_count{threshold}={count}").is_ok();
    }
    text
}

fn quantiles(point: &SummaryDataPoint) -> String {
    let mut text = format!("count={} sum={:.6}", point.count, point.sum);
    for quantile in &point.quantile_values {
        let _written = write!(text, " q{}={}", quantile.quantile, quantile.value).is_ok();
    }
    text
}

fn resource(resource: Option<&Resource>, schema_url: &str) -> String {
    let found = resource.map_or(&[][..], |resource| &resource.attributes);
    format!("{}{}", schema(schema_url), attributes(found))
}

fn scope(scope: Option<&InstrumentationScope>, schema_url: &str) -> String {
    let none = InstrumentationScope::default();
    let scope = scope.unwrap_or(&none);
    let name = if scope.name.is_empty() {
        String::new()
    } else {
        format!(" {}", scope.name)
    };
    let version = if scope.version.is_empty() {
        String::new()
    } else {
        format!("@{}", scope.version)
    };
    format!(
        "{name}{version}{}{}",
        schema(schema_url),
        attributes(&scope.attributes)
    )
}

fn schema(url: &str) -> String {
    if url.is_empty() {
        String::new()
    } else {
        format!(" [{url}]")
    }
}

fn attributes(attributes: &[KeyValue]) -> String {
    if attributes.is_empty() {
        String::new()
    } else {
        format!(" {}", pairs(attributes, " "))
    }
}
