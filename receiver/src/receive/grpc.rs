//! OTLP/gRPC: three unary methods over HTTP/2.
//!
//! *Invariant:* always answers; a fault of one call never ends its connection. Whether a call is served at all is decided
//! on its headers.
//!
//! Does not know sockets: `penstock-http2` hands calls over, connection by connection.

mod health;
mod message;
mod reply;

#[cfg(test)]
mod tests;

use super::parking::{Parking, Pool};
use super::{Route, Routes};
use crate::hand_over::HandedOver;
use crate::identify::forwarded_for;
use crate::metrics::{DoorCounts, Malformed};
use crate::pipeline::{Call, Limits, Peer};
use bytes::Bytes;
use message::{Message, Place};
use penstock_auth::{Auth, Denied};
use penstock_http2::{Body, Gated, Head, Response, Service};
use penstock_otlp::Signal;
use penstock_otlp::compress::Encoding;
use penstock_otlp::health::HealthCall;
use penstock_otlp::status::{Code, Status};
use penstock_runtime::Drain;
pub(crate) use reply::Replies;
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::task::Context;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// For the body of a request that is no gRPC, of which a stream's window is let in.
const UNFIT_BODY: Duration = Duration::from_secs(5);

/// What the gRPC port of one receiver serves on one shard.
#[derive(Debug)]
pub(crate) struct GrpcDoor {
    pub(crate) routes: Routes,
    pub(crate) limits: Limits,
    pub(crate) counts: Arc<DoorCounts>,
    pub(crate) replies: Replies,
    pub(crate) pool: Arc<Pool>,
    pub(crate) drain: Drain,
    /// Who may send, if not everybody.
    pub(crate) auth: Option<Arc<Auth>>,
    /// Calls of one signal that one connection may have held.
    pub(crate) held_calls: u32,
    /// What a sender may send of a body that is not pulled.
    pub(crate) stream_window: usize,
}

/// One connection: begins its calls.
#[derive(Debug)]
pub(crate) struct Connection {
    shared: Arc<Shared>,
    /// Senders repeat themselves: what the last headers of each signal said.
    known: [Option<(Head, Terms)>; 3],
    /// Told of the first call.
    first_call: Option<oneshot::Sender<()>>,
}

/// What all calls of a connection have in common.
#[derive(Debug)]
struct Shared {
    door: Arc<GrpcDoor>,
    address: IpAddr,
    parking: Arc<Parking>,
}

/// What a call's headers say.
#[derive(Clone, Debug)]
struct Terms {
    route: Route,
    encoding: Encoding,
    peer: Peer,
    patience: Option<Duration>,
    handed_over: Option<Box<HandedOver>>,
}

/// Why a call is no export that can be accepted.
#[derive(Debug)]
enum Unfit {
    /// It asks how we are.
    Health(HealthCall),
    /// Not gRPC: an answer of HTTP.
    Http(Box<Response>),
    Grpc(Status),
}

impl Unfit {
    fn http(status: u16, head: &Head) -> Self {
        Self::Http(Box::new(reply::not_grpc(status, head.method())))
    }
}

/// Counts a call that ends before its message has begun.
struct Unbegun<'a>(&'a DoorCounts);

impl Drop for Unbegun<'_> {
    fn drop(&mut self) {
        self.0.malformed(Malformed::Protocol);
    }
}

impl Connection {
    /// A connection from `address`.
    pub(crate) fn new(
        door: &Arc<GrpcDoor>,
        address: IpAddr,
        first_call: oneshot::Sender<()>,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                door: Arc::clone(door),
                address,
                parking: Parking::new(&door.pool, door.held_calls),
            }),
            known: [const { None }; 3],
            first_call: Some(first_call),
        }
    }

    /// The connection as HTTP/2 serves it: not read while there is no place for what it may bring.
    pub(crate) fn into_service(mut self) -> impl Service<Call: Send> + Send {
        let shared = Arc::clone(&self.shared);
        Gated {
            service: move |head: Head, body: Body| self.call(head, body),
            gate: move |cx: &mut Context<'_>| shared.parking.poll_read(cx),
        }
    }

    /// Begins a call; its future gives the answer.
    pub(crate) fn call(
        &mut self,
        head: Head,
        mut body: Body,
    ) -> impl Future<Output = Response> + Send + use<> {
        if let Some(first_call) = self.first_call.take() {
            // Nobody has to wait for it.
            _ = first_call.send(());
        }
        let shared = Arc::clone(&self.shared);
        // Told by each call for itself: what a known head was worth may have changed.
        let auth = shared.door.auth.as_ref();
        let given = auth.and_then(|auth| Some(Bytes::copy_from_slice(head.get(auth.header())?)));
        let terms = self.terms(head);
        async move {
            match terms {
                Ok(terms) => match shared.door.admits(given).await {
                    Ok(()) => shared.export(terms, body).await,
                    Err(status) => reply::status(&status),
                },
                Err(Unfit::Http(answer)) => {
                    // Many HTTP clients look for an answer only when their request has left.
                    let discarded = body.discard(shared.door.stream_window);
                    let _whole = timeout(UNFIT_BODY, discarded).await;
                    *answer
                }
                Err(Unfit::Health(method)) => shared.door.health(method, body).await,
                Err(Unfit::Grpc(status)) => reply::status(&status),
            }
        }
    }

    fn terms(&mut self, head: Head) -> Result<Terms, Unfit> {
        let mut known = self.known.iter().flatten();
        if let Some((_, terms)) = known.find(|(known, _)| known.same(&head)) {
            return Ok(terms.clone());
        }
        let terms = self.shared.door.terms(&head, self.shared.address)?;
        let signal = terms.route.pipeline.signal;
        self.shared.parking.carries(signal);
        self.known[signal.index()] = Some((head, terms.clone()));
        Ok(terms)
    }
}

