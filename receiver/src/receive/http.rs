//! OTLP/HTTP: a POST per request, protobuf or JSON, over HTTP/1.1 and HTTP/2.
//!
//! *Invariant:* always answers, in the request's own encoding where that is known, and has read enough of the body by
//! then that the answer is not lost to a reset connection.
//!
//! Does not know connections: hyper hands requests over, of whatever body.

#[cfg(test)]
mod tests;

use super::cors::Cors;
use super::{Routes, header, peer};
use crate::metrics::{DoorCounts, Malformed};
use crate::pipeline::{BodyError, BodySource, Call, Limits};
use ::http::header::{
    ACCEPT_ENCODING, ALLOW, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE,
};
use ::http::request::Parts;
use ::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use bytes::Bytes;
use http_body::Body;
use http_body_util::{BodyExt, Full};
use penstock_auth::{Auth, Denied};
use penstock_otlp::Signal;
use penstock_otlp::compress::Encoding;
use penstock_otlp::status::Status;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const ENCODINGS: &str = "gzip, zstd, deflate, identity";
/// What is read of a body nobody wants, so that its sender gets to read the answer: closing a connection with unread
/// bytes resets it. Twice the largest limit that settings allow: a sender that is further off than that means no good.
const DISCARD_BYTES: usize = 128 << 20;
/// The same of somebody who may not send: what is on the way when the answer is made.
const UNAUTHENTICATED_BYTES: usize = 256 << 10;
const DISCARD_TIME: Duration = Duration::from_secs(5);

/// What the HTTP port of one receiver serves on one shard.
#[derive(Debug)]
pub(crate) struct HttpDoor {
    /// Path of each signal, by index.
    pub(crate) paths: [String; 3],
    pub(crate) routes: Routes,
    pub(crate) limits: Limits,
    pub(crate) counts: Arc<DoorCounts>,
    /// Who may send, if not everybody.
    pub(crate) auth: Option<Arc<Auth>>,
    /// Which pages in browsers may send, if any.
    pub(crate) cors: Option<Cors>,
    /// What goes with every answer.
    pub(crate) response_headers: HeaderMap,
}

impl HttpDoor {
    /// Answers one request.
    pub(crate) async fn answer<B>(
        &self,
        request: Request<B>,
        address: IpAddr,
    ) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes> + Send + Unpin,
    {
        let (head, body) = request.into_parts();
        let preflight = self.cors.as_ref().and_then(|cors| cors.preflight(&head));
        let mut response = match preflight {
            Some(answer) => answer,
            None => {
                let mut response = self.receive(&head, body, address).await;
                if let Some(cors) = &self.cors {
                    cors.mark(&head.headers, response.headers_mut());
                }
                response
            }
        };
        for (name, value) in &self.response_headers {
            response.headers_mut().insert(name, value.clone());
        }
        response
    }

