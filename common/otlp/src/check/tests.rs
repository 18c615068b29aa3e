//! Each fault by name and place, and the edges that random requests hardly reach.

use super::{CheckError, check, count};
use crate::Signal;
use crate::wire::{put_field, put_varint};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use proptest::prelude::*;
use prost::Message as _;

fn field(number: u32, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_field(&mut out, number, content);
    out
}

fn key(number: u32, wire: u8) -> Vec<u8> {
    let mut out = Vec::new();
    put_varint(&mut out, u64::from(number) << 3 | u64::from(wire));
    out
}

/// A request with one span of the given encoding.
fn with_span(span: &[u8]) -> Vec<u8> {
    field(1, &field(2, &field(2, span)))
}

fn refused(body: &[u8]) -> CheckError {
    assert!(ExportTraceServiceRequest::decode(body).is_err());
    check(Signal::Traces, body.to_vec().into()).unwrap_err()
}

#[test]
fn a_fault_is_named_with_its_place_and_message() {
    // A span starts at byte 6 of these requests.
    let cases: [(&[u8], &str, usize, &str); 9] = [
        (&[0x0a, 0x05, 0x00], "length", 6, "Span"),
        (&[0x1a, 0x00, 0x08, 0x00], "wire_type", 8, "Span"),
        (&[0x0f], "wire_type", 6, "Span"),
        (&[0x00, 0x00], "key", 6, "Span"),
        (&[0x30, 0x80], "truncated", 6, "Span"),
        (&[0x39, 0x00], "truncated", 6, "Span"),
        (
            &[
                0x30, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02,
            ],
            "varint",
            6,
            "Span",
        ),
        (&[0xa4, 0x06], "group", 6, "Span"),
        (&[0x7a, 0x02, 0x12, 0x05], "length", 8, "Status"),
    ];
    for (span, reason, offset, message) in cases {
        let error = refused(&with_span(span));
        let found = (error.reason, error.offset, error.message);
        assert_eq!(found, (reason, offset, message), "{error}");
    }
}

#[test]
fn a_fault_reads_as_a_sentence() {
    let error = refused(&with_span(&[0x0a, 0x05, 0x00]));
    assert_eq!(
        error.to_string(),
        "length reaches beyond the enclosing message in field 1 at byte 6 in Span"
    );
    let error = refused(&with_span(&[0x08, 0x00]));
    assert_eq!(
        error.to_string(),
        "wrong wire type 0 for field 1 at byte 6 in Span"
    );
}

#[test]
fn keys_beyond_32_bits_are_refused() {
    let mut body = Vec::new();
    put_varint(&mut body, 1 << 32 | 0x0a);
    body.push(0);
    assert_eq!(refused(&body).reason, "key");
}

#[test]
fn groups_must_end_with_their_own_number() {
    let group = |end: u32| [key(100, 3), key(101, 0), vec![7], key(end, 4)].concat();
    assert!(check(Signal::Traces, group(100).into()).is_ok());
    assert_eq!(refused(&group(101)).reason, "group");
    assert_eq!(refused(&group(100)[..4]).reason, "truncated");
}

/// A log record whose body nests `levels` arrays, with `inside` in the innermost value.
fn nested(levels: usize, inside: &[u8]) -> Vec<u8> {
    let mut value = inside.to_vec();
    for _ in 0..levels {
        value = field(5, &field(1, &value));
    }
    field(1, &field(2, &field(2, &field(5, &value))))
}

#[test]
fn nesting_is_allowed_exactly_as_deep_as_prost_allows() {
    let attribute = [field(1, b"key"), field(2, &field(1, b"text"))].concat();
    let insides: [Vec<u8>; 5] = [
        field(6, &field(1, &attribute)),
        vec![0x10, 0x01],
        field(100, b"unknown"),
        [key(100, 3), key(100, 4)].concat(),
        field(5, &[]),
    ];
    let mut refusals = 0;
    for inside in &insides {
        for levels in 40..60 {
            let body = nested(levels, inside);
            let theirs = ExportLogsServiceRequest::decode(&*body);
            let ours = check(Signal::Logs, body.into());
            assert_eq!(
                ours.is_ok(),
                theirs.is_ok(),
                "{levels} levels with {inside:?}"
            );
            if let Err(error) = ours {
                assert_eq!(error.reason, "depth");
                refusals += 1;
            }
        }
    }
    assert!(refusals > 20);
}

