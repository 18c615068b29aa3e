//! One HTTP/2 connection to one replica, opened when first needed and again when it is gone.
//!
//! *Invariant:* says of every failed call whether the peer can have seen it. Retries nothing, judges nobody.

use crate::replicas::Place;
use crate::wire::{self, Message};
use bytes::{Bytes, BytesMut};
use http::uri::Scheme;
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};
use penstock_otlp::causes::with_causes;
use penstock_otlp::status::Status;
use penstock_runtime::Tasks;
use penstock_settings::Hop;
use penstock_tls::ClientSide;
use std::error::Error;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::timeout;

/// An Export response holds two small fields; more than this is not one.
const MAX_RESPONSE: usize = 1024 * 1024;

/// What h2 says of bytes that are no frame.
const NO_FRAME: &str = "frame with invalid size";

/// A connection, open or not.
#[derive(Debug)]
pub(crate) struct Connection {
    place: Place,
    settings: ConnectionSettings,
    tasks: Tasks,
    // Held while connecting, so that calls share one attempt.
    sender: Mutex<Option<SendRequest<Message>>>,
}

/// What a connection needs of the settings.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionSettings {
    connect_timeout: Duration,
    keepalive_time: Duration,
    keepalive_timeout: Duration,
    tls: Option<Arc<ClientSide>>,
    /// Bytes that an answer may have.
    pub(crate) max_answer: usize,
}

impl ConnectionSettings {
    pub(crate) fn new(hop: &Hop, tls: Option<&Arc<ClientSide>>) -> Self {
        Self {
            connect_timeout: hop.connect_timeout,
            keepalive_time: hop.keepalive_time,
            keepalive_timeout: hop.keepalive_timeout,
            tls: tls.cloned(),
            max_answer: MAX_RESPONSE,
        }
    }
}

/// What the peer answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// gRPC's status.
    pub(crate) status: Status,
    /// The response message's bytes as far as they are well-formed.
    pub(crate) message: Bytes,
}

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum CallError {
    /// No connection: the peer has seen nothing.
    Connect(String),
    /// The peer goes away or has no stream for us: it has not looked at the call.
    Refused(String),
    /// Anything may have happened.
    Broken(String),
}

impl Connection {
    pub(crate) fn new(place: Place, settings: ConnectionSettings, tasks: Tasks) -> Self {
        Self {
            place,
            settings,
            tasks,
            sender: Mutex::new(None),
        }
    }

    /// What a call's URI begins with.
    pub(crate) fn scheme(&self) -> Scheme {
        match self.settings.tls {
            Some(_) => Scheme::HTTPS,
            None => Scheme::HTTP,
        }
    }

    /// Makes one call. `given_up` is asked after waiting for another call's attempt to connect: whether that attempt
    /// has already shown that it is no use.
    ///
    /// # Errors
    /// [`CallError`]: there is no answer.
    ///
    /// # Cancel safety
    /// Dropping the call resets its stream and nothing else.
    pub(crate) async fn call(
        &self,
        request: Request<Message>,
        given_up: impl Fn() -> bool,
    ) -> Result<Answer, CallError> {
        let mut sender = self.sender(given_up).await?;
        let sent = sender.try_send_request(request).await;
        let response = sent.map_err(|error| self.hinted(unsent(error)))?;
        answer(response, self.settings.max_answer).await
    }

    /// What TLS answers to plaintext is no frame of HTTP/2.
    fn hinted(&self, error: CallError) -> CallError {
        match error {
            CallError::Broken(why) if self.settings.tls.is_none() && why.contains(NO_FRAME) => {
                CallError::Broken(format!(
                    "{why}: the peer may speak TLS at this port; see penstock.hop.tls"
                ))
            }
            error => error,
        }
    }

    /// The next call gets a connection of its own; those in flight go on.
    pub(crate) async fn leave(&self) {
        *self.sender.lock().await = None;
    }

