//! Requests of 100 items, as the batches of SDKs have them: one Resource, one Scope, items of some 640 bytes (spans) and
//! 170 bytes (data points).

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric,
    number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message;

const ITEMS: u64 = 100;
/// Some time of the year 2025, in nanoseconds.
const TIME: u64 = 1_750_000_000_000_000_000;
/// Data points of one metric.
const POINTS: u64 = 10;

/// The request that has this name.
pub(crate) fn request(name: &str) -> Option<Vec<u8>> {
    match name {
        "bulk-traces" => Some(traces().encode_to_vec()),
        "bulk-metrics" => Some(metrics().encode_to_vec()),
        _ => None,
    }
}

fn traces() -> ExportTraceServiceRequest {
    let scope_spans = vec![ScopeSpans {
        scope: Some(scope()),
        spans: (0..ITEMS).map(span).collect(),
        ..ScopeSpans::default()
    }];
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource()),
            scope_spans,
            ..ResourceSpans::default()
        }],
    }
}

fn span(n: u64) -> Span {
    let trace_id = [n.to_be_bytes(), (!n).to_be_bytes()].concat();
    Span {
        trace_id,
        span_id: (n + 1).to_be_bytes().to_vec(),
        parent_span_id: (n / 2 + 1).to_be_bytes().to_vec(),
        name: "GET /api/v1/orders/{order_id}/items".to_owned(),
        kind: 2,
        start_time_unix_nano: TIME + n * 1_000,
        end_time_unix_nano: TIME + n * 1_000 + 750_000,
        attributes: vec![
            text("http.request.method", "GET"),
            text("url.scheme", "https"),
            text("url.path", &format!("/api/v1/orders/{n:08}/items")),
            text("http.route", "/api/v1/orders/{order_id}/items"),
            number("http.response.status_code", 200),
            text("server.address", "orders.shop.svc.cluster.local"),
            number("server.port", 8443),
            text("client.address", "10.42.17.203"),
            text(
                "user_agent.original",
                "Mozilla/5.0 (X11; Linux x86_64; rv:138.0) Gecko/20100101 Firefox/138.0",
            ),
            text("network.protocol.version", "1.1"),
            number("thread.id", 41),
            text("thread.name", "http-nio-8443-exec-7"),
        ],
        status: Some(Status::default()),
        ..Span::default()
    }
}

fn metrics() -> ExportMetricsServiceRequest {
    let scope_metrics = vec![ScopeMetrics {
        scope: Some(scope()),
        metrics: (0..ITEMS / POINTS).map(metric).collect(),
        ..ScopeMetrics::default()
    }];
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(resource()),
            scope_metrics,
            ..ResourceMetrics::default()
        }],
    }
}

fn metric(n: u64) -> Metric {
    Metric {
        name: format!("http.server.requests.{n}"),
        description: "Requests that were answered".to_owned(),
        unit: "{request}".to_owned(),
        data: Some(metric::Data::Sum(Sum {
            data_points: (0..POINTS).map(|point| data_point(n, point)).collect(),
            aggregation_temporality: AggregationTemporality::Cumulative.into(),
            is_monotonic: true,
        })),
        ..Metric::default()
    }
}

fn data_point(n: u64, point: u64) -> NumberDataPoint {
    NumberDataPoint {
        attributes: vec![
            text("http.request.method", "GET"),
            text("http.route", &format!("/api/v1/orders/{point}")),
            number("http.response.status_code", 200),
            text("network.protocol.version", "1.1"),
        ],
        start_time_unix_nano: TIME,
        time_unix_nano: TIME + 60_000_000_000,
        value: Some(number_data_point::Value::AsDouble(
            (n * POINTS + point) as f64,
        )),
        ..NumberDataPoint::default()
    }
}

fn resource() -> Resource {
    Resource {
        attributes: vec![
            text("service.name", "orders"),
            text("service.namespace", "shop"),
            text("service.instance.id", "orders-6c5f9d7b8c-x2v4q"),
            text("telemetry.sdk.name", "opentelemetry"),
            text("telemetry.sdk.language", "java"),
            text("telemetry.sdk.version", "1.51.0"),
        ],
        ..Resource::default()
    }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "io.opentelemetry.tomcat-10.0".to_owned(),
        version: "2.17.0-alpha".to_owned(),
        ..InstrumentationScope::default()
    }
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, Value::StringValue(value.to_owned()))
}

fn number(key: &str, value: i64) -> KeyValue {
    attribute(key, Value::IntValue(value))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}
