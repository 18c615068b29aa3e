//! A tree into serde types, with errors that know the place and path of what is wrong.
//!
//! The deserialiser walks the tree itself, so each level adds its key to a passing error and the innermost gives the
//! place. Scalars are typed here: the setting asks for a number, a boolean or text, and gets it or an error.

use super::{Entry, Node, Place, Scalar, Value};
use serde::de::value::StrDeserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, Expected, IntoDeserializer, MapAccess,
    SeqAccess, Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;
use std::fmt::{self, Display};

/// What is wrong, where.
#[derive(Clone, Debug)]
pub(crate) struct ReadError {
    /// What and what is allowed.
    pub(crate) message: String,
    /// Keys and indices below the node that was read, the innermost first.
    path: Vec<String>,
    /// Place, unless it is the node itself.
    pub(crate) place: Option<Place>,
}

/// Reads a node.
pub(crate) fn read<T: DeserializeOwned>(node: &Node) -> Result<T, ReadError> {
    T::deserialize(node)
}

/// What to say of a name that is not among those there are: the nearest one, and all. `what` says what these are.
pub(crate) fn instead(name: &str, what: &str, allowed: &[&str]) -> String {
    let near = allowed
        .iter()
        .map(|candidate| (strsim::osa_distance(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + name.len().min(candidate.len()) / 4)
        .min_by_key(|(distance, _)| *distance);
    let mut sorted = allowed.to_vec();
    sorted.sort_unstable();
    let sorted = sorted.join(", ");
    match near {
        Some((_, near)) => format!("; did you mean `{near}`? {what}: {sorted}"),
        None => format!("; {what}: {sorted}"),
    }
}

impl ReadError {
    /// Keys and indices below the node that was read.
    pub(crate) fn path(&self) -> Vec<String> {
        self.path.iter().rev().cloned().collect()
    }

    fn within(mut self, key: &str, place: &Place) -> Self {
        self.path.push(key.to_owned());
        self.place.get_or_insert_with(|| place.clone());
        self
    }
}

impl Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ReadError {}

impl de::Error for ReadError {
    fn custom<T: Display>(message: T) -> Self {
        Self {
            message: message.to_string(),
            path: Vec::new(),
            place: None,
        }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format!(
            "{} was expected, not {}",
            in_words(expected),
            found_in_words(found)
        ))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(format!(
            "unknown value `{variant}`{}",
            instead(variant, "allowed", expected)
        ))
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self::custom(format!(
            "unknown key{}",
            instead(field, "allowed", expected)
        ))
    }
}

/// Serde names Rust's types; people know numbers.
fn in_words(expected: &dyn Expected) -> String {
    let expected = expected.to_string();
    match expected.as_str() {
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, 0 or more,".to_owned(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".to_owned(),
        "f32" | "f64" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a string" => "text".to_owned(),
        "a sequence" => "a list".to_owned(),
        _ if expected.starts_with("struct ") => "a map".to_owned(),
        _ => expected,
    }
}

fn found_in_words(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Map => "a map".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Unit | Unexpected::Option => "nothing".to_owned(),
        Unexpected::Str(text) => format!("`{text}`"),
        Unexpected::Bool(value) => format!("`{value}`"),
        Unexpected::Unsigned(value) => format!("`{value}`"),
        Unexpected::Signed(value) => format!("`{value}`"),
        Unexpected::Float(value) => format!("`{value}`"),
        other => other.to_string(),
    }
}

/// A plain scalar by YAML's core schema.
enum Typed<'t> {
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(&'t str),
}