    async fn sender(&self, given_up: impl Fn() -> bool) -> Result<SendRequest<Message>, CallError> {
        let mut slot = self.sender.lock().await;
        if let Some(sender) = slot.as_ref().filter(|sender| !sender.is_closed()) {
            return Ok(sender.clone());
        }
        *slot = None;
        let failed = |why: &dyn std::fmt::Display| {
            CallError::Connect(format!("no connection to {}: {why}", self.place.address))
        };
        if given_up() {
            return Err(failed(&"another call has just tried"));
        }
        let sender = match timeout(self.settings.connect_timeout, self.connect()).await {
            Ok(connected) => connected.map_err(|err| failed(&err))?,
            Err(_) => return Err(failed(&"timed out")),
        };
        Ok(slot.insert(sender).clone())
    }

    async fn connect(&self) -> Result<SendRequest<Message>, Box<dyn Error + Send + Sync>> {
        let stream = TcpStream::connect(&self.place.address).await?;
        stream.set_nodelay(true)?;
        match &self.settings.tls {
            None => self.open(stream).await,
            // One name for all of its addresses: the one that was configured.
            Some(tls) => {
                let host = self.place.authority.host();
                self.open(tls.connect(host, stream).await?).await
            }
        }
    }

    async fn open<S>(&self, stream: S) -> Result<SendRequest<Message>, Box<dyn Error + Send + Sync>>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = Builder::new(Executor(self.tasks.clone()))
            .timer(TokioTimer::new())
            .keep_alive_interval(self.settings.keepalive_time)
            .keep_alive_timeout(self.settings.keepalive_timeout)
            .keep_alive_while_idle(true)
            .handshake(TokioIo::new(stream))
            .await?;
        let address = self.place.address.clone();
        self.tasks.spawn("hop connection", async move {
            if let Err(err) = connection.await {
                tracing::debug!(error = %with_causes(&err), address, "hop connection ended");
            }
        });
        Ok(sender)
    }
}

async fn answer(response: Response<Incoming>, limit: usize) -> Result<Answer, CallError> {
    let (head, mut body) = response.into_parts();
    if head.status != StatusCode::OK {
        return Err(CallError::Broken(format!(
            "peer answered HTTP {}",
            head.status.as_u16()
        )));
    }
    if let Some(status) = wire::status(&head.headers) {
        return Ok(Answer {
            status,
            message: Bytes::new(),
        });
    }
    let mut data = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|err| CallError::Broken(with_causes(&err)))?;
        match frame.into_data() {
            Ok(bytes) if data.len() + bytes.len() <= limit => data.extend_from_slice(&bytes),
            Ok(_) => return Err(CallError::Broken("peer's answer has no end".to_owned())),
            Err(frame) => {
                if let Some(status) = frame.trailers_ref().and_then(wire::status) {
                    let message = wire::unframe(&data).map(Bytes::copy_from_slice);
                    return Ok(Answer {
                        status,
                        message: message.unwrap_or_default(),
                    });
                }
            }
        }
    }
    Err(CallError::Broken("peer's answer has no status".to_owned()))
}

/// A request that hyper gives back was never written. Otherwise HTTP/2 knows two ways to say "not looked at": a stream
/// refused, and a stream above the last one of a graceful GOAWAY.
fn unsent(mut error: TrySendError<Request<Message>>) -> CallError {
    let returned = error.take_message().is_some();
    let error = error.into_error();
    let refused = error
        .source()
        .and_then(|source| source.downcast_ref::<h2::Error>())
        .is_some_and(|error| {
            let reason = error.reason();
            error.is_remote()
                && (reason == Some(h2::Reason::REFUSED_STREAM)
                    || (error.is_go_away() && reason == Some(h2::Reason::NO_ERROR)))
        });
    if returned || refused {
        CallError::Refused(with_causes(&error))
    } else {
        CallError::Broken(with_causes(&error))
    }
}

/// hyper's own tasks of a connection, under our owner.
#[derive(Clone)]
struct Executor(Tasks);

impl<F> hyper::rt::Executor<F> for Executor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, future: F) {
        self.0.spawn("hop call", future);
    }
}
