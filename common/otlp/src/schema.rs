//! The table of OTLP messages that drives the walk, the cuts and the JSON mapping.
//!
//! Every message that an export request of any signal can reach, with all its fields. The table follows
//! opentelemetry-proto 1.x as the `opentelemetry-proto` crate generates it; a test compares it to that crate's
//! descriptors, so an upgrade that brings a field turns red until the table has it.
//!
//! *Invariant:* knows what fields are called and how they are encoded, never what they mean. The one exception is
//! [`Role`]: which fields lead from the request down to its items.

mod common;
mod logs;
mod metrics;
mod trace;

#[cfg(test)]
mod tests;

use crate::Signal;
use std::fmt;

/// Field numbers below this are found by index. No OTLP message has a larger one (a test says so).
const SLOTS: usize = 17;

/// One message type.
pub struct Message {
    /// The message's own name, nested ones with their parent's in front: `Span`, `SpanEvent`.
    pub name: &'static str,
    /// All fields, by ascending number.
    pub fields: &'static [Field],
    by_number: [Option<&'static Field>; SLOTS],
    /// KeyValue, of which most messages consist.
    pub(crate) is_attribute: bool,
}

/// One field of a message.
#[derive(Debug)]
pub struct Field {
    /// Number on the wire.
    pub number: u32,
    /// Name in the proto file: `trace_id`. JSON readers must take this one too.
    pub name: &'static str,
    /// Name in JSON: `traceId`.
    pub json: &'static str,
    /// How its value is encoded.
    pub kind: Kind,
    /// How often it may occur.
    pub label: Label,
    /// Where it lies on the way from the request to its items.
    pub role: Role,
}

/// How a field's value is encoded.
#[derive(Clone, Copy)]
pub enum Kind {
    /// A nested message.
    Message(&'static Message),
    /// UTF-8 text.
    String,
    /// Opaque bytes; base64 in JSON.
    Bytes,
    /// A trace or span id: bytes on the wire, hexadecimal in JSON.
    HexId,
    /// Varint, 0 or 1.
    Bool,
    /// Varint, sign-extended to 64 bits.
    Int32,
    /// Varint.
    Uint32,
    /// Varint, zigzag.
    Sint32,
    /// Varint; a string in JSON.
    Int64,
    /// Varint; a string in JSON.
    Uint64,
    /// Four bytes, little endian.
    Fixed32,
    /// Eight bytes, little endian; a string in JSON.
    Fixed64,
    /// Eight bytes, little endian, signed; a string in JSON.
    Sfixed64,
    /// Eight bytes, IEEE 754.
    Double,
    /// Varint as [`Kind::Int32`]; the names by number. Numbers without a name are valid.
    Enum(&'static [&'static str]),
}

/// How often a field may occur and how its absence shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Label {
    /// At most once; absent means the default value.
    Singular,
    /// At most once; absent differs from the default value (`optional` scalars and all single messages).
    Optional,
    /// Any number of times; numbers may be packed.
    Repeated,
    /// One of the fields that share this group name; the last one on the wire wins.
    Oneof(&'static str),
}

/// Where a field lies on the way from the request to its items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Not on the way: a Resource, a name, the attributes of a span.
    Aside,
    /// A message that holds items further down: ResourceSpans, ScopeSpans, Metric, Gauge.
    Container,
    /// An item: a Span, a data point, a LogRecord.
    Item,
}

impl Message {
    const fn new(name: &'static str, fields: &'static [Field]) -> Self {
        let mut by_number = [None; SLOTS];
        let mut i = 0;
        while i < fields.len() {
            by_number[fields[i].number as usize] = Some(&fields[i]);
            i += 1;
        }
        Self {
            name,
            fields,
            by_number,
            is_attribute: false,
        }
    }

    const fn attribute(mut self) -> Self {
        self.is_attribute = true;
        self
    }

    /// The field with this number.
    #[inline]
    #[must_use]
    pub fn field(&self, number: u32) -> Option<&'static Field> {
        self.by_number.get(number as usize).copied().flatten()
    }

    /// The field that JSON calls by this name, in lowerCamelCase or as in the proto file.
    #[must_use]
    pub fn field_by_json(&self, name: &str) -> Option<&'static Field> {
        self.fields
            .iter()
            .find(|field| field.json == name || field.name == name)
    }
}

impl fmt::Debug for Message {
    /// Only the name: messages refer to each other in circles.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl Field {
    const fn new(
        number: u32,
        name: &'static str,
        json: &'static str,
        kind: Kind,
        label: Label,
    ) -> Self {
        Self {
            number,
            name,
            json,
            kind,
            label,
            role: Role::Aside,
        }
    }

    const fn container(mut self) -> Self {
        self.role = Role::Container;
        self
    }

    const fn item(mut self) -> Self {
        self.role = Role::Item;
        self
    }

    /// Whether the field may be packed: repeated numbers.
    #[must_use]
    pub fn is_packable(&self) -> bool {
        self.label == Label::Repeated
            && !matches!(
                self.kind,
                Kind::Message(_) | Kind::String | Kind::Bytes | Kind::HexId
            )
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Message(message) => message.name,
            Self::String => "string",
            Self::Bytes | Self::HexId => "bytes",
            Self::Bool => "bool",
            Self::Int32 => "int32",
            Self::Uint32 => "uint32",
            Self::Sint32 => "sint32",
            Self::Int64 => "int64",
            Self::Uint64 => "uint64",
            Self::Fixed32 => "fixed32",
            Self::Fixed64 => "fixed64",
            Self::Sfixed64 => "sfixed64",
            Self::Double => "double",
            Self::Enum(_) => "enum",
        })
    }
}

/// The request message of a signal: where every walk starts.
#[must_use]
pub const fn request(signal: Signal) -> &'static Message {
    match signal {
        Signal::Traces => &trace::EXPORT_TRACE_SERVICE_REQUEST,
        Signal::Metrics => &metrics::EXPORT_METRICS_SERVICE_REQUEST,
        Signal::Logs => &logs::EXPORT_LOGS_SERVICE_REQUEST,
    }
}
