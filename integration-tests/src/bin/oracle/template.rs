//! Requests whose items have ids: encoded once, then copied with other ids in their places.
//!
//! An item's id is the attribute `item.id`, `oid-` and sixteen digits. Items are as large as those that sidecars send: spans
//! and log records of about 220 bytes.

use crate::Outcome;
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use penstock_otlp::Signal;
use prost::Message;

const MARK: &[u8] = b"oid-";
const DIGITS: usize = 16;
const TIME: u64 = 1_700_000_000_000_000_000;
const URL: &str = "http://demo-app.kong-mesh-demo.svc:5050/items/4711?page=2";

/// A request of so many items.
pub(crate) struct Template {
    body: Vec<u8>,
    /// Where each item's digits are.
    places: Vec<usize>,
}

impl Template {
    pub(crate) fn new(signal: Signal, items: usize) -> Outcome<Self> {
        let body = match signal {
            Signal::Traces => traces(items),
            Signal::Metrics => metrics(items),
            Signal::Logs => logs(items),
        };
        let marks = body.windows(MARK.len()).enumerate();
        let places: Vec<_> = marks
            .filter(|(_, bytes)| *bytes == MARK)
            .map(|(place, _)| place + MARK.len())
            .collect();
        if places.len() != items {
            return Err(format!("{} ids in a request of {items} items", places.len()).into());
        }
        Ok(Self { body, places })
    }

    /// The request with the ids from `first` on.
    pub(crate) fn fill(&self, first: u64) -> Bytes {
        let mut body = self.body.clone();
        for (id, place) in (first..).zip(&self.places) {
            let digits = format!("{id:0DIGITS$}");
            body[*place..place + DIGITS].copy_from_slice(digits.as_bytes());
        }
        Bytes::from(body)
    }
}

fn text(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            value: Some(any_value::Value::StringValue(value.to_owned())),
        }),
        ..KeyValue::default()
    }
}

fn id() -> KeyValue {
    text("item.id", &format!("oid-{:0DIGITS$}", 0))
}

fn resource() -> Option<Resource> {
    Some(Resource {
        attributes: vec![
            text("service.name", "demo-app"),
            text("kuma.mesh", "default"),
            text("kuma.zone", "zone-1"),
        ],
        ..Resource::default()
    })
}

fn traces(items: usize) -> Vec<u8> {
    let span = Span {
        trace_id: vec![0xa5; 16],
        span_id: vec![0x5a; 8],
        parent_span_id: vec![0xa5; 8],
        name: "egress demo-app.kong-mesh-demo.svc".to_owned(),
        kind: 3,
        start_time_unix_nano: TIME,
        end_time_unix_nano: TIME + 1_000_000,
        attributes: vec![id(), text("http.url", URL)],
        ..Span::default()
    };
    let spans = ScopeSpans {
        spans: vec![span; items],
        ..ScopeSpans::default()
    };
    let resource_spans = ResourceSpans {
        resource: resource(),
        scope_spans: vec![spans],
        ..ResourceSpans::default()
    };
    ExportTraceServiceRequest {
        resource_spans: vec![resource_spans],
    }
    .encode_to_vec()
}

fn logs(items: usize) -> Vec<u8> {
    let line = format!(
        "[2026-11-22T10:00:00.000Z] default \"GET {URL} HTTP/1.1\" 200 - 0 20 3 2 \"10.42.0.17\" \"demo-client/1.0\""
    );
    let record = LogRecord {
        time_unix_nano: TIME,
        observed_time_unix_nano: TIME,
        body: text("", &line).value,
        attributes: vec![id()],
        ..LogRecord::default()
    };
    let records = ScopeLogs {
        log_records: vec![record; items],
        ..ScopeLogs::default()
    };
    let resource_logs = ResourceLogs {
        resource: resource(),
        scope_logs: vec![records],
        ..ResourceLogs::default()
    };
    ExportLogsServiceRequest {
        resource_logs: vec![resource_logs],
    }
    .encode_to_vec()
}

fn metrics(items: usize) -> Vec<u8> {
    let point = NumberDataPoint {
        start_time_unix_nano: TIME,
        time_unix_nano: TIME + 1_000_000,
        value: Some(number_data_point::Value::AsInt(1)),
        attributes: vec![
            id(),
            text("envoy_cluster_name", "demo-app_kong-mesh-demo_svc_5050"),
            text("envoy_response_code_class", "2"),
        ],
        ..NumberDataPoint::default()
    };
    let gauge = Metric {
        name: "envoy_cluster_upstream_rq_active".to_owned(),
        data: Some(metric::Data::Gauge(Gauge {
            data_points: vec![point; items],
        })),
        ..Metric::default()
    };
    let scope_metrics = ScopeMetrics {
        metrics: vec![gauge],
        ..ScopeMetrics::default()
    };
    let resource_metrics = ResourceMetrics {
        resource: resource(),
        scope_metrics: vec![scope_metrics],
        ..ResourceMetrics::default()
    };
    ExportMetricsServiceRequest {
        resource_metrics: vec![resource_metrics],
    }
    .encode_to_vec()
}
