//! Reads the one gRPC message of a call.
//!
//! *Invariant:* never holds more than the limit, before and after decompression, in however many frames it comes.
//!
//! tonic's own decoder is not used since it answers a message over the limit with OUT_OF_RANGE, which tells a sender to
//! try the same again.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::Body;
use http_body_util::BodyExt;
use penstock_otlp::compress::{DecompressError, Encoding, decompress};
use penstock_otlp::join::join;
use penstock_otlp::status::{Code, Status};
use std::fmt::Display;
use std::pin::pin;

#[cfg(test)]
mod tests;

/// Compressed flag and length.
const PREFIX: usize = 5;
/// Smaller pieces are copied together, so that their number is bounded by the limit.
const JOIN_BELOW: usize = 4 << 10;
/// What `grpc-accept-encoding` says.
pub(crate) const ACCEPTED: &str = "identity,gzip,zstd,deflate";

/// Reads and decompresses the message of a call with these headers. Gives it in the pieces that it came in.
///
/// # Errors
/// The status to answer with.
pub(crate) async fn read<B>(
    headers: &HeaderMap,
    body: B,
    limit: usize,
) -> Result<Vec<Bytes>, Status>
where
    B: Body<Data = Bytes>,
    B::Error: Display,
{
    let encoding = encoding(headers)?;
    let mut body = pin!(body);
    let mut framing = Framing::default();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|err| Status::new(Code::Internal, err.to_string()))?;
        let Ok(bytes) = frame.into_data() else { break };
        framing.push(bytes, limit)?;
    }
    let (flag, chunks) = framing.end()?;
    match (flag, encoding) {
        (0, _) => Ok(chunks),
        (1, Some(encoding)) => {
            let message = decompress(encoding, &join(&chunks), limit);
            let message = message.map_err(|err| match err {
                DecompressError::TooLarge { .. } => too_large(limit),
                DecompressError::Invalid { .. } => Status::new(Code::Internal, err.to_string()),
            })?;
            Ok(vec![message])
        }
        (flag, _) => {
            let message = format!("compressed flag is {flag} and grpc-encoding names no encoding");
            Err(Status::new(Code::Internal, message))
        }
    }
}

/// A message as far as it has come.
#[derive(Default)]
struct Framing {
    prefix: BytesMut,
    chunks: Vec<Bytes>,
    /// Small pieces behind `chunks`.
    joined: BytesMut,
    len: usize,
}

impl Framing {
    /// Compressed flag and length, once they have come.
    fn declared(&self) -> Option<(u8, usize)> {
        let [flag, length @ ..] = *self.prefix.first_chunk::<PREFIX>()?;
        let length = usize::try_from(u32::from_be_bytes(length));
        Some((flag, length.unwrap_or(usize::MAX)))
    }

    fn push(&mut self, mut bytes: Bytes, limit: usize) -> Result<(), Status> {
        if self.prefix.len() < PREFIX {
            let missing = PREFIX - self.prefix.len();
            let part = bytes.split_to(missing.min(bytes.len()));
            self.prefix.extend_from_slice(&part);
        }
        let Some((_, declared)) = self.declared() else {
            return Ok(());
        };
        if declared > limit {
            return Err(too_large(limit));
        }
        self.len += bytes.len();
        if self.len > declared {
            return Err(Status::new(
                Code::Internal,
                "more than one message in a unary call",
            ));
        }
        if bytes.len() < JOIN_BELOW {
            self.joined.extend_from_slice(&bytes);
        } else {
            self.close();
            self.chunks.push(bytes);
        }
        Ok(())
    }

    fn close(&mut self) {
        if !self.joined.is_empty() {
            self.chunks.push(self.joined.split().freeze());
        }
    }

    /// Flag and message.
    fn end(mut self) -> Result<(u8, Vec<Bytes>), Status> {
        match self.declared() {
            Some((flag, length)) if self.len == length => {
                self.close();
                Ok((flag, self.chunks))
            }
            _ => Err(Status::new(Code::Internal, "the message is cut short")),
        }
    }
}

fn encoding(headers: &HeaderMap) -> Result<Option<Encoding>, Status> {
    let Some(value) = headers.get("grpc-encoding") else {
        return Ok(None);
    };
    match value.to_str().ok().and_then(Encoding::from_header) {
        Some(Encoding::Identity) => Ok(None),
        Some(encoding) => Ok(Some(encoding)),
        None => {
            let message = format!("grpc-encoding {value:?} is none of {ACCEPTED}");
            Err(Status::new(Code::Unimplemented, message))
        }
    }
}

fn too_large(limit: usize) -> Status {
    Status::new(
        Code::ResourceExhausted,
        format!("message is larger than {limit} bytes"),
    )
}
