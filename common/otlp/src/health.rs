//! gRPC's health service, `grpc.health.v1.Health`, on the wire: what kubelet's `grpc` probe and load balancers ask.
//!
//! `Check` is answered for the whole process (no name) and for each of OTLP's services. `Watch` streams its answers, and
//! all calls here are unary: it gets UNIMPLEMENTED, upon which gRPC's clients go on without it, as they are told to by its
//! specification.

use crate::Signal;
use crate::status::{Code, Status};
use crate::wire::{self, DEPTH, wire_type};
use bytes::Bytes;

#[cfg(test)]
mod tests;

/// Most bytes of a request that is read: a service's name.
pub const MAX_REQUEST: usize = 4096;

const SERVING: Bytes = Bytes::from_static(&[0x08, 1]);
const NOT_SERVING: Bytes = Bytes::from_static(&[0x08, 2]);

/// A method of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthCall {
    /// Asks once.
    Check,
    /// Asks to be told of changes.
    Watch,
}

impl HealthCall {
    /// The method that a gRPC `:path` names, if any.
    #[must_use]
    pub fn from_grpc_path(path: &str) -> Option<Self> {
        match path.strip_prefix("/grpc.health.v1.Health/")? {
            "Check" => Some(Self::Check),
            "Watch" => Some(Self::Watch),
            _ => None,
        }
    }

    /// The answer to a request's message. `ready` is whether the process can accept, `served` whether it serves a signal.
    ///
    /// # Errors
    /// The status to answer with.
    pub fn answer(
        self,
        message: &[u8],
        ready: bool,
        served: impl Fn(Signal) -> bool,
    ) -> Result<Bytes, Status> {
        if self == Self::Watch {
            let message = "Watch is not served here, as calls are unary: ask with Check";
            return Err(Status::new(Code::Unimplemented, message));
        }
        let service = service(message)
            .ok_or_else(|| Status::new(Code::InvalidArgument, "this is no HealthCheckRequest"))?;
        let signal = Signal::ALL
            .into_iter()
            .find(|signal| name(*signal) == service);
        match signal {
            None if !service.is_empty() => Err(unknown(service)),
            Some(signal) if !served(signal) => Err(unknown(service)),
            _ if ready => Ok(SERVING),
            _ => Ok(NOT_SERVING),
        }
    }
}

fn unknown(service: &str) -> Status {
    Status::new(
        Code::NotFound,
        format!("service {service} is not served here"),
    )
}

/// A signal's service, as in its method's path.
fn name(signal: Signal) -> &'static str {
    let path = signal.grpc_path().trim_start_matches('/');
    path.split('/').next().unwrap_or_default()
}

/// `HealthCheckRequest.service`.
fn service(message: &[u8]) -> Option<&str> {
    let (mut at, mut service) = (0, "");
    while at < message.len() {
        let (number, wire, next) = wire::key(message, at).ok()?;
        at = if (number, wire) == (1, wire_type::LENGTH) {
            let content = wire::length(message, next).ok()?;
            service = str::from_utf8(&message[content.clone()]).ok()?;
            content.end
        } else {
            wire::skip(message, next, number, wire, DEPTH).ok()?
        };
    }
    Some(service)
}
