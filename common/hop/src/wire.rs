//! gRPC's framing of one message each way, and its status headers.
//!
//! *Invariant:* chunks of a payload are written as they are, never copied together; nothing that a peer answers can
//! make us panic.

use crate::metadata::percent_decode;
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::{BufMut, Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame};
use penstock_otlp::compress::{Encoding, compress};
use penstock_otlp::status::{Code, Status};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

#[cfg(test)]
mod tests;

/// Compressed flag and length.
const PREFIX: usize = 5;
/// gRPC peers write base64 with and without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// One gRPC message as a request body. Clones share the bytes.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    frames: VecDeque<Bytes>,
}

impl Message {
    /// The concatenation of `chunks` as one message; `None` when gRPC cannot frame that much.
    pub(crate) fn new(chunks: &[Bytes], encoding: Encoding) -> Option<Self> {
        let mut frames: VecDeque<Bytes> = match encoding {
            Encoding::Identity => chunks
                .iter()
                .filter(|chunk| !chunk.is_empty())
                .cloned()
                .collect(),
            _ => VecDeque::from([compress(encoding, chunks)]),
        };
        let length = u32::try_from(frames.iter().map(Bytes::len).sum::<usize>()).ok()?;
        let mut prefix = BytesMut::with_capacity(PREFIX);
        prefix.put_u8(u8::from(encoding != Encoding::Identity));
        prefix.put_u32(length);
        frames.push_front(prefix.freeze());
        Some(Self { frames })
    }
}

impl Body for Message {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.frames.pop_front().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty()
    }
}

/// The message in a response body. `None` when it is not one whole, uncompressed message; no body at all is an empty
/// message, as some servers have it.
pub(crate) fn unframe(body: &[u8]) -> Option<&[u8]> {
    if body.is_empty() {
        return Some(body);
    }
    let (prefix, message) = body.split_first_chunk::<PREFIX>()?;
    let [flag, length @ ..] = prefix;
    let whole = usize::try_from(u32::from_be_bytes(*length)).ok() == Some(message.len());
    (*flag == 0 && whole).then_some(message)
}

/// The status in headers or trailers, if there is one.
pub(crate) fn status(headers: &HeaderMap) -> Option<Status> {
    let text = |name| headers.get(name).map(|value| value.as_bytes());
    let code = text("grpc-status")?;
    let code = std::str::from_utf8(code)
        .ok()
        .and_then(|code| code.parse().ok());
    let details = text("grpc-status-details-bin")
        .and_then(|details| BASE64.decode(details).ok())
        .and_then(|details| Status::decode(&details));
    Some(Status {
        code: code.map_or(Code::Unknown, Code::from_number),
        message: percent_decode(text("grpc-message").unwrap_or_default()),
        retry_after: details.and_then(|details| details.retry_after),
    })
}
