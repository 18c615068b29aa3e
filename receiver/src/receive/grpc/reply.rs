//! gRPC's answers: one message and trailers, or trailers alone.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::{BufMut, Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use penstock_otlp::status::Status;
use std::convert::Infallible;
use std::fmt::Write;
use std::pin::Pin;
use std::task::{Context, Poll};

/// `grpc-accept-encoding`.
pub(super) const ACCEPTED_ENCODINGS: &str = "identity,gzip,zstd";

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const GRPC_STATUS_DETAILS: HeaderName = HeaderName::from_static("grpc-status-details-bin");
const GRPC_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

/// The body of an answer.
#[derive(Debug)]
pub(crate) struct Reply {
    message: Option<Bytes>,
    trailers: Option<HeaderMap>,
}

impl Reply {
    /// OK with a message.
    pub(super) fn message(message: &[u8]) -> Response<Self> {
        let mut framed = BytesMut::with_capacity(5 + message.len());
        framed.put_u8(0);
        // An export response is a count and a sentence, far below the field's limit.
        framed.put_u32(message.len() as u32);
        framed.put_slice(message);
        let mut trailers = HeaderMap::with_capacity(1);
        trailers.insert(GRPC_STATUS, HeaderValue::from_static("0"));
        response(Self {
            message: Some(framed.freeze()),
            trailers: Some(trailers),
        })
    }

    /// An error: everything in the headers, and the stream's end with them.
    pub(super) fn status(status: &Status) -> Response<Self> {
        let mut response = response(Self {
            message: None,
            trailers: None,
        });
        let headers = response.headers_mut();
        headers.insert(GRPC_STATUS, HeaderValue::from(status.code as u16));
        if let Ok(message) = HeaderValue::try_from(percent_encoded(&status.message)) {
            headers.insert(GRPC_MESSAGE, message);
        }
        if status.retry_after.is_some() {
            let details = STANDARD_NO_PAD.encode(status.encode());
            if let Ok(details) = HeaderValue::try_from(details) {
                headers.insert(GRPC_STATUS_DETAILS, details);
            }
        }
        response
    }

    /// What a client that does not speak gRPC gets.
    pub(super) fn not_grpc(status: StatusCode) -> Response<Self> {
        let mut response = Response::new(Self {
            message: None,
            trailers: None,
        });
        *response.status_mut() = status;
        response
    }
}

fn response(reply: Reply) -> Response<Reply> {
    let mut response = Response::new(reply);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, GRPC);
    headers.insert(
        GRPC_ACCEPT_ENCODING,
        HeaderValue::from_static(ACCEPTED_ENCODINGS),
    );
    response
}

/// gRPC's encoding of messages: printable ASCII but the percent sign goes as it is.
pub(super) fn percent_encoded(message: &str) -> String {
    let mut encoded = String::with_capacity(message.len());
    for byte in message.bytes() {
        match byte {
            b' '..=b'$' | b'&'..=b'~' => encoded.push(char::from(byte)),
            // Writing to a string cannot fail.
            _ => _ = write!(encoded, "%{byte:02X}"),
        }
    }
    encoded
}

impl Body for Reply {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = self.message.take().map(Frame::data);
        Poll::Ready(
            frame
                .or_else(|| self.trailers.take().map(Frame::trailers))
                .map(Ok),
        )
    }

    fn is_end_stream(&self) -> bool {
        self.message.is_none() && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.message.as_ref().map_or(0, Bytes::len) as u64)
    }
}
