//! The Export response against the generated messages of each signal.
use super::*;
use opentelemetry_proto::tonic::collector::logs::v1 as logs;
use opentelemetry_proto::tonic::collector::metrics::v1 as metrics;
use opentelemetry_proto::tonic::collector::trace::v1 as trace;
use prost::Message;

fn partial(rejected: u64, message: &str) -> ExportResponse {
    ExportResponse {
        rejected,
        message: message.to_owned(),
    }
}

#[test]
fn all_signals_have_this_shape() {
    let bytes = partial(7, "no such tenant").encode();
    let error_message = "no such tenant".to_owned();
    let traces = trace::ExportTracePartialSuccess {
        rejected_spans: 7,
        error_message: error_message.clone(),
    };
    assert_eq!(
        trace::ExportTraceServiceResponse::decode(bytes.clone())
            .unwrap()
            .partial_success,
        Some(traces)
    );
    let points = metrics::ExportMetricsPartialSuccess {
        rejected_data_points: 7,
        error_message: error_message.clone(),
    };
    assert_eq!(
        metrics::ExportMetricsServiceResponse::decode(bytes.clone())
            .unwrap()
            .partial_success,
        Some(points)
    );
    let records = logs::ExportLogsPartialSuccess {
        rejected_log_records: 7,
        error_message,
    };
    assert_eq!(
        logs::ExportLogsServiceResponse::decode(bytes)
            .unwrap()
            .partial_success,
        Some(records)
    );
}

#[test]
fn a_full_success_is_empty() {
    let full = ExportResponse::default();
    assert!(full.encode().is_empty());
    assert_eq!(full.to_json(Signal::Traces), "{}");
    let explicit = trace::ExportTraceServiceResponse {
        partial_success: Some(Default::default()),
    };
    assert_eq!(
        ExportResponse::decode(&explicit.encode_to_vec()),
        Some(full.clone())
    );
    for json in [
        "",
        " ",
        "{}",
        r#"{"partialSuccess":{}}"#,
        r#"{"partialSuccess":null}"#,
    ] {
        assert_eq!(
            ExportResponse::from_json(json.as_bytes()),
            Some(full.clone()),
            "{json}"
        );
    }
}

#[test]
fn what_is_encoded_is_decoded() {
    for response in [
        partial(0, "slow down"),
        partial(3, ""),
        partial(i64::MAX as u64, "é \"q\""),
    ] {
        assert_eq!(
            ExportResponse::decode(&response.encode()),
            Some(response.clone())
        );
        for signal in Signal::ALL {
            let json = response.to_json(signal);
            assert_eq!(
                ExportResponse::from_json(json.as_bytes()),
                Some(response.clone())
            );
        }
    }
}

#[test]
fn a_count_beyond_the_field_never_reads_as_none() {
    let bytes = partial(u64::MAX, "").encode();
    assert_eq!(
        ExportResponse::decode(&bytes).unwrap().rejected,
        i64::MAX as u64
    );
}

#[test]
fn json_has_the_signals_own_name_of_the_count() {
    for (signal, name) in [
        (Signal::Traces, "rejectedSpans"),
        (Signal::Metrics, "rejectedDataPoints"),
        (Signal::Logs, "rejectedLogRecords"),
    ] {
        let json: serde_json::Value =
            serde_json::from_str(&partial(5, "m").to_json(signal)).unwrap();
        assert_eq!(
            json,
            json!({"partialSuccess": {name: "5", "errorMessage": "m"}})
        );
    }
}

#[test]
fn json_of_other_servers_is_read() {
    for (json, expected) in [
        (
            r#"{"partialSuccess":{"rejectedSpans":4}}"#,
            Some(partial(4, "")),
        ),
        (
            r#"{"partial_success":{"rejected_data_points":"4"}}"#,
            Some(partial(4, "")),
        ),
        (
            r#"{"partialSuccess":{"rejectedLogRecords":null,"errorMessage":"m"}}"#,
            { Some(partial(0, "m")) },
        ),
        (
            r#"{"partialSuccess":{"rejectedSpans":-1},"new":[1]}"#,
            Some(partial(0, "")),
        ),
        (r#"{"partialSuccess":{"rejectedSpans":"many"}}"#, None),
        (r#"{"partialSuccess":"#, None),
        ("<html>", None),
        ("[]", None),
    ] {
        assert_eq!(
            ExportResponse::from_json(json.as_bytes()),
            expected,
            "{json}"
        );
    }
}

#[test]
fn bytes_that_are_not_a_response_are_noticed() {
    let whole = partial(7, "no such tenant").encode();
    for cut in [1, 3, whole.len() - 1] {
        assert_eq!(ExportResponse::decode(&whole[..cut]), None, "cut at {cut}");
    }
    assert_eq!(ExportResponse::decode(b"\x0a\x02\x12\x05"), None);
    // Unknown fields and negative counts are no reason to refuse.
    let negative = [&[0x12, 1, b'x', 0x0a, 11, 8][..], &[0xff; 9], &[1]].concat();
    assert_eq!(
        ExportResponse::decode(&negative),
        Some(ExportResponse::default())
    );
}
