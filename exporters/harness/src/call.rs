//! One call from the hop: read, check, look for its twin, export, answer.
//!
//! *Invariant:* a batch whose export has begun is followed to its end and remembered, also when the caller is gone by then:
//! the caller will send it again, and then the answer is there.

use crate::duplicates::{Answer, Claim, Duplicates, Seen};
use crate::{ExportBatch, ExportError, Exported, Exporter, Ledger, health, message, reply};
use bytes::Bytes;
use futures_util::FutureExt;
use http::header::CONTENT_TYPE;
use http::{Request, Response};
use penstock_hop::{Origin, SIBLINGS, metadata};
use penstock_otlp::Signal;
use penstock_otlp::check::{check, count};
use penstock_otlp::health::{HealthCall, MAX_REQUEST};
use penstock_otlp::join::join;
use penstock_otlp::status::{Code, Status};
use penstock_runtime::{Drain, Tasks};
use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;
use tonic::body::Body;

/// A sender that has begun and does not go on gives its place back after this time.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The hop's service. Clones are the same service.
#[derive(Debug)]
pub(crate) struct Service<E> {
    shared: Arc<Shared<E>>,
}

#[derive(Debug)]
struct Shared<E> {
    exporter: Arc<E>,
    ledger: Arc<Ledger>,
    duplicates: Duplicates,
    places: Arc<Semaphore>,
    max_message_bytes: usize,
    tasks: Tasks,
    drain: Drain,
}

impl<E> Clone for Service<E> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<E: Exporter> Service<E> {
    pub(crate) fn new(
        exporter: Arc<E>,
        ledger: Arc<Ledger>,
        duplicates: Duplicates,
        places: Arc<Semaphore>,
        max_message_bytes: usize,
        tasks: Tasks,
        drain: Drain,
    ) -> Self {
        let shared = Shared {
            exporter,
            ledger,
            duplicates,
            places,
            max_message_bytes,
            tasks,
            drain,
        };
        Self {
            shared: Arc::new(shared),
        }
    }
}

impl<E: Exporter> tower::Service<Request<Body>> for Service<E> {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let is_grpc = request
                .headers()
                .get(CONTENT_TYPE)
                .is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"));
            if !is_grpc {
                return Ok(reply::not_grpc());
            }
            if let Some(call) = HealthCall::from_grpc_path(request.uri().path()) {
                return Ok(match shared.health(call, request).await {
                    Ok(message) => reply::message(&message),
                    Err(status) => reply::status(status),
                });
            }
            if let Some(name) = request.uri().path().strip_prefix(SIBLINGS) {
                let name = name.to_owned();
                return Ok(match shared.sibling(&name, request).await {
                    Ok(message) => reply::message(&message),
                    Err(status) => reply::status(status),
                });
            }
            Ok(match shared.answer(request).await {
                Ok(exported) => reply::exported(exported),
                Err(status) => reply::status(status),
            })
        })
    }
}

impl<E: Exporter> Shared<E> {
    /// gRPC's health service, which waits for no place.
    async fn health(&self, call: HealthCall, request: Request<Body>) -> Result<Bytes, Status> {
        let (head, body) = request.into_parts();
        let read = message::read(&head.headers, body, MAX_REQUEST);
        let message = join(&timeout(BODY_TIMEOUT, read).await.map_err(|_| late())??);
        let ready = health::ready(&self.drain).is_ok();
        call.answer(&message, ready, |_| true)
    }

    /// Another replica's call, which waits for no place either.
    async fn sibling(&self, name: &str, request: Request<Body>) -> Result<Bytes, Status> {
        let (head, body) = request.into_parts();
        let read = message::read(&head.headers, body, self.max_message_bytes);
        let message = join(&timeout(BODY_TIMEOUT, read).await.map_err(|_| late())??);
        let answer = self.exporter.sibling(name, message).await;
        answer.ok_or_else(|| Status::new(Code::Unimplemented, format!("{name} is not served here")))
    }

