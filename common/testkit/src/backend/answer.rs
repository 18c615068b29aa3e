//! What a backend says, and how each transport says it.

use super::{Body, Recorded, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response};
use http_body_util::{BodyExt, Empty, Full};
use prost::Message;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// One answer of the script.
#[derive(Clone, Debug)]
pub enum Answer {
    /// Everything is taken.
    Ok,
    /// Everything but some items is taken.
    Partial {
        /// Items not taken.
        rejected: i64,
        /// Why.
        message: String,
    },
    /// A gRPC status; only for requests over gRPC.
    Grpc {
        /// The code's number.
        code: i32,
        /// The message.
        message: String,
        /// RetryInfo, if any.
        retry_after: Option<Duration>,
    },
    /// A plain HTTP answer; over gRPC this is what a proxy in between says.
    Http {
        /// The status.
        status: u16,
        /// More headers.
        headers: Vec<(&'static str, String)>,
        /// The body.
        body: Bytes,
    },
    /// The answer, once the gate is open.
    Held(Gate, Box<Answer>),
    /// No answer: the connection is closed.
    Disconnect,
}

impl Answer {
    /// A gRPC status without RetryInfo.
    #[must_use]
    pub fn grpc(code: i32, message: &str) -> Self {
        Self::Grpc {
            code,
            message: message.to_owned(),
            retry_after: None,
        }
    }

    /// An HTTP status with a text body.
    #[must_use]
    pub fn http(status: u16, body: &str) -> Self {
        Self::Http {
            status,
            headers: Vec::new(),
            body: Bytes::copy_from_slice(body.as_bytes()),
        }
    }

    /// Holds this answer behind a gate.
    #[must_use]
    pub fn behind(self, gate: &Gate) -> Self {
        Self::Held(gate.clone(), Box::new(self))
    }

    pub(super) fn is_yes(&self) -> bool {
        match self {
            Self::Ok | Self::Partial { .. } => true,
            Self::Held(_, answer) => answer.is_yes(),
            Self::Grpc { .. } | Self::Http { .. } | Self::Disconnect => false,
        }
    }

    pub(super) async fn released(&self) -> Self {
        let mut answer = self;
        while let Self::Held(gate, inner) = answer {
            gate.passed().await;
            answer = inner;
        }
        answer.clone()
    }
}

/// Closed until opened, once, for everybody who has a clone.
#[derive(Clone, Debug)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}

impl Gate {
    /// A closed gate.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Opens it.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    /// Waits until it is open.
    ///
    /// # Panics
    /// Never in practice: the sender lives as long as `self`.
    pub async fn passed(&self) {
        self.0.subscribe().wait_for(|open| *open).await.unwrap();
    }
}

#[derive(Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
    #[prost(message, repeated, tag = "3")]
    details: Vec<Any>,
}

#[derive(Message)]
struct Any {
    #[prost(string, tag = "1")]
    type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

#[derive(Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<ProtoDuration>,
}

#[derive(Message)]
struct ProtoDuration {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[derive(Message)]
struct ExportResponse {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

#[derive(Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected: i64,
    #[prost(string, tag = "2")]
    error_message: String,
}

/// The response, or `None` when the answer is to hang up.
pub(super) fn response(answer: &Answer, to: &Recorded) -> Option<Response<Body>> {
    Some(match answer {
        Answer::Disconnect => return None,
        Answer::Held(_, inner) => return response(inner, to),
        Answer::Ok => yes(None, to),
        Answer::Partial { rejected, message } => yes(
            Some(PartialSuccess {
                rejected: *rejected,
                error_message: message.clone(),
            }),
            to,
        ),
        Answer::Grpc {
            code,
            message,
            retry_after,
        } if to.grpc => grpc_status(*code, message, *retry_after),
        Answer::Grpc { .. } => plain(500, "the script has a gRPC answer for a request over HTTP"),
        Answer::Http {
            status,
            headers,
            body,
        } => {
            let mut response = plain(*status, "");
            for (name, value) in headers {
                response
                    .headers_mut()
                    .insert(*name, HeaderValue::from_str(value).unwrap());
            }
            *response.body_mut() = Full::new(body.clone()).boxed_unsync();
            response
        }
    })
}

pub(super) fn malformed(grpc: bool, fault: &str) -> Response<Body> {
    if grpc {
        grpc_status(3, fault, None)
    } else {
        plain(400, fault)
    }
}

fn plain(status: u16, text: &str) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::from(text.to_owned())).boxed_unsync());
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
    response
}

fn yes(partial_success: Option<PartialSuccess>, to: &Recorded) -> Response<Body> {
    if !to.grpc && header(&to.headers, "content-type") == "application/json" {
        let mut response = plain(200, &json(partial_success, to.signal));
        let json = HeaderValue::from_static("application/json");
        response.headers_mut().insert("content-type", json);
        return response;
    }
    let message = ExportResponse { partial_success }.encode_to_vec();
    if !to.grpc {
        let mut response = Response::new(Full::new(Bytes::from(message)).boxed_unsync());
        let protobuf = HeaderValue::from_static("application/x-protobuf");
        response.headers_mut().insert("content-type", protobuf);
        return response;
    }
    let mut framed = vec![0];
    framed.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    framed.extend(message);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let trailers = async move { Some(Ok::<_, Infallible>(trailers)) };
    let body = Full::new(Bytes::from(framed)).with_trailers(trailers);
    let mut response = Response::new(body.boxed_unsync());
    response
        .headers_mut()
        .insert("content-type", HeaderValue::from_static("application/grpc"));
    response
}

fn json(partial: Option<PartialSuccess>, signal: &str) -> String {
    let Some(partial) = partial else {
        return "{}".to_owned();
    };
    let count = match signal {
        "traces" => "rejectedSpans",
        "metrics" => "rejectedDataPoints",
        _ => "rejectedLogRecords",
    };
    serde_json::json!({
        "partialSuccess": { count: partial.rejected.to_string(), "errorMessage": partial.error_message }
    })
    .to_string()
}

fn grpc_status(code: i32, message: &str, retry_after: Option<Duration>) -> Response<Body> {
    let mut response = Response::new(Empty::new().boxed_unsync());
    let headers = response.headers_mut();
    headers.insert("content-type", HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", HeaderValue::from(code));
    headers.insert(
        "grpc-message",
        HeaderValue::from_str(&percent_encode(message)).unwrap(),
    );
    if let Some(delay) = retry_after {
        let retry_delay = Some(ProtoDuration {
            seconds: i64::try_from(delay.as_secs()).unwrap(),
            nanos: i32::try_from(delay.subsec_nanos()).unwrap(),
        });
        let detail = Any {
            type_url: "type.googleapis.com/google.rpc.RetryInfo".to_owned(),
            value: RetryInfo { retry_delay }.encode_to_vec(),
        };
        let status = RpcStatus {
            code,
            message: message.to_owned(),
            details: vec![detail],
        };
        let details = STANDARD_NO_PAD.encode(status.encode_to_vec());
        headers.insert(
            "grpc-status-details-bin",
            HeaderValue::from_str(&details).unwrap(),
        );
    }
    response
}

/// gRPC's own percent encoding: everything but printable ASCII, and `%`.
fn percent_encode(message: &str) -> String {
    let mut encoded = String::new();
    for byte in message.bytes() {
        match byte {
            b' '..=b'~' if byte != b'%' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}
