//! gRPC's health service on the port that takes OTLP: kubelet's `grpc` probe asks here.
//!
//! *Invariant:* takes no place of an export and no memory of the budget.

use super::{GrpcDoor, UNFIT_BODY, reply};
use bytes::{Buf, Bytes};
use penstock_http2::{Body, Response};
use penstock_otlp::health::{HealthCall, MAX_REQUEST};
use penstock_otlp::status::{Code, Status};
use penstock_runtime::Phase;
use tokio::time::timeout;

/// Compressed flag and length.
const PREFIX: usize = 5;

impl GrpcDoor {
    /// Answers a call of the health service.
    pub(super) async fn health(&self, method: HealthCall, mut body: Body) -> Response {
        match self.answer(method, &mut body).await {
            Ok(message) => self.replies.message(&message),
            Err(status) => reply::status(&status),
        }
    }

    async fn answer(&self, method: HealthCall, body: &mut Body) -> Result<Bytes, Status> {
        let unread = || Status::new(Code::InvalidArgument, "this is no HealthCheckRequest");
        let read = timeout(UNFIT_BODY, body.collect(PREFIX + MAX_REQUEST)).await;
        let mut message = read.map_err(|_| unread())?.map_err(|_| unread())?;
        if message.len() < PREFIX || message.get_u8() != 0 {
            return Err(unread());
        }
        if message.get_u32() as usize != message.len() {
            return Err(unread());
        }
        let ready = self.drain.phase() == Phase::Running;
        method.answer(&message, ready, |signal| {
            self.routes[signal.index()].is_some()
        })
    }
}
