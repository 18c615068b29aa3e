//! Single values: what JSON may hold for a kind of field, and how the wire holds it.
//!
//! *Invariant:* a value is taken exactly or not at all; nothing is rounded, wrapped or cut.

use crate::schema::Kind;
use crate::wire::{put_varint, wire_type};
use base64::Engine;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::de::{Error, Unexpected, Visitor};
use std::borrow::Cow;
use std::fmt;

const TOLERANT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, TOLERANT);
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, TOLERANT);

/// The wire type of one value of this kind.
pub(super) fn wire_of(kind: Kind) -> u8 {
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

/// Appends a number that [`Whole`] has let pass for this kind.
pub(super) fn put_whole(out: &mut Vec<u8>, kind: Kind, number: i128) {
    match kind {
        Kind::Fixed32 => out.extend_from_slice(&(number as u32).to_le_bytes()),
        Kind::Fixed64 | Kind::Sfixed64 => out.extend_from_slice(&(number as u64).to_le_bytes()),
        Kind::Sint32 => put_varint(out, ((number << 1) ^ (number >> 31)) as u32 as u64),
        // Narrow negative numbers are extended to 64 bits on the wire, which this cast does.
        _ => put_varint(out, number as u64),
    }
}

/// A whole number, or an enum's name.
pub(super) struct Whole(pub(super) Kind);

impl Whole {
    fn range(&self) -> (i128, i128) {
        match self.0 {
            Kind::Uint32 | Kind::Fixed32 => (0, u32::MAX.into()),
            Kind::Uint64 | Kind::Fixed64 => (0, u64::MAX.into()),
            Kind::Int64 | Kind::Sfixed64 => (i64::MIN.into(), i64::MAX.into()),
            _ => (i32::MIN.into(), i32::MAX.into()),
        }
    }

    fn checked<E: Error>(&self, number: i128, found: Unexpected<'_>) -> Result<i128, E> {
        let (least, most) = self.range();
        if (least..=most).contains(&number) {
            Ok(number)
        } else {
            Err(E::invalid_value(found, self))
        }
    }

    fn integral<E: Error>(&self, number: f64, found: Unexpected<'_>) -> Result<i128, E> {
        if number.fract() == 0.0 {
            self.checked(number as i128, found)
        } else {
            Err(E::invalid_value(found, self))
        }
    }
}

impl Visitor<'_> for Whole {
    type Value = i128;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (least, most) = self.range();
        write!(f, "a whole number from {least} to {most}")?;
        if let Kind::Enum(names) = self.0 {
            write!(f, ", or one of {}", names.join(", "))?;
        }
        Ok(())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<i128, E> {
        self.checked(number.into(), Unexpected::Unsigned(number))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<i128, E> {
        self.checked(number.into(), Unexpected::Signed(number))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<i128, E> {
        self.integral(number, Unexpected::Float(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<i128, E> {
        let found = Unexpected::Str(text);
        if let Kind::Enum(names) = self.0
            && let Some(number) = names.iter().position(|name| *name == text)
        {
            return Ok(number as i128);
        }
        if let Ok(number) = text.parse() {
            return self.checked(number, found);
        }
        match text.parse::<f64>() {
            Ok(number) => self.integral(number, found),
            Err(_) => Err(E::invalid_value(found, &self)),
        }
    }
}

/// A double, with the names of those that JSON has no numbers for.
pub(super) struct Double;

impl Visitor<'_> for Double {
    type Value = f64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number, \"NaN\", \"Infinity\" or \"-Infinity\"")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<f64, E> {
        Ok(number as f64)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<f64, E> {
        Ok(number as f64)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<f64, E> {
        Ok(number)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<f64, E> {
        match text.parse::<f64>() {
            // Digits that are too large are no infinity.
            Ok(number) if !number.is_infinite() || text.contains(['i', 'I']) => Ok(number),
            _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
        }
    }
}

/// Appends the bytes of a hexadecimal text; `None` when it is none.
pub(super) fn put_hex(out: &mut Vec<u8>, text: &[u8]) -> Option<()> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let (pairs, []) = text.as_chunks::<2>() else {
        return None;
    };
    for [high, low] in pairs {
        out.push((digit(high)? << 4 | digit(low)?) as u8);
    }
    Some(())
}

/// Appends the bytes of a base64 text; `None` when it is none.
pub(super) fn put_base64(out: &mut Vec<u8>, text: &[u8]) -> Option<()> {
    let engine = if text.iter().any(|byte| matches!(byte, b'-' | b'_')) {
        BASE64_URL
    } else {
        BASE64
    };
    engine.decode_vec(text, out).ok()
}

/// JSON text as UTF-8. The bytes are what stood between the quotes, with a lone surrogate in the form that
/// UTF-8 would have given it if it were allowed.
pub(super) fn repaired(text: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(text)
}

/// Appends bytes in lower-case hexadecimal.
pub(super) fn write_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.extend([
            DIGITS[usize::from(byte >> 4)],
            DIGITS[usize::from(byte & 15)],
        ]);
    }
}

/// Appends bytes in base64.
pub(super) fn write_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(BASE64.encode(bytes).as_bytes());
}

/// Appends a double as Go's JSON encoders write it.
pub(super) fn write_double(out: &mut Vec<u8>, number: f64) {
    let size = number.abs();
    let text = if number.is_nan() {
        "\"NaN\"".to_owned()
    } else if number.is_infinite() {
        format!("\"{}Infinity\"", if number < 0.0 { "-" } else { "" })
    } else if size == 0.0 || (1e-6..1e21).contains(&size) {
        number.to_string()
    } else {
        let text = format!("{number:e}");
        match text.split_once('e') {
            Some((digits, exponent)) => {
                let (sign, exponent) = exponent
                    .strip_prefix('-')
                    .map_or(('+', exponent), |rest| ('-', rest));
                format!("{digits}e{sign}{exponent:0>2}")
            }
            None => text,
        }
    };
    out.extend_from_slice(text.as_bytes());
}
