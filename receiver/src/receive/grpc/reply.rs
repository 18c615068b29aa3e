//! gRPC's answers: one message and trailers, or trailers alone.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::{BufMut, Bytes, BytesMut};
use penstock_http2::{Block, Response};
use penstock_otlp::response::ExportResponse;
use penstock_otlp::status::Status;
use std::fmt::Write;

/// `grpc-accept-encoding`.
pub(super) const ACCEPTED_ENCODINGS: &str = "identity,gzip,zstd";

/// The frame of an empty message, which a full success is.
const EMPTY: Bytes = Bytes::from_static(&[0; 5]);

/// For a person who looks at it with an HTTP client.
const NOT_GRPC: Bytes = Bytes::from_static(b"this port takes OTLP over gRPC\n");

/// The parts of answers that are always the same.
#[derive(Clone, Debug)]
pub(crate) struct Replies {
    headers: Block,
    ok: Block,
}

impl Replies {
    pub(crate) fn new() -> Self {
        Self {
            headers: grpc().build(),
            ok: Block::trailers().field("grpc-status", b"0").build(),
        }
    }

    /// OK with a message.
    pub(super) fn ok(&self, response: &ExportResponse) -> Response {
        let message = if *response == ExportResponse::default() {
            EMPTY
        } else {
            framed(&response.encode())
        };
        Response::unary(self.headers.clone(), message, self.ok.clone())
    }

    /// OK with a message that is encoded already.
    pub(super) fn message(&self, message: &[u8]) -> Response {
        Response::unary(self.headers.clone(), framed(message), self.ok.clone())
    }
}

/// An error: everything in the headers, and the stream's end with them.
pub(super) fn status(status: &Status) -> Response {
    let mut headers = grpc()
        .field("grpc-status", (status.code as u16).to_string().as_bytes())
        .field("grpc-message", percent_encoded(&status.message).as_bytes());
    if status.retry_after.is_some() {
        let details = STANDARD_NO_PAD.encode(status.encode());
        headers = headers.field("grpc-status-details-bin", details.as_bytes());
    }
    Response::headers(headers.build())
}

/// What a client that does not speak gRPC gets. HEAD's answer has no content.
pub(super) fn not_grpc(status: u16, method: &[u8]) -> Response {
    let headers = Block::response(status).field("content-type", b"text/plain");
    if method == b"HEAD" {
        return Response::headers(headers.build());
    }
    Response::plain(headers.build(), NOT_GRPC)
}

fn grpc() -> penstock_http2::hpack::BlockBuilder {
    Block::response(200)
        .field("content-type", b"application/grpc")
        .field("grpc-accept-encoding", ACCEPTED_ENCODINGS.as_bytes())
}

fn framed(message: &[u8]) -> Bytes {
    let mut framed = BytesMut::with_capacity(5 + message.len());
    framed.put_u8(0);
    // What we answer is a count and a sentence at most, far below the field's limit.
    framed.put_u32(message.len() as u32);
    framed.put_slice(message);
    framed.freeze()
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