impl GrpcDoor {
    fn terms(&self, head: &Head, address: IpAddr) -> Result<Terms, Unfit> {
        if !is_grpc(header(head, "content-type")) {
            self.counts.malformed(Malformed::ContentType);
            return Err(Unfit::http(415, head));
        }
        if head.method() != b"POST" {
            self.counts.malformed(Malformed::Method);
            return Err(Unfit::http(405, head));
        }
        let path = text(head.path()).split('?').next().unwrap_or_default();
        let signal = Signal::from_grpc_path(path);
        if let Some(method) = HealthCall::from_grpc_path(path) {
            return Err(Unfit::Health(method));
        }
        let Some(route) = signal.and_then(|signal| self.routes[signal.index()].clone()) else {
            self.counts.malformed(Malformed::Path);
            return Err(Unfit::Grpc(self.unimplemented(path)));
        };
        let Some(encoding) = encoding(header(head, "grpc-encoding")) else {
            self.counts.malformed(Malformed::Encoding);
            let message = format!("grpc-encoding is none of {}", reply::ACCEPTED_ENCODINGS);
            return Err(Unfit::Grpc(Status::new(Code::Unimplemented, message)));
        };
        // Proxies may each add a line of their own: the last one is nearest to us.
        let forwarded = head.get_all("x-forwarded-for").last();
        Ok(Terms {
            route,
            encoding,
            peer: Peer {
                address,
                forwarded_for: forwarded.and_then(|value| forwarded_for(text(value))),
            },
            patience: patience(header(head, "grpc-timeout")),
            handed_over: HandedOver::read(|name| head.get(name)).map(Box::new),
        })
    }

    /// Whether the sender may send.
    async fn admits(&self, given: Option<Bytes>) -> Result<(), Status> {
        let Some(auth) = &self.auth else {
            return Ok(());
        };
        auth.check(given.as_deref()).await.map_err(|denied| {
            self.counts.denied(denied);
            let code = match denied {
                Denied::Busy => Code::Unavailable,
                Denied::Missing | Denied::Wrong => Code::Unauthenticated,
            };
            Status::new(code, denied.message())
        })
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

impl Shared {
    async fn export(&self, terms: Terms, body: Body) -> Response {
        let Self { door, parking, .. } = self;
        let Route { pipeline, entrance } = &terms.route;
        let place = Place {
            parking: Arc::clone(parking),
            signal: pipeline.signal,
            stream_window: door.stream_window,
        };
        let unbegun = Unbegun(&door.counts);
        let opened = Message::open(body, terms.encoding, place, door.limits.read_timeout).await;
        let mut message = match opened {
            Ok(message) => message,
            Err(status) => return reply::status(&status),
        };
        std::mem::forget(unbegun);
        let call = Call {
            peer: terms.peer,
            encoding: message.encoding(),
            json: false,
            declared_len: Some(message.len()),
            patience: terms.patience,
            limits: door.limits,
            handed_over: terms.handed_over,
        };
        match pipeline.export(&call, &mut message, entrance).await {
            Ok(response) => door.replies.ok(&response),
            Err(status) => reply::status(&status),
        }
    }
}

/// `application/grpc`, alone, with parameters, or as `application/grpc+proto`.
fn is_grpc(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    ["application/grpc", "application/grpc+proto"]
        .into_iter()
        .any(|known| media_type.eq_ignore_ascii_case(known))
}

/// A header's first value if it is readable; empty otherwise.
fn header<'a>(head: &'a Head, name: &str) -> &'a str {
    head.get(name).map(text).unwrap_or_default()
}

fn text(bytes: &[u8]) -> &str {
    str::from_utf8(bytes).unwrap_or_default()
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
