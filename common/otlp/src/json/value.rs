//! Fields with their values, read and written, for those who want values rather than places.
//!
//! *Invariant:* reading never panics and never allocates, whatever the bytes.
//!
//! Does not know the table: a reader matches numbers and the form of the value together.

use crate::wire::{self, Fault, wire_type};

/// The value of a field as it is on the wire.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'a [u8]),
}

/// The values of one message in wire order, without groups.
#[derive(Clone)]
pub(crate) struct Values<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Values<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Self {
            bytes: message,
            at: 0,
        }
    }

    /// Where the next field starts.
    pub(crate) fn offset(&self) -> usize {
        self.at
    }

    /// The next field; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<(u32, Value<'a>)>, Fault> {
        while self.at < self.bytes.len() {
            let (number, wire, at) = wire::key(self.bytes, self.at)?;
            if wire == wire_type::GROUP {
                self.at = wire::skip(self.bytes, at, number, wire, wire::DEPTH)?;
            } else {
                self.at = at;
                return self.value(wire).map(|value| Some((number, value)));
            }
        }
        Ok(None)
    }

    /// The value at the current place, if it has this wire type.
    fn value(&mut self, wire: u8) -> Result<Value<'a>, Fault> {
        Ok(match wire {
            wire_type::VARINT => {
                let (value, at) = wire::varint(self.bytes, self.at)?;
                self.at = at;
                Value::Varint(value)
            }
            wire_type::FIXED64 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            wire_type::FIXED32 => Value::Fixed32(u32::from_le_bytes(self.array()?)),
            wire_type::LENGTH => {
                let content = wire::length(self.bytes, self.at)?;
                self.at = content.end;
                Value::Bytes(&self.bytes[content])
            }
            _ => return Err(Fault::WireType),
        })
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let bytes = self
            .bytes
            .get(self.at..)
            .and_then(<[u8]>::first_chunk)
            .ok_or(Fault::Truncated)?;
        self.at += N;
        Ok(*bytes)
    }
}

/// The numbers of a packed field, each as the value it would be on its own.
pub(crate) struct Packed<'a> {
    values: Values<'a>,
    wire: u8,
}

impl<'a> Packed<'a> {
    /// `wire` is the wire type of one number.
    pub(crate) fn new(numbers: &'a [u8], wire: u8) -> Self {
        Self {
            values: Values::new(numbers),
            wire,
        }
    }
}

impl<'a> Iterator for Packed<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        self.values.value(self.wire).ok()
    }
}

/// Appends the key of a field.
pub(crate) fn put_key(out: &mut Vec<u8>, number: u32, wire: u8) {
    wire::put_varint(out, u64::from(number) << 3 | u64::from(wire));
}

/// Starts a length-delimited field whose length is not known yet; [`end_nested`] takes the result.
pub(crate) fn begin_nested(out: &mut Vec<u8>, number: u32) -> usize {
    put_key(out, number, wire_type::LENGTH);
    out.push(0);
    out.len()
}

/// Puts the length in front of what was written since [`begin_nested`] gave `start`.
///
/// One byte is kept free for it, which is enough for most values; a longer one moves by the difference.
pub(crate) fn end_nested(out: &mut Vec<u8>, start: usize) {
    let len = out.len() - start;
    if len < 0x80 {
        out[start - 1] = len as u8;
        return;
    }
    let mut length = Vec::with_capacity(10);
    wire::put_varint(&mut length, len as u64);
    out.splice(start - 1..start, length);
}
