//! The Export response: empty, or a partial success.
//!
//! *Invariant:* a full success has the shortest form there is, in both encodings.
//!
//! Does not decide what a partial success means for the items; its owners count.
use crate::Signal;
use crate::json::value::{Value, Values, put_key};
use crate::wire::{Fault, put_field, put_varint, wire_type};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

#[cfg(test)]
mod tests;

/// `ExportTraceServiceResponse` and its two siblings have one shape on the wire.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportResponse {
    /// Items that the receiver rejected.
    pub rejected: u64,
    /// Why; may be a warning when `rejected` is 0.
    pub message: String,
}

impl ExportResponse {
    /// As protobuf; empty for a full success.
    pub fn encode(&self) -> Bytes {
        let mut partial = Vec::with_capacity(self.message.len() + 16);
        if self.rejected != 0 {
            put_key(&mut partial, 1, wire_type::VARINT);
            // The field is signed: a larger count would read as a negative one.
            put_varint(&mut partial, self.rejected.min(i64::MAX.unsigned_abs()));
        }
        if !self.message.is_empty() {
            put_field(&mut partial, 2, self.message.as_bytes());
        }
        let mut out = Vec::with_capacity(partial.len() + 8);
        if !partial.is_empty() {
            put_field(&mut out, 1, &partial);
        }
        Bytes::from(out)
    }

    /// From protobuf; `None` when it is malformed. A negative count is none.
    pub fn decode(body: &[u8]) -> Option<Self> {
        let mut response = Self::default();
        let mut values = Values::new(body);
        while let Some(field) = values.next().ok()? {
            if let (1, Value::Bytes(partial)) = field {
                response.read_partial_success(partial).ok()?;
            }
        }
        Some(response)
    }

    fn read_partial_success(&mut self, partial: &[u8]) -> Result<(), Fault> {
        let mut values = Values::new(partial);
        while let Some(field) = values.next()? {
            match field {
                (1, Value::Varint(count)) => {
                    self.rejected = u64::try_from(count.cast_signed()).unwrap_or(0);
                }
                (2, Value::Bytes(message)) => {
                    self.message = String::from_utf8_lossy(message).into_owned();
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// As OTLP JSON, with the signal's own name of the count.
    pub fn to_json(&self, signal: Signal) -> String {
        let mut partial = serde_json::Map::new();
        if self.rejected != 0 {
            let name = match signal {
                Signal::Traces => "rejectedSpans",
                Signal::Metrics => "rejectedDataPoints",
                Signal::Logs => "rejectedLogRecords",
            };
            partial.insert(name.to_owned(), self.rejected.to_string().into());
        }
        if !self.message.is_empty() {
            partial.insert("errorMessage".to_owned(), self.message.as_str().into());
        }
        if partial.is_empty() {
            return "{}".to_owned();
        }
        json!({ "partialSuccess": partial }).to_string()
    }

    /// From OTLP JSON of any signal; `None` when it is malformed. An empty body is a full success, as
    /// some backends answer.
    pub fn from_json(body: &[u8]) -> Option<Self> {
        #[derive(Default, Deserialize)]
        struct Json {
            #[serde(alias = "partial_success", rename = "partialSuccess")]
            partial: Option<Partial>,
        }
        #[derive(Default, Deserialize)]
        struct Partial {
            #[serde(
                rename = "rejectedSpans",
                alias = "rejected_spans",
                alias = "rejectedDataPoints",
                alias = "rejected_data_points",
                alias = "rejectedLogRecords",
                alias = "rejected_log_records"
            )]
            rejected: Option<Count>,
            #[serde(rename = "errorMessage", alias = "error_message")]
            message: Option<String>,
        }
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Count {
            Number(i64),
            Text(String),
        }
        if body.trim_ascii().is_empty() {
            return Some(Self::default());
        }
        let partial = serde_json::from_slice::<Json>(body)
            .ok()?
            .partial
            .unwrap_or_default();
        let rejected = match partial.rejected {
            None => 0,
            Some(Count::Number(count)) => count,
            Some(Count::Text(text)) => text.parse().ok()?,
        };
        Some(Self {
            rejected: u64::try_from(rejected).unwrap_or(0),
            message: partial.message.unwrap_or_default(),
        })
    }
}
