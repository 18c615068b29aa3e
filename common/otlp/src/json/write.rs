//! Protobuf to JSON, field by field in the table's order.
//!
//! *Invariant:* recursion is bounded by a number, not by the input alone; bytes that no check has seen
//! give some JSON, never a panic.

use super::scalar;
use super::value::{Packed, Value, Values};
use crate::schema::{Field, Kind, Label, Message};
use serde::Serialize;
use std::borrow::Cow;
use std::ops::Range;

/// More than any table has fields; a number beyond it would be passed over.
const SLOTS: usize = 32;
/// More than a checked request can be nested.
const DEEPEST: usize = 128;

/// Appends the JSON form of a message.
pub(super) fn write(message: &'static Message, bytes: &[u8], out: &mut Vec<u8>) {
    object(out, message, bytes, 0);
}

fn object(out: &mut Vec<u8>, message: &'static Message, bytes: &[u8], depth: usize) {
    out.push(b'{');
    if depth < DEEPEST {
        let runs = runs(message, bytes);
        for field in message.fields {
            let run = runs.get(field.number as usize).cloned().unwrap_or_default();
            let run = Run {
                number: field.number,
                values: Values::new(&bytes[run]),
            };
            if field.label == Label::Repeated {
                list(out, field, run, depth);
            } else {
                single(out, field, run, depth);
            }
        }
    }
    out.push(b'}');
}

/// For each field of the message, by number, where its first occurrence that counts starts and its
/// last one ends. Other fields may lie between them.
fn runs(message: &'static Message, bytes: &[u8]) -> [Range<usize>; SLOTS] {
    let mut runs = [const { 0..0 }; SLOTS];
    let mut values = Values::new(bytes);
    let mut start = 0;
    while let Ok(Some((number, _))) = values.next() {
        let end = values.offset();
        if let (Some(field), Some(run)) = (message.field(number), runs.get_mut(number as usize)) {
            *run = if run.end == 0 {
                start..end
            } else {
                run.start..end
            };
            if let Label::Oneof(_) = field.label {
                // The last one wins, and what an earlier member had is not merged with it.
                let others = message
                    .fields
                    .iter()
                    .filter(|other| other.label == field.label);
                for other in others.filter(|other| other.number != number) {
                    runs[other.number as usize] = 0..0;
                }
            }
        }
        start = end;
    }
    runs
}

/// The values of one field.
#[derive(Clone)]
struct Run<'a> {
    number: u32,
    values: Values<'a>,
}

impl<'a> Iterator for Run<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        while let Ok(Some((number, value))) = self.values.next() {
            if number == self.number {
                return Some(value);
            }
        }
        None
    }
}

fn name(out: &mut Vec<u8>, field: &Field) {
    if out.last() != Some(&b'{') {
        out.push(b',');
    }
    out.push(b'"');
    out.extend_from_slice(field.json.as_bytes());
    out.extend_from_slice(b"\":");
}

fn list(out: &mut Vec<u8>, field: &'static Field, run: Run<'_>, depth: usize) {
    let mut empty = true;
    let mut element = |found: Value<'_>| {
        if empty {
            name(out, field);
        }
        out.push(if empty { b'[' } else { b',' });
        empty = false;
        value(out, field.kind, found, depth);
    };
    for found in run {
        match found {
            Value::Bytes(packed) if field.is_packable() => {
                Packed::new(packed, scalar::wire_of(field.kind)).for_each(&mut element);
            }
            found => element(found),
        }
    }
    if !empty {
        out.push(b']');
    }
}

fn single(out: &mut Vec<u8>, field: &'static Field, mut run: Run<'_>, depth: usize) {
    if let Kind::Message(message) = field.kind {
        let first = run.next();
        if first.is_none() && field.label != Label::Optional {
            return;
        }
        name(out, field);
        object(out, message, &merged(first, run), depth + 1);
        return;
    }
    if let Some(found) = run.last()
        && !(field.label == Label::Singular && is_default(field.kind, found))
    {
        name(out, field);
        value(out, field.kind, found, depth);
    }
}

/// A message that occurs more than once is the concatenation of its parts.
fn merged<'a>(first: Option<Value<'a>>, rest: Run<'a>) -> Cow<'a, [u8]> {
    let mut whole = Cow::Borrowed(&[][..]);
    for (i, part) in first.into_iter().chain(rest).enumerate() {
        match part {
            Value::Bytes(part) if i == 0 => whole = Cow::Borrowed(part),
            Value::Bytes(part) => whole.to_mut().extend_from_slice(part),
            _ => {}
        }
    }
    whole
}

fn is_default(kind: Kind, value: Value<'_>) -> bool {
    match value {
        Value::Varint(number)
            if matches!(
                kind,
                Kind::Int32 | Kind::Uint32 | Kind::Sint32 | Kind::Enum(_)
            ) =>
        {
            number as u32 == 0
        }
        Value::Varint(number) | Value::Fixed64(number) => number == 0,
        Value::Fixed32(number) => number == 0,
        // An id of zeros is OTLP's other way to have none.
        Value::Bytes(id) if matches!(kind, Kind::HexId) => id.iter().all(|byte| *byte == 0),
        Value::Bytes(bytes) => bytes.is_empty(),
    }
}

fn value(out: &mut Vec<u8>, kind: Kind, value: Value<'_>, depth: usize) {
    match (kind, value) {
        (Kind::Message(message), Value::Bytes(bytes)) => object(out, message, bytes, depth + 1),
        (Kind::String, Value::Bytes(text)) => json(out, &String::from_utf8_lossy(text)),
        (Kind::Bytes, Value::Bytes(bytes)) => quoted(out, |out| scalar::write_base64(out, bytes)),
        (Kind::HexId, Value::Bytes(id)) => quoted(out, |out| scalar::write_hex(out, id)),
        (Kind::Bool, Value::Varint(number)) => json(out, &(number != 0)),
        (Kind::Int32 | Kind::Enum(_), Value::Varint(number)) => json(out, &(number as i32)),
        (Kind::Uint32, Value::Varint(number)) => json(out, &(number as u32)),
        (Kind::Sint32, Value::Varint(number)) => {
            let number = number as u32;
            json(
                out,
                &((number >> 1).cast_signed() ^ -(number & 1).cast_signed()),
            );
        }
        (Kind::Fixed32, Value::Fixed32(number)) => json(out, &number),
        (Kind::Int64, Value::Varint(number)) | (Kind::Sfixed64, Value::Fixed64(number)) => {
            quoted(out, |out| json(out, &number.cast_signed()));
        }
        (Kind::Uint64, Value::Varint(number)) | (Kind::Fixed64, Value::Fixed64(number)) => {
            quoted(out, |out| json(out, &number));
        }
        (Kind::Double, Value::Fixed64(bits)) => scalar::write_double(out, f64::from_bits(bits)),
        // Only bytes that no check has seen get here.
        _ => out.extend_from_slice(b"null"),
    }
}

fn quoted(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}

fn json(out: &mut Vec<u8>, value: &impl Serialize) {
    #[expect(
        clippy::expect_used,
        reason = "numbers and strings have a JSON form, a Vec takes it"
    )]
    serde_json::to_writer(out, value).expect("a scalar as JSON");
}
