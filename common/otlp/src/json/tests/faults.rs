//! JSON that is not taken, and what the sender is told.

use super::*;
use crate::check::check;

/// A field of a span, the path below the span that the fault names, and words of it.
const FAULTS: &[(&str, &str, &str)] = &[
    (
        r#""traceId":"5b8""#,
        "traceId",
        r#"string "5b8", expected an id in hexadecimal"#,
    ),
    (
        r#""spanId":"W47/95gDgQM=""#,
        "spanId",
        "expected an id in hexadecimal (OTLP does not",
    ),
    (
        r#""name":7"#,
        "name",
        "invalid type: integer `7`, expected a string",
    ),
    (r#""name":["a"]"#, "name", "expected a string"),
    (
        r#""kind":"CLIENT""#,
        "kind",
        "or one of SPAN_KIND_UNSPECIFIED, ",
    ),
    (
        r#""kind":2147483648"#,
        "kind",
        "whole number from -2147483648 to 2147483647",
    ),
    (
        r#""flags":-1"#,
        "flags",
        "integer `-1`, expected a whole number from 0 to 4294967295",
    ),
    (
        r#""startTimeUnixNano":1.5"#,
        "startTimeUnixNano",
        "floating point `1.5`",
    ),
    (r#""startTimeUnixNano":"12 "#, "startTimeUnixNano", "EOF"),
    (
        r#""startTimeUnixNano":"soon""#,
        "startTimeUnixNano",
        r#"string "soon", expected a whole"#,
    ),
    (
        r#""startTimeUnixNano":18446744073709551616"#,
        "startTimeUnixNano",
        "expected a whole",
    ),
    (
        r#""startTimeUnixNano":true"#,
        "startTimeUnixNano",
        "boolean `true`",
    ),
    (
        r#""status":[]"#,
        "status",
        "expected an object with the fields of Status",
    ),
    (r#""events":{}"#, "events", "expected a list"),
    (
        r#""events":[{},null]"#,
        "events[1]",
        "null, expected an object with the fields of",
    ),
    (
        r#""events":[{"name":1}]"#,
        "events[0].name",
        "expected a string",
    ),
    (
        r#""attributes":[{"value":{"boolValue":"true"}}]"#,
        "attributes[0].value.boolValue",
        "expected a boolean",
    ),
    (
        r#""attributes":[{"value":{"doubleValue":"much"}}]"#,
        "attributes[0].value.doubleValue",
        "expected a number, \"NaN\"",
    ),
    (
        r#""attributes":[{"value":{"doubleValue":"1e999"}}]"#,
        "doubleValue",
        "expected a number",
    ),
    (
        r#""attributes":[{"value":{"bytesValue":"?"}}]"#,
        "value.bytesValue",
        "base64",
    ),
    (
        r#""attributes":[{"value":"text"}]"#,
        "attributes[0].value",
        "the fields of AnyValue",
    ),
];

#[test]
fn faults_name_the_field_the_place_and_what_was_expected() {
    let at = "resourceSpans[0].scopeSpans[0].spans[0].";
    for (field, path, fault) in FAULTS {
        let json = span(field);
        let error = error(Signal::Traces, &json);
        assert!(
            error.starts_with(at) && error.contains(&format!("{path}: ")),
            "{error}"
        );
        assert!(error.contains(fault), "{error}");
        assert!(error.contains(" at line 1 column "), "{error}");
    }
    let error = error(
        Signal::Metrics,
        &point(r#""exemplars":[{"timeUnixNano":"x"}]"#),
    );
    assert!(
        error.contains("metrics[0].gauge.dataPoints[0].exemplars[0].timeUnixNano: "),
        "{error}"
    );
}

#[test]
fn what_is_not_one_json_object_is_refused() {
    for (json, fault) in [
        ("", "EOF while parsing a value at line 1 column 0"),
        (
            "null",
            "null, expected an object with the fields of ExportTraceServiceRequest",
        ),
        ("[]", "expected an object"),
        ("{} {}", "trailing characters at line 1 column 4"),
        (
            "{\"resourceSpans\":[\n{\"scopeSpans\":[}]}",
            "resourceSpans[0].scopeSpans[0]: ",
        ),
        ("<html>", "expected value at line 1 column 1"),
    ] {
        let error = error(Signal::Traces, json);
        assert!(error.contains(fault), "{error}");
    }
    assert_eq!(to_proto(Signal::Traces, b"{}").unwrap(), Bytes::new());
}

#[test]
fn a_fault_does_not_repeat_a_long_value() {
    let long = "é".repeat(100_000);
    let error = error(Signal::Traces, &span(&format!(r#""traceId":"{long}""#)));
    assert!(error.len() < 500, "{}", error.len());
    assert!(
        error.contains("traceId") && error.contains("expected an id"),
        "{error}"
    );
}

#[test]
fn nesting_is_taken_as_deep_as_check_takes_it_and_no_deeper() {
    let forms = [
        (r#"{"arrayValue":{"values":["#, "]}}"),
        (r#"{"kvlistValue":{"values":[{"value":"#, "}]}}"),
    ];
    for (open, close) in forms {
        let nested = |depth: usize| {
            record(&format!(
                r#""body":{}{{}}{}"#,
                open.repeat(depth),
                close.repeat(depth)
            ))
        };
        let deepest = (1..200)
            .take_while(|depth| to_proto(Signal::Logs, nested(*depth).as_bytes()).is_ok())
            .inspect(|depth| {
                let request = to_proto(Signal::Logs, nested(*depth).as_bytes()).unwrap();
                assert!(check(Signal::Logs, request.clone()).is_ok());
                let back =
                    to_proto(Signal::Logs, written(Signal::Logs, &request).as_bytes()).unwrap();
                assert_eq!(
                    written(Signal::Logs, &back),
                    written(Signal::Logs, &request)
                );
            })
            .last();
        assert!(deepest >= Some(29), "{deepest:?}");
        let error = error(Signal::Logs, &nested(100_000));
        assert!(
            error.starts_with("values are nested too deep, flatten them at line"),
            "{error}"
        );
    }
    // What is passed over is bounded as well.
    let unknown = format!(
        r#"{{"unknown":{}{}}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let _ = to_proto(Signal::Logs, unknown.as_bytes());
}
