//! The laws of the wire code against `prost`, on made, mutated and captured requests.
//!
//! The laws themselves live beside the fuzz targets, which run them on what a fuzzer invents.

#![expect(
    clippy::unwrap_used,
    reason = "a test may end in a panic, its helpers too"
)]

#[cfg(test)]
#[path = "../../../fuzz/src/lib.rs"]
pub mod laws;

use bytes::Bytes;
use laws::request::{Request, Tree};
use penstock_otlp::Signal;
use penstock_otlp::check::check;
use penstock_otlp::join::join;
use penstock_otlp::schema::{self, Kind, Message};
use penstock_otlp::split::Limits;
use proptest::collection::vec;
use proptest::prelude::*;
use prost::encoding::{WireType, encode_key, encode_varint};
use std::fs;
use std::path::Path;

/// Choices for the maker of requests.
fn choices(most: usize) -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..most)
}

fn signal() -> impl Strategy<Value = Signal> {
    prop::sample::select(&Signal::ALL[..])
}

/// A valid request.
fn request(signal: Signal, choices: &[u8]) -> Bytes {
    check(signal, laws::make::request(signal, choices).into())
        .unwrap()
        .body
}

/// One change to the bytes of a request.
#[derive(Clone, Debug)]
enum Mutation {
    Truncate(prop::sample::Index),
    Flip(prop::sample::Index, u8),
    Splice(prop::sample::Index, Vec<u8>),
    Remove(prop::sample::Index, usize),
}

impl Mutation {
    fn any() -> impl Strategy<Value = Self> {
        let at = any::<prop::sample::Index>;
        prop_oneof![
            at().prop_map(Self::Truncate),
            (at(), any::<u8>()).prop_map(|(at, byte)| Self::Flip(at, byte)),
            (at(), vec(any::<u8>(), 1..12)).prop_map(|(at, bytes)| Self::Splice(at, bytes)),
            (at(), 1..8_usize).prop_map(|(at, width)| Self::Remove(at, width)),
        ]
    }

    fn apply(self, body: &mut Vec<u8>) {
        let length = body.len();
        match self {
            Self::Truncate(at) => body.truncate(at.index(length + 1)),
            Self::Flip(at, byte) if length > 0 => body[at.index(length)] ^= byte,
            Self::Flip(..) => {}
            Self::Splice(at, bytes) => {
                let at = at.index(length + 1);
                body.splice(at..at, bytes);
            }
            Self::Remove(at, width) => {
                let at = at.index(length + 1);
                body.drain(at..length.min(at + width));
            }
        }
    }
}

/// The input of a law: the byte that picks the signal, then what follows.
fn input(signal: Signal, rest: &[&[u8]]) -> Vec<u8> {
    let mut input = vec![signal.index() as u8];
    input.extend(rest.iter().copied().flatten());
    input
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn whatever_encoding_prost_accepts_is_accepted(signal in signal(), choices in choices(400)) {
        let body = laws::make::request(signal, &choices);
        prop_assert!(check(signal, body.clone().into()).is_ok());
        laws::check(&input(signal, &[&body]));
    }

    #[test]
    fn broken_requests_are_refused_as_prost_refuses(
        signal in signal(),
        choices in choices(120),
        mutations in vec(Mutation::any(), 1..4),
    ) {
        let mut body = laws::make::request(signal, &choices);
        for mutation in mutations {
            mutation.apply(&mut body);
        }
        laws::check(&input(signal, &[&body]));
    }

    #[test]
    fn any_bytes_are_taken_or_refused_as_prost_does(data in choices(60)) {
        laws::check(&data);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(700))]

    #[test]
    fn joining_is_appending(
        signal in signal(),
        parts in vec(choices(80), 0..5),
    ) {
        let parts: Vec<_> = parts.iter().map(|choices| request(signal, choices)).collect();
        let joined = join(&parts);
        let children = parts
            .iter()
            .flat_map(|part| Request::decode(signal, part).unwrap().tree().children)
            .collect();
        let tree = Request::decode(signal, &joined).unwrap().tree();
        prop_assert_eq!(tree, Tree { children, ..Tree::default() });
    }

    #[test]
    fn pieces_keep_the_limits_and_decode_to_the_whole(
        signal in signal(),
        choices in choices(500),
        items in prop_oneof![1..20_usize, Just(usize::MAX)],
        bytes in prop_oneof![0..400_usize, Just(usize::MAX)],
    ) {
        let body = request(signal, &choices);
        laws::split_keeps_the_law(signal, &body, Limits { items, bytes });
    }

    #[test]
    fn only_the_attributes_of_the_rule_change(
        signal in signal(),
        rule in any::<u8>(),
        choices in choices(300),
    ) {
        let body = request(signal, &choices);
        laws::annotate(&input(signal, &[&[rule], &body]));
    }

    #[test]
    fn json_comes_back_as_it_went(signal in signal(), choices in choices(200)) {
        let mut json = Vec::new();
        penstock_otlp::json::from_proto(signal, &request(signal, &choices), &mut json);
        laws::json(&input(signal, &[&json]));
    }

    #[test]
    fn any_bytes_decompress_or_are_refused(data in choices(200)) {
        laws::decompress(&data);
    }
}

