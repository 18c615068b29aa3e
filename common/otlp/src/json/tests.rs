//! The JSON mapping against the generated messages of all signals.
//!
//! Does not prove what other implementations write; captured requests and hand-written JSON stand for them.

mod arbitrary;
mod faults;
mod reading;
mod round_trip;
mod writing;

use super::*;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;

/// The request as `prost` understands it, encoded by `prost`: comparable, NaN included.
fn canonical(signal: Signal, request: &[u8]) -> Result<Vec<u8>, prost::DecodeError> {
    Ok(match signal {
        Signal::Traces => ExportTraceServiceRequest::decode(request)?.encode_to_vec(),
        Signal::Metrics => ExportMetricsServiceRequest::decode(request)?.encode_to_vec(),
        Signal::Logs => ExportLogsServiceRequest::decode(request)?.encode_to_vec(),
    })
}

fn written(signal: Signal, request: &[u8]) -> String {
    let mut out = Vec::new();
    from_proto(signal, request, &mut out);
    String::from_utf8(out).unwrap()
}

fn error(signal: Signal, json: &str) -> String {
    to_proto(signal, json.as_bytes()).unwrap_err().to_string()
}

/// A span with one more field.
fn span(field: &str) -> String {
    format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{{field}}}]}}]}}]}}"#)
}

/// A log record with one more field.
fn record(field: &str) -> String {
    format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{{{field}}}]}}]}}]}}"#)
}

/// A metric with one more field.
fn metric(field: &str) -> String {
    format!(r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{{field}}}]}}]}}]}}"#)
}

/// A point of a gauge with one more field.
fn point(field: &str) -> String {
    metric(&format!(r#""gauge":{{"dataPoints":[{{{field}}}]}}"#))
}
