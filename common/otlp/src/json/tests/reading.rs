//! JSON by hand, and what it means.

use super::*;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::{Metric, NumberDataPoint, metric, number_data_point};
use opentelemetry_proto::tonic::trace::v1::Span;

fn read(signal: Signal, json: &str) -> Bytes {
    to_proto(signal, json.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{json}"))
}

fn read_span(field: &str) -> Span {
    let request = read(Signal::Traces, &span(field));
    let request = ExportTraceServiceRequest::decode(request).unwrap();
    request.resource_spans[0].scope_spans[0].spans[0].clone()
}

fn read_record(field: &str) -> LogRecord {
    let request = read(Signal::Logs, &record(field));
    let request = ExportLogsServiceRequest::decode(request).unwrap();
    request.resource_logs[0].scope_logs[0].log_records[0].clone()
}

fn read_metric(field: &str) -> Metric {
    let request = read(Signal::Metrics, &metric(field));
    let request = ExportMetricsServiceRequest::decode(request).unwrap();
    request.resource_metrics[0].scope_metrics[0].metrics[0].clone()
}

fn read_point(field: &str) -> NumberDataPoint {
    match read_metric(&format!(r#""gauge":{{"dataPoints":[{{{field}}}]}}"#)).data {
        Some(metric::Data::Gauge(gauge)) => gauge.data_points[0].clone(),
        other => panic!("{other:?}"),
    }
}

fn read_body(value: &str) -> Option<any_value::Value> {
    read_record(&format!(r#""body":{{{value}}}"#))
        .body
        .unwrap()
        .value
}

#[test]
fn the_specifications_trace_example_is_read() {
    let json = r#"{"resourceSpans": [{
      "resource": {"attributes": [
        {"key": "service.name", "value": {"stringValue": "my.service"}}]},
      "scopeSpans": [{
        "scope": {"name": "my.library", "version": "1.0.0", "attributes": [
          {"key": "my.scope.attribute", "value": {"stringValue": "some scope attribute"}}]},
        "spans": [{
          "traceId": "5B8EFFF798038103D269B633813FC60C",
          "spanId": "EEE19B7EC3C1B174",
          "parentSpanId": "EEE19B7EC3C1B173",
          "name": "I'm a server span",
          "startTimeUnixNano": "1544712660000000000",
          "endTimeUnixNano": "1544712661000000000",
          "kind": 2,
          "attributes": [{"key": "my.span.attr", "value": {"stringValue": "some value"}}]
    }]}]}]}"#;
    let request = ExportTraceServiceRequest::decode(read(Signal::Traces, json)).unwrap();
    let resource = request.resource_spans[0].resource.clone().unwrap();
    let string = |text: &str| {
        Some(AnyValue {
            value: Some(any_value::Value::StringValue(text.to_owned())),
        })
    };
    let attribute = |key: &str, text: &str| KeyValue {
        key: key.to_owned(),
        value: string(text),
        ..KeyValue::default()
    };
    assert_eq!(
        resource.attributes,
        [attribute("service.name", "my.service")]
    );
    let scope_spans = &request.resource_spans[0].scope_spans[0];
    let scope = scope_spans.scope.clone().unwrap();
    assert_eq!(
        (scope.name.as_str(), scope.version.as_str()),
        ("my.library", "1.0.0")
    );
    assert_eq!(
        scope.attributes,
        [attribute("my.scope.attribute", "some scope attribute")]
    );
    let expected = Span {
        trace_id: 0x5B8E_FFF7_9803_8103_D269_B633_813F_C60C_u128
            .to_be_bytes()
            .to_vec(),
        span_id: 0xEEE1_9B7E_C3C1_B174_u64.to_be_bytes().to_vec(),
        parent_span_id: 0xEEE1_9B7E_C3C1_B173_u64.to_be_bytes().to_vec(),
        name: "I'm a server span".to_owned(),
        start_time_unix_nano: 1_544_712_660_000_000_000,
        end_time_unix_nano: 1_544_712_661_000_000_000,
        kind: 2,
        attributes: vec![attribute("my.span.attr", "some value")],
        ..Span::default()
    };
    assert_eq!(scope_spans.spans, [expected]);
}

#[test]
fn the_specifications_metrics_example_is_read() {
    let fields = r#""name": "my.counter", "unit": "1", "description": "I am a Counter",
      "sum": {"aggregationTemporality": 1, "isMonotonic": true, "dataPoints": [
        {"asDouble": 5, "startTimeUnixNano": "1544712660300000000", "timeUnixNano": "1544712660300000000",
         "attributes": [{"key": "my.counter.attr", "value": {"stringValue": "some value"}}]}]}"#;
    let counter = read_metric(fields);
    let Some(metric::Data::Sum(sum)) = counter.data else {
        panic!("no sum")
    };
    assert_eq!((sum.aggregation_temporality, sum.is_monotonic), (1, true));
    let point = &sum.data_points[0];
    assert_eq!(point.value, Some(number_data_point::Value::AsDouble(5.0)));
    assert_eq!(point.time_unix_nano, 1_544_712_660_300_000_000);

    let fields = r#""name": "my.histogram", "histogram": {"aggregationTemporality": 1, "dataPoints": [
        {"count": 2, "sum": 2, "bucketCounts": [1, "1"], "explicitBounds": [1], "min": 0, "max": 2}]}"#;
    let Some(metric::Data::Histogram(histogram)) = read_metric(fields).data else {
        panic!("no histogram")
    };
    let point = &histogram.data_points[0];
    assert_eq!(
        (point.count, point.sum, point.min),
        (2, Some(2.0), Some(0.0))
    );
    assert_eq!(
        (&point.bucket_counts[..], &point.explicit_bounds[..]),
        (&[1, 1][..], &[1.0][..])
    );

    let fields = r#""exponentialHistogram": {"aggregationTemporality": 1, "dataPoints": [
        {"count": 3, "sum": 10, "scale": -2, "zeroCount": 1,
         "positive": {"offset": -1, "bucketCounts": [0, 2]}, "zeroThreshold": 0}]}"#;
    let Some(metric::Data::ExponentialHistogram(histogram)) = read_metric(fields).data else {
        panic!("no exponential histogram")
    };
    let point = &histogram.data_points[0];
    let positive = point.positive.clone().unwrap();
    assert_eq!((point.scale, positive.offset), (-2, -1));
    assert_eq!((positive.bucket_counts, point.max), (vec![0, 2], None));
}

