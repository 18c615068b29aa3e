//! One walk over a request: is it valid, how many items does it hold.
//!
//! *Invariant:* accepts exactly what `prost` decodes into the generated OTLP types, and counts what `prost` would
//! hold afterwards; only text that is not UTF-8 is repaired where `prost` refuses. So a checked request can be joined
//! to others without poisoning them, and every receiver behind us that decodes with a usual library takes it.
//!
//! Meaning is not checked: ids of odd lengths, ends before starts and unknown enum numbers are the sender's affair.

mod repair;

#[cfg(test)]
mod tests;

use crate::Signal;
use crate::annotate::attribute;
use crate::schema::{self, Field, Kind, Label, Message, Role};
use crate::wire::{self, Fault, Fields, wire_type};
use bytes::Bytes;
use std::ops::Range;

/// A request that has been walked: valid OTLP of its signal, with its count.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The request; the same bytes as came in unless a string had to be repaired.
    pub body: Bytes,
    /// Spans, data points or log records in it.
    pub items: usize,
    /// Strings whose invalid UTF-8 was replaced by U+FFFD.
    pub repaired: usize,
}

/// Why a request cannot be taken. Names the place so that a sender can find the fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault} at byte {offset} in {message}")]
pub struct CheckError {
    /// What is wrong, in words (`value ends early in field 3`, `wrong wire type 0 for field 3`, ...).
    pub fault: String,
    /// A closed label for counters: `truncated`, `varint`, `key`, `wire_type`, `length`, `group`, `depth`.
    pub reason: &'static str,
    /// Byte offset of the faulty field in the request.
    pub offset: usize,
    /// Name of the innermost known message, such as `Span`.
    pub message: &'static str,
}

/// Walks a request once.
///
/// # Errors
///
/// The first fault on the wire, when `prost` would not decode the request.
pub fn check(signal: Signal, body: Bytes) -> Result<Checked, CheckError> {
    let message = schema::request(signal);
    let mut walk = Walk {
        bytes: &body,
        repaired: 0,
    };
    let items = walk
        .message(message, 0..body.len(), wire::DEPTH)
        .map_err(|error| *error)?;
    let repaired = walk.repaired;
    let body = if repaired == 0 {
        body
    } else {
        repair::repair(message, &body)
    };
    Ok(Checked {
        body,
        items,
        repaired,
    })
}

/// Items of a request that is known to be valid. Looks only at what leads to the items, so it is far cheaper than
/// [`check`].
#[must_use]
pub fn count(signal: Signal, body: &[u8]) -> usize {
    count_in(schema::request(signal), body, 0..body.len())
}

/// Items of the valid message that fills `range`.
pub(crate) fn count_in(message: &'static Message, bytes: &[u8], range: Range<usize>) -> usize {
    let mut tally = Tally::default();
    for raw in Fields::new(bytes, range) {
        let Some(field) = message.field(raw.number) else {
            continue;
        };
        match (field.role, field.kind) {
            (Role::Item, _) => tally.add(field, 0),
            (Role::Container, Kind::Message(inner)) => {
                tally.add(field, count_in(inner, bytes, raw.inner()));
            }
            _ => {}
        }
    }
    tally.items
}

/// Items of one message while its fields go by.
#[derive(Default)]
struct Tally {
    items: usize,
    member: u32,
}

impl Tally {
    /// Counts a nested message that itself holds `inside` items.
    #[inline(always)]
    fn add(&mut self, field: &Field, inside: usize) {
        match field.role {
            Role::Aside => {}
            Role::Item => self.items += 1,
            Role::Container => {
                // Another member of a oneof takes the place of the one before; the same member again is merged.
                if matches!(field.label, Label::Oneof(_)) && self.member != field.number {
                    self.member = field.number;
                    self.items = 0;
                }
                self.items += inside;
            }
        }
    }
}

struct Walk<'a> {
    bytes: &'a [u8],
    repaired: usize,
}

/// The error is boxed so that the result of the hot path fits registers.
type Walked<T> = Result<T, Box<CheckError>>;