/// All captured requests with their signals.
fn captured() -> Vec<(String, Signal, Bytes)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/otlp");
    let mut captured = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let signal = Signal::ALL
            .into_iter()
            .find(|signal| name.contains(&format!("-{signal}-")));
        let Some(signal) = signal.filter(|_| name.ends_with(".pb")) else {
            continue;
        };
        captured.push((name, signal, fs::read(&path).unwrap().into()));
    }
    assert!(captured.len() > 20);
    captured
}

#[test]
fn captured_requests_pass_unchanged_with_the_items_that_prost_counts() {
    for (name, signal, body) in captured() {
        let checked = check(signal, body.clone()).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(checked.repaired, 0, "{name}");
        assert!(checked.items > 0, "{name}");
        laws::check(&input(signal, &[&body]));
    }
}

#[test]
fn captured_requests_split_down_to_single_items() {
    for (_, signal, body) in captured() {
        let items = check(signal, body.clone()).unwrap().items;
        let single = Limits {
            items: 1,
            bytes: usize::MAX,
        };
        assert_eq!(
            laws::split_keeps_the_law(signal, &body, single).len(),
            items
        );
        for divisor in [2, 3, 7] {
            let by_items = Limits {
                items: items.div_ceil(divisor),
                bytes: usize::MAX,
            };
            laws::split_keeps_the_law(signal, &body, by_items);
            let by_bytes = Limits {
                items: usize::MAX,
                bytes: body.len().div_ceil(divisor),
            };
            laws::split_keeps_the_law(signal, &body, by_bytes);
        }
    }
}

#[test]
fn captured_requests_truncated_anywhere_are_refused_as_prost_refuses() {
    let smallest = captured().into_iter().min_by_key(|(_, _, body)| body.len());
    let (_, signal, body) = smallest.unwrap();
    for end in 0..body.len() {
        laws::check(&input(signal, &[&body[..end]]));
    }
}

/// Every message that a request reaches, with the field numbers that lead to it.
fn reachable(message: &'static Message, way: Vec<u32>, found: &mut Vec<(&'static str, Vec<u32>)>) {
    if found.iter().any(|(name, _)| *name == message.name) {
        return;
    }
    found.push((message.name, way.clone()));
    for field in message.fields {
        if let Kind::Message(inner) = field.kind {
            reachable(inner, [&way[..], &[field.number]].concat(), found);
        }
    }
}

/// `inside` as a message at the end of `way`.
fn wrapped(way: &[u32], inside: &[u8]) -> Vec<u8> {
    way.iter().rev().fold(inside.to_vec(), |content, number| {
        let mut out = Vec::new();
        encode_key(*number, WireType::LengthDelimited, &mut out);
        encode_varint(content.len() as u64, &mut out);
        out.extend_from_slice(&content);
        out
    })
}

#[test]
fn every_field_takes_the_wire_types_that_prost_takes() {
    // Contents that are a value of some wire types and cut short, or something else, for others.
    let contents: [&[u8]; 7] = [
        &[],
        &[1],
        &[8, 1, 1, 1, 1, 1, 1, 1],
        &[8, 1, 1, 1, 1, 1, 1, 1, 1],
        &[4, 1, 1, 1, 1],
        &[3, 0x80, 0x80, 0x01],
        &[2, 0x80, 0x80],
    ];
    for signal in Signal::ALL {
        let mut found = Vec::new();
        reachable(schema::request(signal), Vec::new(), &mut found);
        for (_, way) in found {
            for key in 0..20_u64 << 3 {
                for content in contents {
                    let mut field = Vec::new();
                    encode_varint(key, &mut field);
                    field.extend_from_slice(content);
                    laws::check(&input(signal, &[&wrapped(&way, &field)]));
                }
            }
        }
    }
}