/// The plain attribute that most are, with each byte of it replaced by each other byte: what is nearly one is walked as prost
/// decodes it.
#[test]
fn nearly_plain_attributes_are_taken_as_prost_takes_them() {
    let plain = [field(1, b"key"), field(2, &field(1, b"text"))].concat();
    let mut repaired = 0;
    for (place, byte) in (0..plain.len()).flat_map(|place| (0..=255).map(move |byte| (place, byte)))
    {
        let mut attribute = plain.clone();
        attribute[place] = byte;
        let body = with_span(&field(9, &attribute));
        let theirs = ExportTraceServiceRequest::decode(&*body);
        let ours = check(Signal::Traces, body.clone().into());
        match &theirs {
            Ok(_) => assert_eq!(ours.unwrap().body, body, "{attribute:?}"),
            Err(_) => {
                let Ok(ours) = ours else { continue };
                assert_eq!(ours.repaired, 1, "{attribute:?}");
                assert!(
                    ExportTraceServiceRequest::decode(ours.body).is_ok(),
                    "{attribute:?}"
                );
                repaired += 1;
            }
        }
    }
    assert_eq!(repaired, (b"key".len() + b"text".len()) * 128);
}

#[test]
fn groups_nest_exactly_as_deep_as_prost_allows() {
    for levels in 90..110 {
        let body = [key(100, 3).repeat(levels), key(100, 4).repeat(levels)].concat();
        let theirs = ExportTraceServiceRequest::decode(&*body);
        assert_eq!(
            check(Signal::Traces, body.into()).is_ok(),
            theirs.is_ok(),
            "{levels} levels"
        );
    }
}

#[test]
fn of_several_kinds_of_data_in_a_metric_the_last_counts() {
    let point = field(1, &[]);
    let gauge = field(5, &point.repeat(2));
    let sum = field(7, &point.repeat(3));
    let counted = |metric: &[&[u8]]| {
        let body = field(1, &field(2, &field(2, &metric.concat())));
        let items = check(Signal::Metrics, body.clone().into()).unwrap().items;
        assert_eq!(count(Signal::Metrics, &body), items);
        items
    };
    assert_eq!(counted(&[&gauge, &sum]), 3);
    assert_eq!(counted(&[&gauge, &gauge]), 4);
    assert_eq!(counted(&[&gauge, &sum, &gauge]), 2);
    assert_eq!(counted(&[&gauge, &field(7, &[])]), 0);
}

#[test]
fn an_empty_request_is_valid() {
    let checked = check(Signal::Logs, bytes::Bytes::new()).unwrap();
    assert_eq!((checked.items, checked.repaired), (0, 0));
}

proptest! {
    #[test]
    fn text_that_is_not_utf8_is_repaired_as_from_utf8_lossy_does(
        severity in prop::collection::vec(any::<u8>(), 0..200),
        text in prop::collection::vec(prop_oneof![Just(b'a'), any::<u8>()], 0..200),
        trailing in prop::collection::vec(any::<u8>(), 0..8),
    ) {
        let record = [
            field(3, &severity),
            field(5, &field(1, &text)),
            field(9, &trailing),
            field(100, &trailing),
        ]
        .concat();
        let body = field(1, &field(2, &field(2, &record)));
        let checked = check(Signal::Logs, body.into()).unwrap();
        let bad = [&severity, &text].into_iter().filter(|t| std::str::from_utf8(t).is_err()).count();
        prop_assert_eq!(checked.repaired, bad);

        let decoded = ExportLogsServiceRequest::decode(checked.body.clone()).unwrap();
        let record = &decoded.resource_logs[0].scope_logs[0].log_records[0];
        prop_assert_eq!(&record.severity_text, &String::from_utf8_lossy(&severity));
        let value = record.body.as_ref().and_then(|body| body.value.clone());
        prop_assert_eq!(value, Some(Value::StringValue(String::from_utf8_lossy(&text).into_owned())));
        prop_assert_eq!(&record.trace_id, &trailing);
        let again = check(Signal::Logs, checked.body).unwrap();
        prop_assert_eq!(again.repaired, 0);
    }
}
