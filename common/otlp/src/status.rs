//! The one table between outcomes, gRPC codes and HTTP statuses.
//!
//! *Invariant:* whether a sender may try again survives the way from HTTP to gRPC and back.
//!
//! Does not know connections: trailers, headers and their base64 belong to the transports.
use crate::json::value::{Value, Values, put_key};
use crate::wire::{Fault, put_field, put_varint, wire_type};
use bytes::Bytes;
use serde::Serialize;
use std::time::Duration;

#[cfg(test)]
mod tests;

const RETRY_INFO_URL: &str = "type.googleapis.com/google.rpc.RetryInfo";

/// A gRPC status code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names are gRPC's")]
pub enum Code {
    Ok = 0,
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

/// One line per code: its name, the HTTP status that says the same to an OTLP/HTTP sender, and whether
/// OTLP/gRPC lets a sender try again. The line's place is the code's number.
const CODES: [(Code, &str, u16, Retry); 17] = [
    (Code::Ok, "OK", 200, Retry::Never),
    (Code::Cancelled, "CANCELLED", 503, Retry::Always),
    (Code::Unknown, "UNKNOWN", 500, Retry::Never),
    (Code::InvalidArgument, "INVALID_ARGUMENT", 400, Retry::Never),
    (
        Code::DeadlineExceeded,
        "DEADLINE_EXCEEDED",
        503,
        Retry::Always,
    ),
    (Code::NotFound, "NOT_FOUND", 404, Retry::Never),
    (Code::AlreadyExists, "ALREADY_EXISTS", 500, Retry::Never),
    (
        Code::PermissionDenied,
        "PERMISSION_DENIED",
        403,
        Retry::Never,
    ),
    (
        Code::ResourceExhausted,
        "RESOURCE_EXHAUSTED",
        429,
        Retry::WithRetryInfo,
    ),
    (
        Code::FailedPrecondition,
        "FAILED_PRECONDITION",
        500,
        Retry::Never,
    ),
    (Code::Aborted, "ABORTED", 503, Retry::Always),
    (Code::OutOfRange, "OUT_OF_RANGE", 503, Retry::Always),
    (Code::Unimplemented, "UNIMPLEMENTED", 404, Retry::Never),
    (Code::Internal, "INTERNAL", 500, Retry::Never),
    (Code::Unavailable, "UNAVAILABLE", 503, Retry::Always),
    (Code::DataLoss, "DATA_LOSS", 503, Retry::Always),
    (Code::Unauthenticated, "UNAUTHENTICATED", 401, Retry::Never),
];

#[derive(Clone, Copy, PartialEq)]
enum Retry {
    Never,
    WithRetryInfo,
    Always,
}

impl Code {
    /// From the number on the wire; unknown numbers are `Unknown`.
    pub fn from_number(number: u32) -> Self {
        usize::try_from(number)
            .ok()
            .and_then(|number| CODES.get(number))
            .map_or(Self::Unknown, |line| line.0)
    }

    /// What an HTTP status of a backend says in gRPC's words. 413 and 429 are both
    /// `ResourceExhausted`: [`Status::from_http`] keeps them apart.
    pub fn from_http_status(status: u16) -> Self {
        match status {
            200..=299 => Self::Ok,
            401 => Self::Unauthenticated,
            403 => Self::PermissionDenied,
            404 | 405 | 501 => Self::Unimplemented,
            413 | 429 => Self::ResourceExhausted,
            400..=499 => Self::InvalidArgument,
            502..=504 => Self::Unavailable,
            500..=599 => Self::Internal,
            _ => Self::Unknown,
        }
    }

    /// The name that gRPC gives it: `RESOURCE_EXHAUSTED`.
    pub fn name(self) -> &'static str {
        CODES[self as usize].1
    }

    /// The HTTP status that says the same to an OTLP/HTTP sender. `ResourceExhausted` is 429 here;
    /// [`Status::http_status`] knows when it has to be 413.
    pub fn http_status(self) -> u16 {
        CODES[self as usize].2
    }

    /// Whether OTLP/gRPC lets a sender try again (RESOURCE_EXHAUSTED only with RetryInfo).
    pub fn is_retryable(self, has_retry_info: bool) -> bool {
        match CODES[self as usize].3 {
            Retry::Never => false,
            Retry::WithRetryInfo => has_retry_info,
            Retry::Always => true,
        }
    }
}

/// Whether OTLP/HTTP lets a sender try again: 429, 502, 503, 504.
pub fn http_is_retryable(status: u16) -> bool {
    matches!(status, 429 | 502 | 503 | 504)
}

/// Whether a refusal is because of the request's size, in the words of the gRPC libraries (C++, Go and Node say "larger
/// than", Java "exceeds maximum size", tonic "too large" and, when it inflates, "size limit"), the Collector, proxies
/// and ours. The words are narrow on purpose: taking a rate limit for a size ends in rejecting single items.
pub fn is_about_size(message: &str) -> bool {
    const WORDS: [&str; 4] = ["too large", "too big", "larger than", "size limit"];
    let message = message.to_ascii_lowercase();
    let says = |words: &str| message.contains(words);
    WORDS.into_iter().any(says) || (says("maximum") && says("size"))
}

/// A refusal or a rejection as it goes to a sender.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{code:?}: {message}")]
pub struct Status {
    /// gRPC code.
    pub code: Code,
    /// What, where and what to do.
    pub message: String,
    /// When to try again; present means the sender may.
    pub retry_after: Option<Duration>,
}