    async fn receive<B>(&self, head: &Parts, body: B, address: IpAddr) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes> + Send + Unpin,
    {
        let mut body = HttpBody { body, ended: false };
        if let Some(auth) = &self.auth {
            let given = head.headers.get(auth.header());
            if let Err(denied) = auth.check(given.map(HeaderValue::as_bytes)).await {
                self.counts.denied(denied);
                body.discard_up_to(UNAUTHENTICATED_BYTES).await;
                let told = format!("{}\n", denied.message());
                if denied == Denied::Busy {
                    return response(StatusCode::SERVICE_UNAVAILABLE, TEXT, told);
                }
                let mut response = response(StatusCode::UNAUTHORIZED, TEXT, told);
                let challenge = HeaderValue::from_static(auth.challenge());
                response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
                return response;
            }
        }
        let path = head.uri.path();
        let signal = Signal::ALL
            .into_iter()
            .find(|signal| self.paths[signal.index()] == path);
        let route = signal.and_then(|signal| {
            self.routes[signal.index()]
                .as_ref()
                .map(|route| (signal, route))
        });
        let Some((signal, route)) = route else {
            let message = format!(
                "unknown path {path}; served here: {}",
                self.served().join(" ")
            );
            return self
                .malformed(Malformed::Path, StatusCode::NOT_FOUND, message, body)
                .await;
        };
        if head.method != Method::POST {
            let message = format!("{path} takes POST only");
            let refused = StatusCode::METHOD_NOT_ALLOWED;
            let mut response = self
                .malformed(Malformed::Method, refused, message, body)
                .await;
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("POST"));
            return response;
        }
        let refused = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        let Some(json) = is_json(header(&head.headers, CONTENT_TYPE.as_str())) else {
            let message = format!("content-type is neither {PROTOBUF} nor {JSON}");
            return self
                .malformed(Malformed::ContentType, refused, message, body)
                .await;
        };
        let Some(encoding) = Encoding::from_header(header(&head.headers, "content-encoding"))
        else {
            let message = format!("content-encoding is none of {ENCODINGS}");
            let mut response = self
                .malformed(Malformed::Encoding, refused, message, body)
                .await;
            response
                .headers_mut()
                .insert(ACCEPT_ENCODING, HeaderValue::from_static(ENCODINGS));
            return response;
        };
        let call = Call {
            peer: peer(address, &head.headers),
            encoding,
            json,
            declared_len: declared_len(&head.headers),
            patience: None,
            limits: self.limits,
            handed_over: None,
        };
        match route
            .pipeline
            .export(&call, &mut body, &route.entrance)
            .await
        {
            Ok(ack) if json => response(StatusCode::OK, JSON, ack.to_json(signal)),
            Ok(ack) => response(StatusCode::OK, PROTOBUF, ack.encode()),
            Err(status) => {
                body.discard().await;
                refusal(&status, json)
            }
        }
    }

    /// An answer to a request that cannot be given to any signal, in plain text: its encoding may be unknown.
    async fn malformed<B>(
        &self,
        why: Malformed,
        status: StatusCode,
        message: String,
        mut body: HttpBody<B>,
    ) -> Response<Full<Bytes>>
    where
        B: Body<Data = Bytes> + Send + Unpin,
    {
        self.counts.malformed(why);
        body.discard().await;
        response(status, TEXT, message + "\n")
    }

    fn served(&self) -> Vec<&str> {
        let signals = Signal::ALL.iter().map(|signal| signal.index());
        let served = signals.filter(|index| self.routes[*index].is_some());
        served.map(|index| self.paths[index].as_str()).collect()
    }
}

fn refusal(status: &Status, json: bool) -> Response<Full<Bytes>> {
    let code = StatusCode::from_u16(status.http_status());
    let code = code.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = if json {
        response(code, JSON, status.to_json())
    } else {
        response(code, PROTOBUF, status.encode())
    };
    if let Some(after) = status.retry_after {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn response(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Whether a body is JSON (or else protobuf); `None` when it is neither. Parameters are of no meaning here.
fn is_json(content_type: &str) -> Option<bool> {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case(PROTOBUF) {
        Some(false)
    } else if media_type.eq_ignore_ascii_case(JSON) {
        Some(true)
    } else {
        None
    }
}

/// hyper has seen to it that the header is a number and agrees with the framing.
fn declared_len(headers: &HeaderMap) -> Option<usize> {
    header(headers, CONTENT_LENGTH.as_str()).parse().ok()
}

struct HttpBody<B> {
    body: B,
    ended: bool,
}

impl<B: Body<Data = Bytes> + Send + Unpin> HttpBody<B> {
    /// Reads on for a little while and keeps nothing.
    async fn discard(&mut self) {
        self.discard_up_to(DISCARD_BYTES).await;
    }

    async fn discard_up_to(&mut self, most: usize) {
        let reading = async {
            let mut bytes = 0;
            while let Some(Ok(chunk)) = self.chunk().await {
                bytes += chunk.len();
                if bytes > most {
                    return;
                }
            }
        };
        // Too slow is as good as read.
        let _in_time = timeout(DISCARD_TIME, reading).await.is_ok();
    }
}

impl<B: Body<Data = Bytes> + Send + Unpin> BodySource for HttpBody<B> {
    async fn chunk(&mut self) -> Option<Result<Bytes, BodyError>> {
        while !self.ended {
            match self.body.frame().await {
                None => self.ended = true,
                Some(Err(_broken)) => {
                    self.ended = true;
                    return Some(Err(BodyError::Gone));
                }
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data()
                        && !data.is_empty()
                    {
                        return Some(Ok(data));
                    }
                }
            }
        }
        None
    }
}
