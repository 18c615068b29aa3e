//! OTLP/gRPC: three unary methods over HTTP/2.
//!
//! *Invariant:* always answers; a fault of one call never ends its connection.
//!
//! Does not know connections: hyper hands requests over, of whatever body.

mod message;
mod reply;

#[cfg(test)]
mod tests;

use super::{Routes, header, peer};
use crate::metrics::{DoorCounts, Malformed};
use crate::pipeline::{Call, Limits};
use ::http::{Method, Request, Response, StatusCode};
use bytes::Bytes;
use http_body::Body;
use message::Message;
use penstock_otlp::Signal;
use penstock_otlp::compress::Encoding;
use penstock_otlp::status::{Code, Status};
pub(crate) use reply::Reply;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// What the gRPC port of one receiver serves on one shard.
#[derive(Debug)]
pub(crate) struct GrpcDoor {
    pub(crate) routes: Routes,
    pub(crate) limits: Limits,
    pub(crate) counts: Arc<DoorCounts>,
}

impl GrpcDoor {
    /// Answers one call.
    pub(crate) async fn answer<B>(&self, request: Request<B>, address: IpAddr) -> Response<Reply>
    where
        B: Body<Data = Bytes> + Send + Unpin,
    {
        if !is_grpc(header(request.headers(), "content-type")) {
            self.counts.malformed(Malformed::ContentType);
            return Reply::not_grpc(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        }
        if request.method() != Method::POST {
            self.counts.malformed(Malformed::Method);
            return Reply::not_grpc(StatusCode::METHOD_NOT_ALLOWED);
        }
        match self.export(request, address).await {
            Ok(message) => Reply::message(&message),
            Err(status) => Reply::status(&status),
        }
    }

    async fn export<B>(&self, request: Request<B>, address: IpAddr) -> Result<Bytes, Status>
    where
        B: Body<Data = Bytes> + Send + Unpin,
    {
        let (head, body) = request.into_parts();
        let route = Signal::from_grpc_path(head.uri.path())
            .and_then(|signal| self.routes[signal.index()].as_ref());
        let Some(route) = route else {
            self.counts.malformed(Malformed::Path);
            return Err(self.unimplemented(head.uri.path()));
        };
        let Some(encoding) = encoding(header(&head.headers, "grpc-encoding")) else {
            self.counts.malformed(Malformed::Encoding);
            let message = format!("grpc-encoding is none of {}", reply::ACCEPTED_ENCODINGS);
            return Err(Status::new(Code::Unimplemented, message));
        };
        let mut message = match Message::open(body, encoding, self.limits.read_timeout).await {
            Ok(message) => message,
            Err(status) => {
                self.counts.malformed(Malformed::Protocol);
                return Err(status);
            }
        };
        let call = Call {
            peer: peer(address, &head.headers),
            encoding: message.encoding(),
            json: false,
            declared_len: Some(message.len()),
            patience: patience(header(&head.headers, "grpc-timeout")),
            limits: self.limits,
        };
        let response = route
            .pipeline
            .export(&call, &mut message, &route.entrance)
            .await?;
        Ok(response.encode())
    }

    fn unimplemented(&self, path: &str) -> Status {
        let served = Signal::ALL
            .into_iter()
            .filter(|signal| self.routes[signal.index()].is_some());
        let served: Vec<_> = served.map(Signal::grpc_path).collect();
        let message = format!("unknown method {path}; served here: {}", served.join(" "));
        Status::new(Code::Unimplemented, message)
    }
}

/// `application/grpc`, alone, with parameters, or as `application/grpc+proto`.
fn is_grpc(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    ["application/grpc", "application/grpc+proto"]
        .into_iter()
        .any(|known| media_type.eq_ignore_ascii_case(known))
}

fn encoding(value: &str) -> Option<Encoding> {
    Encoding::from_header(value).filter(|encoding| *encoding != Encoding::Deflate)
}

/// `grpc-timeout`: at most eight digits and a unit.
fn patience(value: &str) -> Option<Duration> {
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}