#[test]
fn the_specifications_logs_example_is_read() {
    let record = read_record(
        r#""timeUnixNano": "1544712660300000000", "observedTimeUnixNano": "1544712660300000000",
        "severityNumber": 10, "severityText": "Information",
        "traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "EEE19B7EC3C1B174",
        "body": {"stringValue": "Example log record"},
        "attributes": [
          {"key": "boolean.attribute", "value": {"boolValue": true}},
          {"key": "int.attribute", "value": {"intValue": "10"}},
          {"key": "double.attribute", "value": {"doubleValue": 637.704}},
          {"key": "array.attribute", "value": {"arrayValue": {"values": [
            {"stringValue": "many"}, {"stringValue": "values"}]}}},
          {"key": "map.attribute", "value": {"kvlistValue": {"values": [
            {"key": "some.map.key", "value": {"stringValue": "some value"}}]}}}]"#,
    );
    assert_eq!(
        (record.severity_number, record.severity_text.as_str()),
        (10, "Information")
    );
    assert_eq!((record.trace_id.len(), record.span_id.len()), (16, 8));
    let value = |i: usize| record.attributes[i].value.clone().unwrap().value.unwrap();
    assert_eq!(value(0), any_value::Value::BoolValue(true));
    assert_eq!(value(1), any_value::Value::IntValue(10));
    assert_eq!(value(2), any_value::Value::DoubleValue(637.704));
    let any_value::Value::ArrayValue(array) = value(3) else {
        panic!("no list")
    };
    assert_eq!(array.values.len(), 2);
    let any_value::Value::KvlistValue(list) = value(4) else {
        panic!("no map")
    };
    assert_eq!(list.values[0].key, "some.map.key");
}

#[test]
fn names_of_the_proto_file_and_unknown_names_are_taken() {
    let span = read_span(
        r#""trace_state":"a=b","dropped_events_count":3,"unknown":{"deep":[1,{"x":"\ud800"}]},"\ud800":1,"Name":"no""#,
    );
    assert_eq!(
        (span.trace_state.as_str(), span.dropped_events_count),
        ("a=b", 3)
    );
    assert_eq!(span.name, "");
}

