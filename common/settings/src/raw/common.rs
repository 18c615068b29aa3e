//! Parts that several components have: headers, retry, queue.

use crate::units::GoDuration;
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// A section that is off when it is not there and on, with defaults, when it is there with nothing below it.
#[derive(Debug, Default)]
pub(crate) enum Section<T> {
    /// Not there.
    #[default]
    Absent,
    /// There.
    Present(T),
}

impl<T> Section<T> {
    pub(crate) fn into_option(self) -> Option<T> {
        match self {
            Self::Absent => None,
            Self::Present(section) => Some(section),
        }
    }
}

impl<'de, T: Deserialize<'de> + Default> Deserialize<'de> for Section<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::<T>::deserialize(deserializer)
            .map(|section| Self::Present(section.unwrap_or_default()))
    }
}

/// `retry_on_failure`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Retry {
    pub(crate) enabled: Option<bool>,
    pub(crate) initial_interval: Option<GoDuration>,
    pub(crate) max_interval: Option<GoDuration>,
    pub(crate) multiplier: Option<f64>,
    pub(crate) randomization_factor: Option<f64>,
    pub(crate) max_elapsed_time: Option<GoDuration>,
}

/// `sending_queue`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Queue {
    pub(crate) num_consumers: Option<usize>,
    pub(crate) queue_size: Option<u64>,
    pub(crate) sizer: Option<Sizer>,
    pub(crate) block_on_overflow: Option<bool>,
    pub(crate) storage: Option<String>,
    pub(crate) batch: Section<QueueBatch>,
}

/// `sending_queue.batch`.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct QueueBatch {
    pub(crate) flush_timeout: Option<GoDuration>,
    pub(crate) min_size: Option<u64>,
    pub(crate) max_size: Option<u64>,
    pub(crate) sizer: Option<Sizer>,
}

/// `sending_queue.sizer`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Sizer {
    #[default]
    Requests,
    Items,
    Bytes,
}

/// Headers, as a map or, as newer Collectors also have it, a list of `name` and `value`.
#[derive(Debug, Default)]
pub(crate) struct Headers(pub(crate) Vec<(String, String)>);

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HeadersVisitor)
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    name: String,
    value: String,
}

struct HeadersVisitor;

impl<'de> Visitor<'de> for HeadersVisitor {
    type Value = Headers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of headers")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers, A::Error> {
        let mut headers = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            check(&name)?;
            headers.push((
                name,
                map.next_value::<Option<String>>()?.unwrap_or_default(),
            ));
        }
        Ok(Headers(headers))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Headers, A::Error> {
        let mut headers = Vec::new();
        while let Some(Header { name, value }) = list.next_element()? {
            check(&name)?;
            headers.push((name, value));
        }
        Ok(Headers(headers))
    }
}

/// Whether HTTP takes a header of this name.
pub(crate) fn is_header_name(name: &str) -> bool {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(token)
}

/// Names only: a value may be a secret and is never shown, and what a client cannot send it says itself.
fn check<E: de::Error>(name: &str) -> Result<(), E> {
    if !is_header_name(name) {
        return Err(E::custom(format!("`{name}` is not a valid header name")));
    }
    Ok(())
}
