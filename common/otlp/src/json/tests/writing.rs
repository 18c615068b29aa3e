//! What a request looks like in JSON, letter for letter as the Collector writes it.

use super::*;
use crate::json::value::{begin_nested, end_nested, put_key};
use crate::wire::{put_field, put_varint, wire_type};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1 as metrics;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span::Event};

fn span_json(span: Span) -> String {
    let scope_spans = vec![ScopeSpans {
        spans: vec![span],
        ..ScopeSpans::default()
    }];
    let resource_spans = vec![ResourceSpans {
        scope_spans,
        ..ResourceSpans::default()
    }];
    let request = ExportTraceServiceRequest { resource_spans };
    written(Signal::Traces, &request.encode_to_vec())
}

fn record_json(log_record: LogRecord) -> String {
    let scope_logs = vec![ScopeLogs {
        log_records: vec![log_record],
        ..ScopeLogs::default()
    }];
    let resource_logs = vec![ResourceLogs {
        scope_logs,
        ..ResourceLogs::default()
    }];
    written(
        Signal::Logs,
        &ExportLogsServiceRequest { resource_logs }.encode_to_vec(),
    )
}

fn body_json(value: Value) -> String {
    let body = Some(AnyValue { value: Some(value) });
    let json = record_json(LogRecord {
        body,
        ..LogRecord::default()
    });
    let start = json.find(r#""body":"#).unwrap() + 7;
    json[start..json.len() - "}]}]}]}".len()].to_owned()
}

fn metric_json(data: metrics::metric::Data) -> String {
    let metric = metrics::Metric {
        data: Some(data),
        ..metrics::Metric::default()
    };
    let scope = metrics::ScopeMetrics {
        metrics: vec![metric],
        ..Default::default()
    };
    let resource = metrics::ResourceMetrics {
        scope_metrics: vec![scope],
        ..Default::default()
    };
    let request = ExportMetricsServiceRequest {
        resource_metrics: vec![resource],
    };
    written(Signal::Metrics, &request.encode_to_vec())
}

/// A request for logs with one record of these bytes.
fn raw_record(record: &[u8]) -> String {
    let mut request = Vec::new();
    let resource_logs = begin_nested(&mut request, 1);
    let scope_logs = begin_nested(&mut request, 2);
    put_field(&mut request, 2, record);
    end_nested(&mut request, scope_logs);
    end_nested(&mut request, resource_logs);
    let json = written(Signal::Logs, &request);
    let start = json.find(r#""logRecords":["#).unwrap() + 14;
    json[start..json.len() - "]}]}]}".len()].to_owned()
}

#[test]
fn single_messages_are_always_there_and_default_values_never() {
    assert_eq!(
        span_json(Span::default()),
        r#"{"resourceSpans":[{"resource":{},"scopeSpans":[{"scope":{},"spans":[{"status":{}}]}]}]}"#
    );
    assert_eq!(
        record_json(LogRecord::default()),
        r#"{"resourceLogs":[{"resource":{},"scopeLogs":[{"scope":{},"logRecords":[{"body":{}}]}]}]}"#
    );
    assert_eq!(written(Signal::Metrics, b""), "{}");
}

#[test]
fn a_span_is_written_as_the_collector_writes_it() {
    let span = Span {
        trace_id: (1..=16).collect(),
        span_id: vec![0xab; 8],
        parent_span_id: vec![0; 8],
        flags: 257,
        name: "GET \"/\"\n<é>".to_owned(),
        kind: 3,
        start_time_unix_nano: u64::MAX,
        attributes: vec![KeyValue {
            key: "k".to_owned(),
            ..KeyValue::default()
        }],
        events: vec![
            Event {
                time_unix_nano: 1,
                ..Event::default()
            },
            Event::default(),
        ],
        dropped_events_count: 2,
        status: Some(Status {
            code: 2,
            message: "m".to_owned(),
        }),
        ..Span::default()
    };
    let json = span_json(span);
    assert!(
        json.contains(concat!(
            r#"[{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"abababababababab","#,
            r#""name":"GET \"/\"\n<é>","kind":3,"startTimeUnixNano":"18446744073709551615","#,
            r#""attributes":[{"key":"k","value":{}}],"events":[{"timeUnixNano":"1"},{}],"#,
            r#""droppedEventsCount":2,"status":{"message":"m","code":2},"flags":257}]"#
        )),
        "{json}"
    );
}

#[test]
fn every_kind_of_value_has_its_form() {
    let any = |value| AnyValue { value: Some(value) };
    let list = ArrayValue {
        values: vec![any(Value::IntValue(1)), AnyValue { value: None }],
    };
    let value = Some(any(Value::BoolValue(true)));
    let entry = KeyValue {
        key: "k".to_owned(),
        value,
        ..KeyValue::default()
    };
    for (value, expected) in [
        (Value::StringValue(String::new()), r#"{"stringValue":""}"#),
        (
            Value::StringValue("\u{7f}\u{1}\t\\".to_owned()),
            "{\"stringValue\":\"\u{7f}\\u0001\\t\\\\\"}",
        ),
        (Value::BoolValue(false), r#"{"boolValue":false}"#),
        (
            Value::IntValue(i64::MIN),
            r#"{"intValue":"-9223372036854775808"}"#,
        ),
        (Value::IntValue(0), r#"{"intValue":"0"}"#),
        (
            Value::BytesValue(vec![0xfb, 0xff]),
            r#"{"bytesValue":"+/8="}"#,
        ),
        (Value::BytesValue(Vec::new()), r#"{"bytesValue":""}"#),
        (
            Value::ArrayValue(list),
            r#"{"arrayValue":{"values":[{"intValue":"1"},{}]}}"#,
        ),
        (
            Value::ArrayValue(ArrayValue::default()),
            r#"{"arrayValue":{}}"#,
        ),
        (
            Value::KvlistValue(KeyValueList {
                values: vec![entry],
            }),
            { r#"{"kvlistValue":{"values":[{"key":"k","value":{"boolValue":true}}]}}"# },
        ),
    ] {
        assert_eq!(body_json(value), expected);
    }
}

#[test]
fn doubles_are_written_as_go_writes_them() {
    for (double, expected) in [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (637.704, "637.704"),
        (1e-6, "0.000001"),
        (1e-7, "1e-07"),
        (-1.5e-10, "-1.5e-10"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (f64::MAX, "1.7976931348623157e+308"),
        (5e-324, "5e-324"),
        (f64::NAN, r#""NaN""#),
        (f64::INFINITY, r#""Infinity""#),
        (f64::NEG_INFINITY, r#""-Infinity""#),
    ] {
        let json = body_json(Value::DoubleValue(double));
        assert_eq!(json, format!(r#"{{"doubleValue":{expected}}}"#));
    }
}

#[test]
fn optional_numbers_are_there_when_they_are_zero() {
    let point = metrics::HistogramDataPoint {
        count: 2,
        sum: Some(0.0),
        bucket_counts: vec![0, 2],
        explicit_bounds: vec![0.5],
        ..Default::default()
    };
    let histogram = metrics::Histogram {
        data_points: vec![point],
        aggregation_temporality: 2,
    };
    let json = metric_json(metrics::metric::Data::Histogram(histogram));
    let expected = concat!(
        r#"{"histogram":{"dataPoints":[{"count":"2","sum":0,"bucketCounts":["0","2"],"#,
        r#""explicitBounds":[0.5]}],"aggregationTemporality":2}}"#
    );
    assert!(json.contains(expected), "{json}");
}

#[test]
fn an_exponential_histogram_has_both_its_sides() {
    let negative = metrics::exponential_histogram_data_point::Buckets {
        offset: -3,
        bucket_counts: vec![u64::MAX],
    };
    let point = metrics::ExponentialHistogramDataPoint {
        scale: i32::MIN,
        negative: Some(negative),
        ..Default::default()
    };
    let data = metrics::ExponentialHistogram {
        data_points: vec![point],
        ..Default::default()
    };
    let json = metric_json(metrics::metric::Data::ExponentialHistogram(data));
    let expected = concat!(
        r#"[{"scale":-2147483648,"positive":{},"#,
        r#""negative":{"offset":-3,"bucketCounts":["18446744073709551615"]}}]"#
    );
    assert!(json.contains(expected), "{json}");
}

#[test]
fn unusual_wire_forms_mean_what_they_mean_to_prost() {
    // severity_text (3) twice with body (5) between; body in two parts; unknown fields.
    let mut record = Vec::new();
    put_field(&mut record, 3, b"lost");
    put_field(&mut record, 5, b"\x0a\x01a");
    put_field(&mut record, 3, b"WARN");
    put_field(&mut record, 99, b"unknown");
    put_field(&mut record, 5, b"\x18\x07");
    assert_eq!(
        raw_record(&record),
        r#"{"severityText":"WARN","body":{"intValue":"7"}}"#
    );

    // A list, then a string, then a list again: the first list is gone; two lists in a row are one.
    let list = b"\x2a\x04\x0a\x02\x18\x01";
    let mut record = Vec::new();
    put_field(&mut record, 5, list);
    put_field(&mut record, 5, b"\x0a\x01a");
    put_field(&mut record, 5, list);
    let one = r#"{"body":{"arrayValue":{"values":[{"intValue":"1"}]}}}"#;
    assert_eq!(raw_record(&record), one);
    put_field(&mut record, 5, list);
    let two = r#"{"body":{"arrayValue":{"values":[{"intValue":"1"},{"intValue":"1"}]}}}"#;
    assert_eq!(raw_record(&record), two);

    // A varint wider than its field is cut as every decoder cuts it.
    for (wide, expected) in [
        (1 << 32, r#"{"body":{}}"#),
        ((1 << 32) + 1, r#"{"severityNumber":1,"body":{}}"#),
    ] {
        let mut record = Vec::new();
        put_key(&mut record, 2, wire_type::VARINT);
        put_varint(&mut record, wide);
        assert_eq!(raw_record(&record), expected);
    }
}

#[test]
fn nesting_beyond_any_checked_request_ends_instead_of_overflowing() {
    let mut value = Vec::new();
    for _ in 0..5_000 {
        let mut list = Vec::new();
        put_field(&mut list, 1, &value);
        value.clear();
        put_field(&mut value, 5, &list);
    }
    let mut record = Vec::new();
    put_field(&mut record, 5, &value);
    assert!(raw_record(&record).len() < 10_000);
}

#[test]
fn what_is_written_is_appended() {
    let mut out = b"{}\n".to_vec();
    from_proto(Signal::Logs, b"", &mut out);
    assert_eq!(out, b"{}\n{}");
}
