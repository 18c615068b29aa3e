//! Arbitrary requests on the wire, made from the table and a string of random bytes.
//!
//! They have what encoders may do and few do: fields in any order, single fields twice, members of a oneof side by
//! side, packed and unpacked lists, unknown fields and groups. They do not have NaN with a payload, which
//! JSON cannot tell from NaN.

use crate::Signal;
use crate::json::scalar::wire_of;
use crate::json::value::{begin_nested, end_nested, put_key};
use crate::schema::{Field, Kind, Label, Message, request};
use crate::wire::{put_field, put_varint, wire_type};
use proptest::prelude::*;

const DEEPEST: usize = 16;

/// A request of any signal; it shrinks as the random bytes do.
pub(super) fn requests() -> impl Strategy<Value = (Signal, Vec<u8>)> {
    let signal = prop::sample::select(Signal::ALL.to_vec());
    (signal, prop::collection::vec(any::<u8>(), 0..900)).prop_map(|(signal, random)| {
        let mut out = Vec::new();
        message(&mut out, request(signal), &mut Random(&random), 0);
        (signal, out)
    })
}

/// Random bytes, then zeros: choices made of zeros end every list.
struct Random<'a>(&'a [u8]);

impl Random<'_> {
    fn below(&mut self, limit: u8) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                first % limit
            }
            None => 0,
        }
    }

    fn bits(&mut self) -> u64 {
        (0..8).fold(0, |bits, _| bits << 8 | u64::from(self.below(255)))
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::from(self.below(from.len() as u8))]
    }
}

fn message(out: &mut Vec<u8>, message: &'static Message, random: &mut Random<'_>, depth: usize) {
    let passes = if depth > DEEPEST {
        0
    } else {
        1 + random.below(2)
    };
    for _ in 0..passes {
        for field in message.fields {
            // The way from the request to its items is taken more often.
            let chance = if depth < 4 { 2 } else { 4 };
            if random.below(chance) == 1 {
                occurrences(out, field, random, depth);
            }
        }
        if random.below(8) == 1 {
            // Unknown: a varint, and a group with a varint in it.
            out.extend_from_slice(&[0xa0, 0x06, 0x07, 0xab, 0x06, 0x08, 0x01, 0xac, 0x06]);
        }
    }
}

fn occurrences(out: &mut Vec<u8>, field: &Field, random: &mut Random<'_>, depth: usize) {
    let count = if field.label == Label::Repeated {
        random.below(4)
    } else {
        1
    };
    if field.is_packable() && random.below(2) == 1 {
        let start = begin_nested(out, field.number);
        (0..count).for_each(|_| number(out, field.kind, random));
        end_nested(out, start);
        return;
    }
    for _ in 0..count {
        match field.kind {
            Kind::Message(inner) => {
                let start = begin_nested(out, field.number);
                message(out, inner, random, depth + 1);
                end_nested(out, start);
            }
            Kind::String => {
                let texts = [
                    "a",
                    "",
                    "é\u{1f600}\u{fffd}",
                    "\"\\/\n\r\t\u{8}\u{c}\u{0}\u{7f}",
                    "</a>&\u{2028}",
                ];
                put_field(out, field.number, random.pick(&texts).as_bytes());
            }
            Kind::Bytes => {
                let bytes = random.bits().to_be_bytes();
                put_field(out, field.number, &bytes[..usize::from(random.below(9))]);
            }
            Kind::HexId => {
                let id = random.bits().to_be_bytes().repeat(2);
                put_field(out, field.number, &id[..random.pick(&[16, 8, 0])]);
            }
            kind => {
                put_key(out, field.number, wire_of(kind));
                number(out, kind, random);
            }
        }
    }
}

fn number(out: &mut Vec<u8>, kind: Kind, random: &mut Random<'_>) {
    let bits = match random.below(4) {
        0 => random.below(3).into(),
        1 => random.bits(),
        _ => random.pick(&[
            0x7f,
            0x80,
            u64::from(u32::MAX),
            1 << 31,
            (1 << 53) + 1,
            i64::MAX as u64,
            1 << 63,
            u64::MAX,
            i64::from(i32::MIN) as u64,
        ]),
    };
    match (kind, wire_of(kind)) {
        (Kind::Double, _) => {
            let double = match random.below(4) {
                0 => f64::from_bits(bits),
                1 => f64::from(random.below(100)) / 10.0,
                _ => random.pick(&[
                    0.0,
                    -0.0,
                    1.0,
                    1e21,
                    -1e-7,
                    123_456_789.125,
                    5e-324,
                    f64::MAX,
                    f64::NAN,
                    f64::INFINITY,
                    f64::NEG_INFINITY,
                ]),
            };
            let double = if double.is_nan() { f64::NAN } else { double };
            out.extend_from_slice(&double.to_le_bytes());
        }
        (_, wire_type::FIXED64) => out.extend_from_slice(&bits.to_le_bytes()),
        (_, wire_type::FIXED32) => out.extend_from_slice(&(bits as u32).to_le_bytes()),
        _ => put_varint(out, bits),
    }
}
