//! Requests made from choices: encodings that `prost` accepts but no usual encoder writes.
//!
//! Fields in any order and any number of times, oneofs with several members, packed and unpacked numbers, lengths and
//! keys longer than needed, unknown fields and groups, text that is not UTF-8. Choices that run out end the request, so
//! a shorter input makes a smaller request.

use penstock_otlp::Signal;
use penstock_otlp::schema::{self, Field, Kind, Message, Role};
use prost::encoding::encode_varint;

/// Names that laws look for come up often, and so does text that needs repair.
const TEXTS: [&[u8]; 8] = [
    b"",
    b"service.name",
    b"k8s.pod.ip",
    b"text",
    "\u{e9}\u{4e16}\u{1f600}".as_bytes(),
    b"a much longer text that needs more than one byte for the lengths around it, and then some more of it: \
      0123456789 0123456789 0123456789",
    b"not \xff utf-8",
    b"\xe4\xb8",
];

/// A request of `signal`; which one is up to `choices`.
pub fn request(signal: Signal, choices: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut choices = Choices { bytes: choices };
    while !choices.bytes.is_empty() {
        field(schema::request(signal), &mut choices, &mut out, 12);
    }
    out
}

struct Choices<'a> {
    bytes: &'a [u8],
}

impl Choices<'_> {
    /// A byte, or 0 when there are no more.
    fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.bytes.split_first() else {
            return 0;
        };
        self.bytes = rest;
        *first
    }

    fn number(&mut self) -> u64 {
        let width = self.next() % 9;
        (0..width).fold(0, |number, _| number << 8 | u64::from(self.next()))
    }
}

fn message(message: &'static Message, choices: &mut Choices<'_>, depth: u32) -> Vec<u8> {
    let mut out = Vec::new();
    if depth > 0 {
        for _ in 0..choices.next() % 6 {
            field(message, choices, &mut out, depth - 1);
        }
    }
    out
}

fn field(message: &'static Message, choices: &mut Choices<'_>, out: &mut Vec<u8>, depth: u32) {
    let choice = choices.next();
    if choice >= 248 {
        return unknown(choices, out, depth);
    }
    let way: Vec<&Field> = message
        .fields
        .iter()
        .filter(|f| f.role != Role::Aside)
        .collect();
    // The way to the items more often than chance would have it, or requests would hardly hold any.
    let field = if choice % 2 == 1 && !way.is_empty() {
        way[usize::from(choice / 2) % way.len()]
    } else {
        &message.fields[usize::from(choice / 2) % message.fields.len()]
    };
    let mut value = Vec::new();
    match field.kind {
        Kind::Message(inner) => {
            let inside = self::message(inner, choices, depth);
            return delimited(field.number, &inside, choices, out);
        }
        Kind::String => {
            let choice = choices.next();
            // Mostly valid: one bad text is enough to make `prost` refuse the whole.
            let texts = if choice > 240 {
                &TEXTS[..]
            } else {
                &TEXTS[..6]
            };
            return delimited(
                field.number,
                texts[usize::from(choice) % texts.len()],
                choices,
                out,
            );
        }
        Kind::Bytes | Kind::HexId => {
            for _ in 0..choices.next() % 20 {
                value.push(choices.next());
            }
            return delimited(field.number, &value, choices, out);
        }
        _ => {}
    }
    if field.is_packable() && choices.next().is_multiple_of(2) {
        for _ in 0..choices.next() % 5 {
            scalar(field.kind, choices, &mut value);
        }
        return delimited(field.number, &value, choices, out);
    }
    let wire = scalar(field.kind, choices, &mut value);
    encode_varint(u64::from(field.number << 3 | wire), out);
    out.extend_from_slice(&value);
}

/// Appends a number and gives its wire type.
fn scalar(kind: Kind, choices: &mut Choices<'_>, out: &mut Vec<u8>) -> u32 {
    let number = choices.number();
    match kind {
        Kind::Fixed32 => {
            out.extend_from_slice(&(number as u32).to_le_bytes());
            5
        }
        Kind::Fixed64 | Kind::Sfixed64 | Kind::Double => {
            out.extend_from_slice(&number.to_le_bytes());
            1
        }
        _ => {
            long_varint(number, choices.next(), out);
            0
        }
    }
}

fn delimited(number: u32, content: &[u8], choices: &mut Choices<'_>, out: &mut Vec<u8>) {
    let choice = choices.next();
    long_varint(u64::from(number << 3 | 2), choice / 16, out);
    long_varint(content.len() as u64, choice % 16, out);
    out.extend_from_slice(content);
}

/// A varint, now and then with bytes that it could do without.
fn long_varint(value: u64, choice: u8, out: &mut Vec<u8>) {
    let start = out.len();
    encode_varint(value, out);
    let room = 10 - (out.len() - start);
    let extra = if choice % 16 == 15 { room.min(2) } else { 0 };
    for _ in 0..extra {
        if let Some(last) = out.last_mut() {
            *last |= 0x80;
        }
        out.push(0);
    }
}

fn unknown(choices: &mut Choices<'_>, out: &mut Vec<u8>, depth: u32) {
    let number = 100 + u64::from(choices.next());
    match choices.next() % 5 {
        0 => {
            encode_varint(number << 3, out);
            encode_varint(choices.number(), out);
        }
        1 => {
            encode_varint(number << 3 | 1, out);
            out.extend_from_slice(&choices.number().to_le_bytes());
        }
        2 => {
            encode_varint(number << 3 | 2, out);
            encode_varint(3, out);
            out.extend_from_slice(b"abc");
        }
        3 if depth > 0 => {
            encode_varint(number << 3 | 3, out);
            for _ in 0..choices.next() % 3 {
                unknown(choices, out, depth - 1);
            }
            encode_varint(number << 3 | 4, out);
        }
        _ => {
            encode_varint(number << 3 | 5, out);
            out.extend_from_slice(&[1, 2, 3, 4]);
        }
    }
}
