//! How the Collector writes values, times, ids and log fields.
//!
//! *Invariant:* every value has a text, also those that no valid sender writes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use serde_json::Value as Json;
use std::fmt::Write;

/// Appends a formatted line.
macro_rules! line {
    ($out:expr, $($format:tt)*) => {{
        use std::fmt::Write as _;
        // Writing to a string cannot fail.
        let _written = writeln!($out, $($format)*).is_ok();
    }};
}
pub(crate) use line;

/// Now, as zap writes it.
pub(crate) fn log_time() -> String {
    Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
        .to_string()
}

/// Fields of a log line: JSON in the given order, with a space after each colon and comma.
pub(crate) fn fields(fields: impl Iterator<Item = (String, Json)>) -> String {
    let fields: Vec<_> = fields
        .map(|(name, value)| format!("{}: {value}", Json::from(name)))
        .collect();
    format!("{{{}}}", fields.join(", "))
}

/// A time as Go's `Time.String` writes it.
pub(crate) fn time(unix_nano: u64) -> String {
    match Timestamp::from_nanosecond(i128::from(unix_nano)) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%S%.f +0000 UTC").to_string(),
        Err(_) => unix_nano.to_string(),
    }
}

/// A trace or span id; an id of zeros is none.
pub(crate) fn id(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    if bytes.iter().any(|byte| *byte != 0) {
        for byte in bytes {
            let _written = write!(text, "{byte:02x}").is_ok();
        }
    }
    text
}

/// `Str(checkout)`.
pub(crate) fn typed(value: Option<&AnyValue>) -> String {
    let kind = match value.and_then(|value| value.value.as_ref()) {
        None => "Empty",
        Some(Value::StringValue(_) | Value::StringValueStrindex(_)) => "Str",
        Some(Value::BoolValue(_)) => "Bool",
        Some(Value::IntValue(_)) => "Int",
        Some(Value::DoubleValue(_)) => "Double",
        Some(Value::ArrayValue(_)) => "Slice",
        Some(Value::KvlistValue(_)) => "Map",
        Some(Value::BytesValue(_)) => "Bytes",
    };
    format!("{kind}({})", plain(value))
}

/// `checkout`; arrays and maps as JSON.
pub(crate) fn plain(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        None => String::new(),
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::BytesValue(bytes)) => STANDARD.encode(bytes),
        Some(Value::DoubleValue(number)) => number.to_string(),
        Some(_) => json(value).to_string(),
    }
}

fn json(value: Option<&AnyValue>) -> Json {
    match value.and_then(|value| value.value.as_ref()) {
        None => Json::Null,
        Some(Value::StringValue(text)) => Json::from(text.as_str()),
        Some(Value::BoolValue(flag)) => Json::from(*flag),
        Some(Value::IntValue(number)) => Json::from(*number),
        Some(Value::StringValueStrindex(index)) => Json::from(*index),
        Some(Value::DoubleValue(number)) => Json::from(*number),
        Some(Value::BytesValue(bytes)) => Json::from(STANDARD.encode(bytes)),
        Some(Value::ArrayValue(array)) => {
            array.values.iter().map(|value| json(Some(value))).collect()
        }
        Some(Value::KvlistValue(list)) => list
            .values
            .iter()
            .map(|pair| (pair.key.clone(), json(pair.value.as_ref())))
            .collect(),
    }
}

/// `key=value` of each attribute.
pub(crate) fn pairs(attributes: &[KeyValue], separator: &str) -> String {
    let pairs: Vec<_> = attributes
        .iter()
        .map(|pair| format!("{}={}", pair.key, plain(pair.value.as_ref())))
        .collect();
    pairs.join(separator)
}