impl Status {
    /// A status without retry information.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            retry_after: None,
        }
    }

    /// What a backend's HTTP answer says. A 429 without Retry-After becomes RetryInfo of no delay, since
    /// `ResourceExhausted` without any would say "never again".
    pub fn from_http(
        status: u16,
        message: impl Into<String>,
        retry_after: Option<Duration>,
    ) -> Self {
        let retry_after = match status {
            429 => Some(retry_after.unwrap_or_default()),
            _ => retry_after.filter(|_| http_is_retryable(status)),
        };
        Self {
            code: Code::from_http_status(status),
            message: message.into(),
            retry_after,
        }
    }

    /// Whether a sender may try again.
    pub fn is_retryable(&self) -> bool {
        self.code.is_retryable(self.retry_after.is_some())
    }

    /// Whether smaller pieces may go well. tonic says OUT_OF_RANGE, everybody else RESOURCE_EXHAUSTED, which is also the
    /// Collector's "no memory now": only the message tells. RetryInfo means that the same may be sent again.
    pub fn is_too_large(&self) -> bool {
        matches!(self.code, Code::ResourceExhausted | Code::OutOfRange)
            && self.retry_after.is_none()
            && is_about_size(&self.message)
    }

    /// The HTTP status that says the same. `ResourceExhausted` that may not be tried again means
    /// "too large": 413, where 429 would invite the sender to send it again.
    pub fn http_status(&self) -> u16 {
        match self.code {
            Code::ResourceExhausted if self.retry_after.is_none() => 413,
            code => code.http_status(),
        }
    }

    /// `google.rpc.Status` with a `google.rpc.RetryInfo` detail when `retry_after` is set: the value of
    /// `grpc-status-details-bin` before base64, and the body of an OTLP/HTTP protobuf error.
    pub fn encode(&self) -> Bytes {
        let mut out = Vec::with_capacity(self.message.len() + 80);
        if self.code != Code::Ok {
            put_key(&mut out, 1, wire_type::VARINT);
            put_varint(&mut out, self.code as u64);
        }
        if !self.message.is_empty() {
            put_field(&mut out, 2, self.message.as_bytes());
        }
        if let Some(delay) = self.retry_after {
            let mut retry_info = Vec::new();
            put_field(&mut retry_info, 1, &encode_duration(delay));
            let mut any = Vec::new();
            put_field(&mut any, 1, RETRY_INFO_URL.as_bytes());
            put_field(&mut any, 2, &retry_info);
            put_field(&mut out, 3, &any);
        }
        Bytes::from(out)
    }

    /// Reads what [`Status::encode`] writes (and any other server's details). `None` when it is not
    /// protobuf; details that are unknown or broken are passed over.
    pub fn decode(details: &[u8]) -> Option<Self> {
        let mut status = Self::new(Code::Ok, String::new());
        let mut values = Values::new(details);
        while let Some(field) = values.next().ok()? {
            match field {
                (1, Value::Varint(code)) => {
                    status.code = u32::try_from(code).map_or(Code::Unknown, Code::from_number);
                }
                (2, Value::Bytes(message)) => {
                    status.message = String::from_utf8_lossy(message).into_owned();
                }
                (3, Value::Bytes(any)) => {
                    if let Ok(Some(delay)) = decode_retry_info(any) {
                        status.retry_after = Some(delay);
                    }
                }
                _ => {}
            }
        }
        Some(status)
    }

    /// The JSON form, for OTLP/HTTP JSON senders.
    pub fn to_json(&self) -> String {
        #[derive(Serialize)]
        struct Json<'a> {
            code: u8,
            message: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            details: Option<[Detail; 1]>,
        }
        #[derive(Serialize)]
        struct Detail {
            #[serde(rename = "@type")]
            url: &'static str,
            #[serde(rename = "retryDelay")]
            delay: String,
        }
        let details = self.retry_after.map(|delay| {
            [Detail {
                url: RETRY_INFO_URL,
                delay: format!("{}s", delay.as_secs_f64()),
            }]
        });
        let json = Json {
            code: self.code as u8,
            message: &self.message,
            details,
        };
        #[expect(clippy::expect_used, reason = "strings and numbers have a JSON form")]
        serde_json::to_string(&json).expect("status as JSON")
    }
}

fn encode_duration(delay: Duration) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, value) in [(1, delay.as_secs()), (2, u64::from(delay.subsec_nanos()))] {
        if value != 0 {
            put_key(&mut out, number, wire_type::VARINT);
            put_varint(&mut out, value);
        }
    }
    out
}

/// The delay in a `google.protobuf.Any`, if it is a RetryInfo. Without a delay in it, it is zero: the
/// sender may try again and has its own back-off.
fn decode_retry_info(any: &[u8]) -> Result<Option<Duration>, Fault> {
    let (mut is_retry_info, mut retry_info) = (false, &[][..]);
    let mut values = Values::new(any);
    while let Some(field) = values.next()? {
        match field {
            (1, Value::Bytes(url)) => {
                is_retry_info =
                    url.rsplit(|byte| *byte == b'/').next() == Some(b"google.rpc.RetryInfo");
            }
            (2, Value::Bytes(value)) => retry_info = value,
            _ => {}
        }
    }
    if !is_retry_info {
        return Ok(None);
    }
    let (mut secs, mut nanos) = (0i64, 0i64);
    let mut values = Values::new(retry_info);
    while let Some(field) = values.next()? {
        let (1, Value::Bytes(duration)) = field else {
            continue;
        };
        let mut values = Values::new(duration);
        while let Some(field) = values.next()? {
            match field {
                (1, Value::Varint(value)) => secs = value.cast_signed(),
                (2, Value::Varint(value)) => nanos = value.cast_signed(),
                _ => {}
            }
        }
    }
    let part = |value: i64| u64::try_from(value).unwrap_or(0);
    Ok(Some(
        Duration::from_secs(part(secs)).saturating_add(Duration::from_nanos(part(nanos))),
    ))
}
