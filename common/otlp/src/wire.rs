//! Protobuf's encoding without a schema: varints, keys, fields, and edits that keep enclosing lengths right.
//!
//! Places are byte offsets in one whole request, so that a fault, a cut or an edit needs no translation between levels.
//!
//! *Invariant:* no input makes anything here panic. [`Fields`] expects a checked request and simply ends where the
//! input is malformed.

mod edit;

#[cfg(test)]
mod tests;

pub use edit::Edited;
pub(crate) use edit::Edits;
use std::ops::Range;

/// How deep `prost` lets messages and groups nest. More is refused, or one request could overflow the stack of every
/// decoder behind us.
pub(crate) const DEPTH: u32 = 100;

/// The low three bits of a key: how the value that follows is delimited.
pub(crate) mod wire_type {
    pub(crate) const VARINT: u8 = 0;
    pub(crate) const FIXED64: u8 = 1;
    pub(crate) const LENGTH: u8 = 2;
    pub(crate) const GROUP: u8 = 3;
    pub(crate) const END_GROUP: u8 = 4;
    pub(crate) const FIXED32: u8 = 5;
}

/// Why bytes are not protobuf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Truncated,
    Varint,
    Key,
    WireType,
    Length,
    Group,
    Depth,
}

/// Reads the varint at `at` and gives it with the place behind it. Any length up to ten bytes is valid, minimal or not.
#[inline(always)]
pub(crate) fn varint(bytes: &[u8], at: usize) -> Result<(u64, usize), Fault> {
    match bytes.get(at) {
        Some(&byte) if byte < 0x80 => Ok((u64::from(byte), at + 1)),
        _ => long_varint(bytes, at),
    }
}

fn long_varint(bytes: &[u8], at: usize) -> Result<(u64, usize), Fault> {
    let mut value = 0;
    for (count, &byte) in bytes
        .get(at..)
        .unwrap_or_default()
        .iter()
        .take(10)
        .enumerate()
    {
        value |= u64::from(byte & 0x7f) << (count * 7);
        if byte < 0x80 {
            // The tenth byte has room for one bit.
            let fits = count < 9 || byte < 2;
            return if fits {
                Ok((value, at + count + 1))
            } else {
                Err(Fault::Varint)
            };
        }
    }
    Err(if bytes.len().saturating_sub(at) < 10 {
        Fault::Truncated
    } else {
        Fault::Varint
    })
}

/// Reads the key at `at`: field number, wire type, and the place behind it.
#[inline(always)]
pub(crate) fn key(bytes: &[u8], at: usize) -> Result<(u32, u8, usize), Fault> {
    let (key, next) = varint(bytes, at)?;
    if key > u64::from(u32::MAX) || key < 8 {
        return Err(Fault::Key);
    }
    let wire = (key & 7) as u8;
    if wire > wire_type::FIXED32 {
        return Err(Fault::WireType);
    }
    Ok(((key >> 3) as u32, wire, next))
}

/// Reads the length at `at`: where the content starts and ends. The end is within `bytes`.
#[inline(always)]
pub(crate) fn length(bytes: &[u8], at: usize) -> Result<Range<usize>, Fault> {
    let (length, start) = varint(bytes, at)?;
    if length > (bytes.len() - start) as u64 {
        return Err(Fault::Length);
    }
    Ok(start..start + length as usize)
}

/// The place behind `width` bytes at `at`, if they are there.
#[inline(always)]
pub(crate) fn fixed(bytes: &[u8], at: usize, width: usize) -> Result<usize, Fault> {
    if bytes.len() - at < width {
        Err(Fault::Truncated)
    } else {
        Ok(at + width)
    }
}

/// The place behind a value whose meaning is unknown. `depth` is how many more levels may open.
pub(crate) fn skip(
    bytes: &[u8],
    at: usize,
    number: u32,
    wire: u8,
    depth: u32,
) -> Result<usize, Fault> {
    // Checked for scalars too: `prost` does.
    if depth == 0 {
        return Err(Fault::Depth);
    }
    match wire {
        wire_type::VARINT => Ok(varint(bytes, at)?.1),
        wire_type::FIXED64 => fixed(bytes, at, 8),
        wire_type::FIXED32 => fixed(bytes, at, 4),
        wire_type::LENGTH => Ok(length(bytes, at)?.end),
        wire_type::GROUP => {
            let mut at = at;
            loop {
                let (inner, wire, next) = key(bytes, at)?;
                if wire == wire_type::END_GROUP {
                    return if inner == number {
                        Ok(next)
                    } else {
                        Err(Fault::Group)
                    };
                }
                at = skip(bytes, next, inner, wire, depth - 1)?;
            }
        }
        _ => Err(Fault::Group),
    }
}

/// One field as it lies in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RawField {
    pub(crate) number: u32,
    pub(crate) wire: u8,
    /// Where the key starts.
    pub(crate) start: usize,
    /// Where the value starts; of a delimited field, its length.
    pub(crate) value: usize,
    /// Where the content of a delimited field starts; otherwise the same as `value`.
    pub(crate) content: usize,
    /// The place behind the field.
    pub(crate) end: usize,
}

impl RawField {
    /// The whole field with its key.
    pub(crate) fn whole(&self) -> Range<usize> {
        self.start..self.end
    }

    /// What the field holds, without key and length.
    pub(crate) fn inner(&self) -> Range<usize> {
        self.content..self.end
    }
}

/// The fields of one message of a checked request, in wire order.
pub(crate) struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Fields<'a> {
    /// The fields of the message that fills `range` of `request`.
    pub(crate) fn new(request: &'a [u8], range: Range<usize>) -> Self {
        Self {
            bytes: request.get(..range.end).unwrap_or_default(),
            at: range.start,
        }
    }

    /// The fields of a message that stands alone.
    pub(crate) fn of(message: &'a [u8]) -> Self {
        Self {
            bytes: message,
            at: 0,
        }
    }

    fn read(&self) -> Result<RawField, Fault> {
        let (number, wire, value) = key(self.bytes, self.at)?;
        let (content, end) = if wire == wire_type::LENGTH {
            let content = length(self.bytes, value)?;
            (content.start, content.end)
        } else {
            (value, skip(self.bytes, value, number, wire, DEPTH)?)
        };
        Ok(RawField {
            number,
            wire,
            start: self.at,
            value,
            content,
            end,
        })
    }
}

impl Iterator for Fields<'_> {
    type Item = RawField;

    fn next(&mut self) -> Option<RawField> {
        if self.at >= self.bytes.len() {
            return None;
        }
        let field = self.read().ok()?;
        self.at = field.end;
        Some(field)
    }
}

/// Bytes that `value` takes as a minimal varint.
pub(crate) fn varint_len(value: u64) -> usize {
    // Seven bits a byte; zero takes one.
    (64 - (value | 1).leading_zeros() as usize).div_ceil(7)
}

/// Appends `value` as a minimal varint.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Bytes that key and length of a delimited field take in front of `content` bytes.
pub(crate) fn head_len(number: u32, content: usize) -> usize {
    varint_len(u64::from(number) << 3) + varint_len(content as u64)
}

/// Appends key and length of a delimited field; `content` bytes must follow.
pub(crate) fn put_head(out: &mut Vec<u8>, number: u32, content: usize) {
    put_varint(out, u64::from(number) << 3 | u64::from(wire_type::LENGTH));
    put_varint(out, content as u64);
}

/// Appends a delimited field.
pub(crate) fn put_field(out: &mut Vec<u8>, number: u32, content: &[u8]) {
    put_head(out, number, content.len());
    out.extend_from_slice(content);
}
