//! What is written is read as what it was.

use super::arbitrary::requests;
use super::*;
use crate::check::check;
use crate::schema::{Kind, Label};
use crate::wire::{self, put_field};
use proptest::prelude::*;
use std::fs;
use std::path::Path;

/// The request with what its JSON form always or never has: single messages, and ids of zeros.
fn filled(message: &'static schema::Message, request: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for field in message.fields {
        if let (Kind::Message(_), Label::Optional) = (field.kind, field.label) {
            put_field(&mut out, field.number, &[]);
        }
    }
    for field in wire::Fields::of(request) {
        let content = &request[field.inner()];
        match message.field(field.number).map(|field| field.kind) {
            Some(Kind::Message(inner)) => {
                put_field(&mut out, field.number, &filled(inner, content));
            }
            Some(Kind::HexId) if content.iter().all(|byte| *byte == 0) => {
                put_field(&mut out, field.number, &[]);
            }
            _ => out.extend_from_slice(&request[field.whole()]),
        }
    }
    out
}

fn comparable(signal: Signal, request: &[u8]) -> Vec<u8> {
    canonical(signal, &filled(schema::request(signal), request)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn json_of_a_request_is_the_request((signal, request) in requests()) {
        let json = written(signal, &request);
        let back = to_proto(signal, json.as_bytes()).unwrap();
        prop_assert_eq!(comparable(signal, &back), comparable(signal, &request));
    }

    #[test]
    fn json_is_one_line_and_the_same_when_written_again((signal, request) in requests()) {
        let json = written(signal, &request);
        prop_assert!(!json.contains('\n'));
        let back = to_proto(signal, json.as_bytes()).unwrap();
        prop_assert_eq!(written(signal, &back), json);
    }

    #[test]
    fn damaged_json_gives_an_error_or_a_valid_request(
        (signal, request) in requests(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut json = written(signal, &request).into_bytes();
        for (place, byte) in damage {
            let place = place.index(json.len());
            // Half of the time a byte that means something to JSON.
            json[place] = *br#"{}[]":,0-e.n\"#.get(usize::from(byte)).unwrap_or(&byte);
        }
        if let Ok(request) = to_proto(signal, &json) {
            prop_assert!(canonical(signal, &request).is_ok());
            prop_assert!(check(signal, request).is_ok());
        }
    }

    #[test]
    fn any_bytes_give_some_json(
        (signal, mut request) in requests(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        for (place, byte) in damage {
            if !request.is_empty() {
                let place = place.index(request.len());
                request[place] = byte;
            }
        }
        let json = written(signal, &request);
        prop_assert!(serde_json::from_str::<serde::de::IgnoredAny>(&json).is_ok(), "{}", json);
    }
}

fn captures() -> Vec<(String, Signal, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/otlp");
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let signal = Signal::ALL
            .into_iter()
            .find(|signal| name.contains(signal.name()));
        if let (true, Some(signal)) = (name.ends_with(".pb"), signal) {
            found.push((name, signal, fs::read(path).unwrap()));
        }
    }
    assert!(!found.is_empty());
    found
}

#[test]
fn captured_requests_come_back_as_they_were() {
    for (name, signal, request) in captures() {
        let checked = check(signal, Bytes::from(request)).unwrap().body;
        let json = written(signal, &checked);
        let back = to_proto(signal, json.as_bytes()).unwrap();
        assert_eq!(
            comparable(signal, &back),
            comparable(signal, &checked),
            "{name}"
        );
    }
}

/// The generated types have a JSON form of their own, by another hand.
#[test]
fn captured_requests_read_the_same_to_others() {
    for (name, signal, request) in captures() {
        let checked = check(signal, Bytes::from(request)).unwrap().body;
        let json = written(signal, &checked);
        let theirs = match signal {
            Signal::Traces => serde_json::from_str::<ExportTraceServiceRequest>(&json)
                .unwrap()
                .encode_to_vec(),
            Signal::Metrics => serde_json::from_str::<ExportMetricsServiceRequest>(&json)
                .unwrap()
                .encode_to_vec(),
            Signal::Logs => serde_json::from_str::<ExportLogsServiceRequest>(&json)
                .unwrap()
                .encode_to_vec(),
        };
        assert_eq!(
            comparable(signal, &theirs),
            comparable(signal, &checked),
            "{name}"
        );
    }
}

#[test]
fn captured_requests_are_read_as_others_write_them() {
    for (name, signal, request) in captures() {
        let checked = check(signal, Bytes::from(request)).unwrap().body;
        let json = match signal {
            Signal::Traces => {
                serde_json::to_vec(&ExportTraceServiceRequest::decode(&checked[..]).unwrap())
            }
            Signal::Metrics => {
                serde_json::to_vec(&ExportMetricsServiceRequest::decode(&checked[..]).unwrap())
            }
            Signal::Logs => {
                serde_json::to_vec(&ExportLogsServiceRequest::decode(&checked[..]).unwrap())
            }
        };
        let back = to_proto(signal, &json.unwrap()).unwrap();
        assert_eq!(
            comparable(signal, &back),
            comparable(signal, &checked),
            "{name}"
        );
    }
}