impl Walk<'_> {
    /// Walks the message that fills `range` and gives the items in it. `depth` is how many more levels may open.
    fn message(
        &mut self,
        message: &'static Message,
        range: Range<usize>,
        depth: u32,
    ) -> Walked<usize> {
        let bytes = &self.bytes[..range.end];
        let mut tally = Tally::default();
        let mut at = range.start;
        while at < bytes.len() {
            let start = at;
            let (number, wire, value) = match wire::key(bytes, at) {
                Ok(key) => key,
                Err(fault) => return Err(error(fault, message, 0, start)),
            };
            let walked = match message.field(number) {
                None => wire::skip(bytes, value, number, wire, depth),
                Some(field) => match field.kind {
                    Kind::Message(_) | Kind::String | Kind::Bytes | Kind::HexId
                        if wire != wire_type::LENGTH =>
                    {
                        return Err(wrong_wire_type(message, number, wire, start));
                    }
                    Kind::Message(inner) => match wire::length(bytes, value) {
                        Ok(_) if depth == 0 => Err(Fault::Depth),
                        Ok(content)
                            if depth > 1
                                && inner.is_attribute
                                && is_plain_attribute(&bytes[content.clone()]) =>
                        {
                            Ok(content.end)
                        }
                        Ok(content) => {
                            let end = content.end;
                            tally.add(field, self.message(inner, content, depth - 1)?);
                            Ok(end)
                        }
                        Err(fault) => Err(fault),
                    },
                    Kind::String => wire::length(bytes, value).map(|content| {
                        let end = content.end;
                        self.repaired += usize::from(!is_utf8(&bytes[content]));
                        end
                    }),
                    Kind::Bytes | Kind::HexId => wire::length(bytes, value).map(|c| c.end),
                    kind if wire == kind_wire_type(kind) => scalar(bytes, value, wire),
                    kind if wire == wire_type::LENGTH && field.is_packable() => {
                        packed(bytes, value, kind_wire_type(kind))
                    }
                    _ => return Err(wrong_wire_type(message, number, wire, start)),
                },
            };
            at = match walked {
                Ok(end) => end,
                Err(fault) => return Err(error(fault, message, number, start)),
            };
        }
        Ok(tally.items)
    }
}

/// Whether a KeyValue is a short key and a short text, all of it ASCII. Keys and lengths of such fields are ASCII themselves,
/// so one test is enough for all of it.
#[inline(always)]
fn is_plain_attribute(content: &[u8]) -> bool {
    attribute::plain(content).is_some() && content.is_ascii()
}

/// Most text in telemetry is short ASCII, for which this is quicker than the general test alone.
#[inline(always)]
fn is_utf8(text: &[u8]) -> bool {
    text.is_ascii() || std::str::from_utf8(text).is_ok()
}

/// The wire type of one value of this kind.
#[inline(always)]
const fn kind_wire_type(kind: Kind) -> u8 {
    match kind {
        Kind::Message(_) | Kind::String | Kind::Bytes | Kind::HexId => wire_type::LENGTH,
        Kind::Fixed64 | Kind::Sfixed64 | Kind::Double => wire_type::FIXED64,
        Kind::Fixed32 => wire_type::FIXED32,
        Kind::Bool
        | Kind::Int32
        | Kind::Uint32
        | Kind::Sint32
        | Kind::Int64
        | Kind::Uint64
        | Kind::Enum(_) => wire_type::VARINT,
    }
}

/// The place behind one number.
#[inline(always)]
fn scalar(bytes: &[u8], at: usize, wire: u8) -> Result<usize, Fault> {
    match wire {
        wire_type::VARINT => wire::varint(bytes, at).map(|(_, end)| end),
        wire_type::FIXED64 => wire::fixed(bytes, at, 8),
        _ => wire::fixed(bytes, at, 4),
    }
}

/// The place behind packed numbers.
fn packed(bytes: &[u8], at: usize, wire: u8) -> Result<usize, Fault> {
    let content = wire::length(bytes, at)?;
    let bytes = &bytes[..content.end];
    let mut at = content.start;
    while at < bytes.len() {
        at = scalar(bytes, at, wire)?;
    }
    Ok(at)
}

#[cold]
fn wrong_wire_type(
    message: &'static Message,
    number: u32,
    wire: u8,
    offset: usize,
) -> Box<CheckError> {
    Box::new(CheckError {
        fault: format!("wrong wire type {wire} for field {number}"),
        reason: "wire_type",
        offset,
        message: message.name,
    })
}

#[cold]
fn error(fault: Fault, message: &'static Message, number: u32, offset: usize) -> Box<CheckError> {
    let (reason, words) = match fault {
        Fault::Truncated => ("truncated", "value ends early"),
        Fault::Varint => ("varint", "varint is longer than 64 bits"),
        Fault::Key => ("key", "key has no valid field number"),
        Fault::WireType => ("wire_type", "key has no valid wire type"),
        Fault::Length => ("length", "length reaches beyond the enclosing message"),
        Fault::Group => (
            "group",
            "group ends without its start or with another number",
        ),
        Fault::Depth => ("depth", "messages nest too deep"),
    };
    let fault = if number == 0 {
        words.to_owned()
    } else {
        format!("{words} in field {number}")
    };
    Box::new(CheckError {
        fault,
        reason,
        offset,
        message: message.name,
    })
}
