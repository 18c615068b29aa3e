//! JSON to protobuf in one pass of the parser.
//!
//! *Invariant:* what comes out is nested no deeper than 100 messages, protobuf's own limit. The parser stops at
//! 128 objects and lists, and OTLP has no way to nest four messages in fewer than five of them but the short one
//! from the request down to a value.

use super::JsonError;
use super::scalar::{self, Double, Whole};
use super::value::{begin_nested, end_nested, put_key};
use crate::schema::{Field, Kind, Label, Message};
use crate::wire::put_field;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use std::fmt::{self, Write};

/// Encodes the JSON form of `message` as protobuf.
pub(super) fn read(message: &'static Message, json: &[u8]) -> Result<Vec<u8>, JsonError> {
    let mut reader = Reader {
        out: Vec::with_capacity(json.len() / 2),
        path: Vec::new(),
    };
    let mut source = serde_json::Deserializer::from_slice(json);
    let object = Object {
        reader: &mut reader,
        message,
    };
    match object.deserialize(&mut source).and_then(|()| source.end()) {
        Ok(()) => Ok(reader.out),
        Err(error) => Err(reader.error(&error)),
    }
}

/// Where the pass is. An error leaves the path as it was when it came up.
struct Reader {
    out: Vec<u8>,
    path: Vec<Step>,
}

struct Step {
    field: &'static Field,
    index: Option<usize>,
}

impl Reader {
    fn error(&self, error: &serde_json::Error) -> JsonError {
        /// A value that a sender got wrong can be as long as the body.
        const LONGEST: usize = 300;
        let mut text = String::new();
        for (i, step) in self.path.iter().enumerate() {
            text.push_str(if i == 0 { "" } else { "." });
            text.push_str(step.field.json);
            if let Some(index) = step.index {
                let _ = write!(text, "[{index}]");
            }
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        let place = format!(" at line {} column {}", error.line(), error.column());
        let fault = error.to_string();
        let fault = fault.strip_suffix(&place).unwrap_or(&fault);
        if fault == "recursion limit exceeded" {
            // The path is too long to be of use.
            text = "values are nested too deep, flatten them".to_owned();
        } else if fault.len() > LONGEST {
            let start = fault.floor_char_boundary(LONGEST / 2);
            let end = fault.ceil_char_boundary(fault.len() - LONGEST / 2);
            let _ = write!(text, "{} ... {}", &fault[..start], &fault[end..]);
        } else {
            text.push_str(fault);
        }
        JsonError(text + &place)
    }
}

/// An object that is a message; appends its fields.
struct Object<'r> {
    reader: &'r mut Reader,
    message: &'static Message,
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<(), D::Error> {
        source.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with the fields of {}", self.message.name)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = 0u32;
        while let Some(field) = map.next_key_seed(Name(self.message))? {
            let Some(field) = field else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let bit = 1 << (field.number % u32::BITS);
            // A default value need not be written unless it has to win over an earlier one.
            let explicit = field.label != Label::Singular || seen & bit != 0;
            seen |= bit;
            self.reader.path.push(Step { field, index: None });
            map.next_value_seed(FieldValue(Single {
                reader: self.reader,
                field,
                explicit,
                keyed: true,
            }))?;
            self.reader.path.pop();
        }
        Ok(())
    }
}

/// The name of a field; `None` for one that the message does not have.
struct Name(&'static Message);

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Option<&'static Field>;

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<Self::Value, D::Error> {
        source.deserialize_bytes(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Option<&'static Field>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_bytes<E: Error>(self, name: &[u8]) -> Result<Self::Value, E> {
        Ok(std::str::from_utf8(name)
            .ok()
            .and_then(|name| self.0.field_by_json(name)))
    }
}

/// All that stands after a field's name: null, a list or a single value.
struct FieldValue<'r>(Single<'r>);

impl<'de> DeserializeSeed<'de> for FieldValue<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<(), D::Error> {
        source.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for FieldValue<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, source: D) -> Result<(), D::Error> {
        match self.0.field.label {
            Label::Repeated => source.deserialize_seq(List(self.0)),
            Label::Singular | Label::Optional | Label::Oneof(_) => self.0.deserialize(source),
        }
    }
}

struct List<'r>(Single<'r>);

impl<'de> Visitor<'de> for List<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Single { reader, field, .. } = self.0;
        let packed = field.is_packable();
        let before = reader.out.len();
        let start = if packed {
            begin_nested(&mut reader.out, field.number)
        } else {
            0
        };
        let mut count = 0;
        loop {
            if let Some(step) = reader.path.last_mut() {
                step.index = Some(count);
            }
            let element = Single {
                reader,
                field,
                explicit: true,
                keyed: !packed,
            };
            if seq.next_element_seed(element)?.is_none() {
                break;
            }
            count += 1;
        }
        match (packed, count) {
            (true, 0) => reader.out.truncate(before),
            (true, _) => end_nested(&mut reader.out, start),
            (false, _) => {}
        }
        Ok(())
    }
}

/// One value that is neither null nor a list.
struct Single<'r> {
    reader: &'r mut Reader,
    field: &'static Field,
    /// Whether a default value is written as well.
    explicit: bool,
    /// Whether the field's key goes before it, which is not so in a packed list.
    keyed: bool,
}

impl Single<'_> {
    fn key(&mut self) {
        if self.keyed {
            put_key(
                &mut self.reader.out,
                self.field.number,
                scalar::wire_of(self.field.kind),
            );
        }
    }
}

impl<'de> DeserializeSeed<'de> for Single<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(mut self, source: D) -> Result<(), D::Error> {
        match self.field.kind {
            Kind::Message(message) => {
                let start = begin_nested(&mut self.reader.out, self.field.number);
                Object {
                    reader: self.reader,
                    message,
                }
                .deserialize(source)?;
                end_nested(&mut self.reader.out, start);
            }
            Kind::String | Kind::Bytes | Kind::HexId => source.deserialize_bytes(self)?,
            Kind::Bool => {
                let value = bool::deserialize(source)?;
                if value || self.explicit {
                    self.key();
                    self.reader.out.push(value.into());
                }
            }
            Kind::Double => {
                let value = source.deserialize_any(Double)?;
                if value.to_bits() != 0 || self.explicit {
                    self.key();
                    self.reader.out.extend_from_slice(&value.to_le_bytes());
                }
            }
            kind => {
                let value = source.deserialize_any(Whole(kind))?;
                if value != 0 || self.explicit {
                    self.key();
                    scalar::put_whole(&mut self.reader.out, kind, value);
                }
            }
        }
        Ok(())
    }
}

/// Text, and what is written as text.
impl Visitor<'_> for Single<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.field.kind {
            Kind::HexId => "an id in hexadecimal (OTLP does not use base64 for ids)",
            Kind::Bytes => "a string in base64",
            _ => "a string",
        })
    }

    fn visit_bytes<E: Error>(self, text: &[u8]) -> Result<(), E> {
        if text.is_empty() && !self.explicit {
            return Ok(());
        }
        let (out, number) = (&mut self.reader.out, self.field.number);
        let put = match self.field.kind {
            Kind::HexId => scalar::put_hex,
            Kind::Bytes => scalar::put_base64,
            _ => {
                put_field(out, number, scalar::repaired(text).as_bytes());
                return Ok(());
            }
        };
        let start = begin_nested(out, number);
        if put(out, text).is_none() {
            let text = scalar::repaired(text);
            return Err(E::invalid_value(serde::de::Unexpected::Str(&text), &self));
        }
        end_nested(out, start);
        Ok(())
    }
}