#[test]
fn null_means_absent() {
    let span = read_span(
        r#""name":null,"kind":null,"status":null,"attributes":null,"traceId":null,"endTimeUnixNano":null"#,
    );
    assert_eq!(span, Span::default());
    assert_eq!(
        read_body(r#""stringValue":null,"intValue":"3""#),
        Some(any_value::Value::IntValue(3))
    );
    assert_eq!(
        read(Signal::Traces, r#"{"resourceSpans":null}"#),
        Bytes::new()
    );
}

#[test]
fn whole_numbers_may_be_numbers_or_strings() {
    for (json, expected) in [
        ("7", 7),
        ("\"7\"", 7),
        ("7.0", 7),
        ("1e3", 1000),
        ("\"1e3\"", 1000),
        ("-0", 0),
        ("-9223372036854775808", i64::MIN),
        ("\"-9223372036854775808\"", i64::MIN),
        ("9223372036854775807", i64::MAX),
    ] {
        let value = read_point(&format!(r#""asInt":{json}"#)).value;
        assert_eq!(
            value,
            Some(number_data_point::Value::AsInt(expected)),
            "{json}"
        );
    }
    let max = read_point(r#""timeUnixNano":18446744073709551615,"flags":"1""#);
    assert_eq!((max.time_unix_nano, max.flags), (u64::MAX, 1));
    assert_eq!(read_span(r#""flags":257"#).flags, 257);
}

#[test]
fn doubles_may_be_numbers_or_strings() {
    for (json, expected) in [
        ("7", 7.0),
        ("-7", -7.0),
        ("0.1", 0.1),
        ("\"0.1\"", 0.1),
        ("1e-7", 1e-7),
        ("1.7976931348623157e308", f64::MAX),
        ("\"Infinity\"", f64::INFINITY),
        ("\"-Infinity\"", f64::NEG_INFINITY),
        ("\"+Inf\"", f64::INFINITY),
        ("\"-Inf\"", f64::NEG_INFINITY),
    ] {
        let value = read_point(&format!(r#""asDouble":{json}"#)).value;
        assert_eq!(
            value,
            Some(number_data_point::Value::AsDouble(expected)),
            "{json}"
        );
    }
    let Some(number_data_point::Value::AsDouble(nan)) = read_point(r#""asDouble":"NaN""#).value
    else {
        panic!("no double")
    };
    assert!(nan.is_nan());
}

#[test]
fn enums_may_be_numbers_or_names() {
    for (json, expected) in [
        ("3", 3),
        ("\"3\"", 3),
        ("\"SPAN_KIND_CLIENT\"", 3),
        ("77", 77),
        ("-1", -1),
    ] {
        assert_eq!(
            read_span(&format!(r#""kind":{json}"#)).kind,
            expected,
            "{json}"
        );
    }
}

#[test]
fn base64_may_be_standard_or_url_safe_and_without_padding() {
    for (json, expected) in [
        ("-_8=", &[0xfb, 0xff][..]),
        ("+/8=", &[0xfb, 0xff]),
        ("-_8", &[0xfb, 0xff]),
        ("+/8", &[0xfb, 0xff]),
        ("", &[]),
    ] {
        let value = read_body(&format!(r#""bytesValue":"{json}""#));
        assert_eq!(
            value,
            Some(any_value::Value::BytesValue(expected.to_vec())),
            "{json}"
        );
    }
}

#[test]
fn ids_are_hexadecimal_of_any_length() {
    for (json, expected) in [("", &[][..]), ("0aFf", &[0x0a, 0xff])] {
        assert_eq!(
            read_span(&format!(r#""spanId":"{json}""#)).span_id,
            expected,
            "{json}"
        );
    }
}

#[test]
fn default_values_say_nothing_but_where_presence_counts() {
    let nothing = r#""name":"","kind":0,"traceId":"","attributes":[],"startTimeUnixNano":"0""#;
    assert_eq!(
        read(Signal::Traces, &span(nothing)),
        read(Signal::Traces, &span(""))
    );
    let histogram = |lists| metric(&format!(r#""histogram":{{"dataPoints":[{{{lists}}}]}}"#));
    assert_eq!(
        read(
            Signal::Metrics,
            &histogram(r#""bucketCounts":[],"explicitBounds":[]"#)
        ),
        read(Signal::Metrics, &histogram(""))
    );
    assert_eq!(
        read_point(r#""asInt":0"#).value,
        Some(number_data_point::Value::AsInt(0))
    );
    assert_eq!(
        read_body(r#""stringValue":"""#),
        Some(any_value::Value::StringValue(String::new()))
    );
    assert_eq!(read_body(""), None);
    assert!(read_span(r#""status":{}"#).status.is_some());
}

#[test]
fn a_name_that_occurs_twice_is_as_on_the_wire() {
    assert_eq!(read_span(r#""name":"a","name":"b""#).name, "b");
    assert_eq!(read_span(r#""name":"a","name":"""#).name, "");
    assert_eq!(read_span(r#""kind":2,"kind":0"#).kind, 0);
    let merged = read_span(r#""status":{"message":"m"},"status":{"code":2}"#)
        .status
        .unwrap();
    assert_eq!((merged.message.as_str(), merged.code), ("m", 2));
    assert_eq!(
        read_span(r#""events":[{}],"events":[{},{}]"#).events.len(),
        3
    );
    let last = read_body(r#""stringValue":"a","intValue":1,"boolValue":false"#);
    assert_eq!(last, Some(any_value::Value::BoolValue(false)));
}

#[test]
fn text_that_is_not_unicode_is_repaired() {
    assert_eq!(
        read_span(r#""name":"a\ud83d\ude00\u00e9""#).name,
        "a\u{1f600}é"
    );
    let name = read_span(r#""name":"cut \ud83d""#).name;
    assert!(name.starts_with("cut \u{fffd}"), "{name}");
    let mut json = span(r#""name":"x?y""#).into_bytes();
    let place = json.iter().position(|byte| *byte == b'?').unwrap();
    json[place] = 0xff;
    let request = to_proto(Signal::Traces, &json).unwrap();
    assert!(written(Signal::Traces, &request).contains("x\u{fffd}y"));
}