fn typed(scalar: &Scalar) -> Typed<'_> {
    let text = scalar.text.as_str();
    if !scalar.plain {
        return Typed::Text(text);
    }
    match text {
        "true" | "True" | "TRUE" => return Typed::Bool(true),
        "false" | "False" | "FALSE" => return Typed::Bool(false),
        _ => {}
    }
    // As Go reads them: `010` is octal, `1_000` a thousand.
    let digits = text.replace('_', "");
    let (sign, digits) = match digits.strip_prefix(['-', '+']) {
        Some(rest) => (&digits[..1], rest),
        None => ("", digits.as_str()),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    // No further sign.
    if digits.starts_with(|first: char| first.is_ascii_hexdigit()) {
        if sign == "-" {
            if let Ok(value) = i64::from_str_radix(&format!("-{digits}"), radix) {
                return Typed::Signed(value);
            }
        } else if let Ok(value) = u64::from_str_radix(digits, radix) {
            return Typed::Unsigned(value);
        }
    }
    // Rust reads `inf` and `nan` too, which are words in YAML.
    match text.parse::<f64>() {
        Ok(value)
            if text
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-')) =>
        {
            Typed::Float(value)
        }
        _ => Typed::Text(text),
    }
}

impl<'de> Deserializer<'de> for &'de Node {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.value {
            Value::Null => visitor.visit_unit(),
            Value::List(items) => visitor.visit_seq(Items(items.iter(), 0)),
            Value::Map(entries) => visitor.visit_map(Entries {
                entries: entries.iter(),
                current: None,
            }),
            Value::Scalar(scalar) => match typed(scalar) {
                Typed::Bool(value) => visitor.visit_bool(value),
                Typed::Unsigned(value) => visitor.visit_u64(value),
                Typed::Signed(value) => visitor.visit_i64(value),
                Typed::Float(value) => visitor.visit_f64(value),
                Typed::Text(text) => visitor.visit_str(text),
            },
        }
    }

    /// Text is what is written, whether it looks like a number or not.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.value {
            Value::Scalar(scalar) => visitor.visit_str(&scalar.text),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match self.value {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    /// A component with nothing below it is one with defaults.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match &self.value {
            Value::Null => visitor.visit_map(Entries {
                entries: [].iter(),
                current: None,
            }),
            Value::Map(_) => self.deserialize_any(visitor),
            Value::Scalar(scalar) => Err(de::Error::custom(format!(
                "a map was expected, not `{}`",
                scalar.text
            ))),
            Value::List(_) => Err(de::Error::custom("a map was expected, not a list")),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_struct("", &[], visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match &self.value {
            Value::Scalar(scalar) => {
                // The Collector takes `INFO` and `Detailed`, too.
                let lower = scalar.text.to_ascii_lowercase();
                let text = if variants.contains(&lower.as_str()) {
                    &lower
                } else {
                    &scalar.text
                };
                let text: StrDeserializer<'_, ReadError> = text.as_str().into_deserializer();
                visitor.visit_enum(text)
            }
            _ => Err(de::Error::custom(format!(
                "a single word was expected, not {}",
                self.kind()
            ))),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct seq tuple
        tuple_struct identifier ignored_any
    }
}

struct Items<'de>(std::slice::Iter<'de, Node>, usize);

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = ReadError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ReadError> {
        let Some(node) = self.0.next() else {
            return Ok(None);
        };
        let index = self.1;
        self.1 += 1;
        seed.deserialize(node)
            .map(Some)
            .map_err(|error| error.within(&index.to_string(), &node.place))
    }
}

struct Entries<'de> {
    entries: std::slice::Iter<'de, Entry>,
    current: Option<&'de Entry>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = ReadError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ReadError> {
        let Some(entry) = self.entries.next() else {
            return Ok(None);
        };
        self.current = Some(entry);
        let key: StrDeserializer<'_, ReadError> = entry.key.as_str().into_deserializer();
        seed.deserialize(key)
            .map(Some)
            .map_err(|error| error.within(&entry.key, &entry.place))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, ReadError> {
        let Some(entry) = self.current.take() else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        seed.deserialize(&entry.value)
            .map_err(|error| error.within(&entry.key, &entry.place))
    }
}
