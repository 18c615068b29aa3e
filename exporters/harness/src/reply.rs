//! Outcomes as gRPC responses: the one place where an [`ExportError`] becomes a code.
//!
//! *Invariant:* the inverse of the hop client's reading of a status, for our own receivers and anyone's.

use crate::message::ACCEPTED;
use crate::{ExportError, Exported};
use bytes::{BufMut, Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use penstock_otlp::check::CheckError;
use penstock_otlp::response::ExportResponse;
use penstock_otlp::status::{Code, Status};
use std::convert::Infallible;
use tonic::body::Body;

#[cfg(test)]
mod tests;

/// Longest message in a status: it travels in headers, which peers limit.
const MAX_MESSAGE: usize = 1024;

/// | error | code |
/// |---|---|
/// | retry | UNAVAILABLE, with RetryInfo when the backend said when |
/// | too large | RESOURCE_EXHAUSTED without RetryInfo, the message begins with `batch is too large` |
/// | rejected | INVALID_ARGUMENT |
pub(crate) fn status_of(error: ExportError) -> Status {
    match error {
        ExportError::Retry { after, reason } => Status {
            code: Code::Unavailable,
            message: reason,
            retry_after: after,
        },
        ExportError::TooLarge { reason } => Status::new(
            Code::ResourceExhausted,
            format!("batch is too large: {reason}"),
        ),
        ExportError::Rejected { reason } => Status::new(Code::InvalidArgument, reason),
    }
}

/// A batch that is not valid OTLP is never going to be.
pub(crate) fn malformed(error: &CheckError) -> Status {
    Status::new(
        Code::InvalidArgument,
        format!("batch is not valid: {error}"),
    )
}

/// Success, with the partial success if there is one.
pub(crate) fn exported(exported: Exported) -> Response<Body> {
    let rejected = u64::try_from(exported.rejected).unwrap_or(u64::MAX);
    let message = ExportResponse {
        rejected,
        message: exported.message,
    }
    .encode();
    self::message(&message)
}

/// Success with an encoded message.
pub(crate) fn message(message: &[u8]) -> Response<Body> {
    let mut frame = BytesMut::with_capacity(message.len() + 5);
    frame.put_u8(0);
    // A message is a few words of a backend: far from 4 GiB.
    frame.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    frame.extend_from_slice(message);
    let trailers = HeaderMap::from_iter([(
        http::HeaderName::from_static("grpc-status"),
        HeaderValue::from_static("0"),
    )]);
    let body = Full::new(frame.freeze())
        .with_trailers(std::future::ready(Some(Ok::<_, Infallible>(trailers))));
    let mut response = Response::new(Body::new(body));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response
}

/// Anything else.
pub(crate) fn status(mut status: Status) -> Response<Body> {
    status
        .message
        .truncate(status.message.floor_char_boundary(MAX_MESSAGE));
    let details = match status.retry_after {
        Some(_) => status.encode(),
        None => Bytes::new(),
    };
    let code = tonic::Code::from_i32(i32::from(status.code as u8));
    let mut response: Response<Body> =
        tonic::Status::with_details(code, status.message, details).into_http();
    if code == tonic::Code::Unimplemented {
        response
            .headers_mut()
            .insert("grpc-accept-encoding", HeaderValue::from_static(ACCEPTED));
    }
    response
}

/// Not gRPC at all.
pub(crate) fn not_grpc() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::UNSUPPORTED_MEDIA_TYPE;
    response
}