    async fn answer(&self, request: Request<Body>) -> Result<Exported, Status> {
        let (head, body) = request.into_parts();
        let signal = Signal::from_grpc_path(head.uri.path()).ok_or_else(|| {
            Status::new(
                Code::Unimplemented,
                format!("{} is not served here", head.uri.path()),
            )
        })?;
        // The place comes first: those who wait for one have their bodies in HTTP/2, not in our memory.
        let place = Arc::clone(&self.places)
            .acquire_owned()
            .await
            .map_err(|_| stopping())?;
        let chunks = timeout(
            BODY_TIMEOUT,
            message::read(&head.headers, body, self.max_message_bytes),
        )
        .await
        .map_err(|_| late())??;
        let origin = Origin::from_headers(&head.headers);
        // What comes out of a receiver's log was checked and counted on its way in.
        let (chunks, items) = if origin.is_some() {
            let bytes: usize = chunks.iter().map(Bytes::len).sum();
            let items = metadata::items(&head.headers)
                // No item is shorter than its key and length.
                .filter(|items| *items <= bytes / 2)
                .unwrap_or_else(|| count(signal, &join(&chunks)));
            (chunks, items)
        } else {
            let checked = check(signal, join(&chunks)).map_err(|err| {
                self.ledger.malformed(signal, err.reason);
                reply::malformed(&err)
            })?;
            (vec![checked.body], checked.items)
        };
        let batch = ExportBatch {
            signal,
            chunks,
            items,
        };
        self.ledger.received(signal, batch.items);
        let seen = origin.map(|origin| self.duplicates.look(signal, origin));
        let answer = match seen {
            None => self.export(batch, None, place).await,
            Some(Seen::New(claim)) => self.export(batch, Some(claim), place).await,
            Some(Seen::Running(running)) => {
                drop(place);
                self.ledger.duplicate(signal, batch.items);
                running.answer().await
            }
            Some(Seen::Delivered(exported)) => {
                self.ledger.duplicate(signal, batch.items);
                Ok(exported)
            }
        };
        answer.map_err(reply::status_of)
    }

    /// Exports as a task of its own, which no caller can cut short.
    async fn export(
        &self,
        batch: ExportBatch,
        claim: Option<Claim>,
        place: OwnedSemaphorePermit,
    ) -> Answer {
        let (exporter, ledger) = (Arc::clone(&self.exporter), Arc::clone(&self.ledger));
        let (sender, answer) = oneshot::channel();
        self.tasks.spawn("export", async move {
            ledger.begin();
            let export = AssertUnwindSafe(async { exporter.export(&batch).await });
            let answer = match export.catch_unwind().await {
                Ok(answer) => answer.map(|exported| capped(exported, batch.items)),
                // Backends' answers are the likely cause, and ending the process would take every other batch along.
                Err(_) => {
                    ledger.panicked();
                    tracing::error!(signal = %batch.signal, items = batch.items, "exporter panicked");
                    Err(ExportError::Retry { after: None, reason: "exporter panicked".to_owned() })
                }
            };
            ledger.end(batch.signal, batch.items, &answer);
            if let Some(claim) = claim {
                claim.answer(answer.clone());
            }
            // Fails when the caller is gone.
            let _told = sender.send(answer).is_ok();
            drop(place);
        });
        answer.await.unwrap_or_else(|_| {
            Err(ExportError::Retry {
                after: None,
                reason: "exporter is stopping".to_owned(),
            })
        })
    }
}

/// No backend can reject more than it was given.
fn capped(exported: Exported, items: usize) -> Exported {
    Exported {
        rejected: exported.rejected.min(items),
        ..exported
    }
}

fn late() -> Status {
    Status::new(Code::DeadlineExceeded, "the message did not come in time")
}

fn stopping() -> Status {
    Status::new(Code::Unavailable, "exporter is stopping")
}
