//! Reads the one gRPC message of a call.
//!
//! *Invariant:* never holds more than the limit, before and after decompression. Room is asked for once, when the length is
//! known; the system gives its pages as bytes come.
//!
//! tonic's own decoder is not used since it answers a message over the limit with OUT_OF_RANGE, which tells a sender to
//! try the same again.

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;
use http_body::Body;
use http_body_util::BodyExt;
use penstock_otlp::compress::{DecompressError, Encoding, decompress};
use penstock_otlp::status::{Code, Status};
use std::fmt::Display;
use std::pin::pin;

#[cfg(test)]
mod tests;

/// Compressed flag and length.
const PREFIX: usize = 5;
/// What `grpc-accept-encoding` says.
pub(crate) const ACCEPTED: &str = "identity,gzip,zstd,deflate";

/// Reads and decompresses the message of a call with these headers.
///
/// # Errors
/// The status to answer with.
pub(crate) async fn read<B>(headers: &HeaderMap, body: B, limit: usize) -> Result<Bytes, Status>
where
    B: Body<Data = Bytes>,
    B::Error: Display,
{
    let encoding = encoding(headers)?;
    let mut body = pin!(body);
    let mut data = BytesMut::new();
    let mut length = None;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|err| Status::new(Code::Internal, err.to_string()))?;
        let Ok(bytes) = frame.into_data() else { break };
        data.extend_from_slice(&bytes);
        if length.is_none() && data.len() >= PREFIX {
            let (flag, declared) = (data.get_u8(), data.get_u32());
            let declared = usize::try_from(declared).unwrap_or(usize::MAX);
            if declared > limit {
                return Err(too_large(limit));
            }
            data.reserve(declared.saturating_sub(data.len()));
            length = Some((flag, declared));
        }
        if length.is_some_and(|(_, length)| data.len() > length) {
            return Err(Status::new(
                Code::Internal,
                "more than one message in a unary call",
            ));
        }
    }
    let message = match length {
        Some((flag, length)) if data.len() == length => (flag, data.freeze()),
        _ => return Err(Status::new(Code::Internal, "the message is cut short")),
    };
    match (message, encoding) {
        ((0, message), _) => Ok(message),
        ((1, message), Some(encoding)) => {
            decompress(encoding, &message, limit).map_err(|err| match err {
                DecompressError::TooLarge { .. } => too_large(limit),
                DecompressError::Invalid { .. } => Status::new(Code::Internal, err.to_string()),
            })
        }
        ((flag, _), _) => {
            let message = format!("compressed flag is {flag} and grpc-encoding names no encoding");
            Err(Status::new(Code::Internal, message))
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
