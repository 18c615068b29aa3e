//! One accepted connection, served to its end: TLS where there is any, then gRPC by `penstock-http2` or HTTP by hyper.
//!
//! *Invariant:* what is buffered before a body is pulled is bounded by the windows here, per stream and connection.

use super::connection::{Activity, FIRST_CALL, Life, Stream, live};
use super::grpc::{Connection, GrpcDoor};
use super::http::HttpDoor;
use super::parking::SIGNAL_BYTES;
use crate::StartError;
use crate::metrics::{DoorCounts, Malformed};
use crate::plan::{Plan, Port, Server};
use crate::shard::GRPC_READ_TIMEOUT;
use ::http::header::CONNECTION;
use ::http::{HeaderValue, Request, Version};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use penstock_auth::Auth;
use penstock_http2::{Http2, Http2Settings};
use penstock_runtime::{Drain, Phase, Tasks};
use penstock_settings::{GrpcServer, HttpServer, Keepalive};
use penstock_tls::ServerSide;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

#[cfg(test)]
mod tests;

/// What a held call's body may fill before it is pulled: a few of the mesh's usual requests, and enough for large ones to
/// flow at full speed within a cluster.
pub(crate) const STREAM_WINDOW: u32 = 256 * 1024;
/// The same for all calls of an HTTP connection. This much per connection lies outside the budget.
const CONNECTION_WINDOW: u32 = 8 * 1024 * 1024;
/// Headers of one request: tokens may be long, floods must not be.
const HEADER_BYTES: u32 = 64 * 1024;
/// HTTP/1 read buffer: holds the head, then bounds a chunk of the body.
const HTTP1_BUFFER: usize = 128 * 1024;
/// Time for the first byte of gRPC and what HTTP/2 begins with, or for the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// One port of one receiver on one shard.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) speaks: Speaks,
    pub(crate) tls: Option<Arc<ServerSide>>,
    pub(crate) counts: Arc<DoorCounts>,
}

/// What a port speaks.
#[derive(Debug)]
pub(crate) enum Speaks {
    Grpc(GrpcPort),
    Http(HttpPort),
}

/// OTLP/gRPC.
#[derive(Debug)]
pub(crate) struct GrpcPort {
    pub(crate) door: Arc<GrpcDoor>,
    pub(crate) http2: Http2,
    /// For calls in flight when a connection is told to go.
    pub(crate) grace: Duration,
}

/// OTLP/HTTP.
#[derive(Debug)]
pub(crate) struct HttpPort {
    pub(crate) door: Arc<HttpDoor>,
    pub(crate) life: Life,
    pub(crate) keepalive: Keepalive,
    pub(crate) max_streams: u32,
}

/// A port's settings, checked and made ready for all shards.
#[derive(Clone, Debug)]
pub(crate) struct Front {
    pub(crate) tls: Option<Arc<ServerSide>>,
    pub(crate) auth: Option<Arc<Auth>>,
    pub(crate) protocol: Protocol,
}

/// What a port is to speak.
#[derive(Clone, Debug)]
pub(crate) enum Protocol {
    Grpc(Box<GrpcServer>, Http2),
    Http(Box<HttpServer>),
}

impl Front {
    /// Reads certificates and checks limits.
    pub(crate) fn new(plan: &Plan, port: &Port) -> Result<Self, StartError> {
        let (tls, auth, offers, protocol) = match &port.server {
            Server::Grpc(grpc) => {
                let http2 = http2(grpc, plan.signals_of(&port.receiver))?;
                let protocol = Protocol::Grpc(grpc.clone(), http2);
                (&grpc.tls, &grpc.auth, &["h2"][..], protocol)
            }
            Server::Http(http) => {
                let protocol = Protocol::Http(http.clone());
                (&http.tls, &http.auth, &["h2", "http/1.1"][..], protocol)
            }
        };
        let tls = tls.as_ref();
        let tls = tls.map(|tls| ServerSide::new(tls, offers).map(Arc::new));
        let auth = auth.as_ref();
        let auth = auth.map(|auth| Auth::new(&port.auth_setting(), auth).map(Arc::new));
        let auth = auth.transpose().map_err(|error| StartError::Auth {
            receiver: port.receiver.to_string(),
            message: error.to_string(),
        })?;
        Ok(Self {
            tls: tls.transpose()?,
            auth,
            protocol,
        })
    }
}

/// HTTP/2 as a gRPC port that takes `signals` signals speaks it.
///
/// Each signal has its own part of a connection's streams and of its window, because held calls take up both: with
/// `max_concurrent_streams` held calls of one signal, the others can still be called.
fn http2(grpc: &GrpcServer, signals: usize) -> Result<Http2, StartError> {
    let parts = u32::try_from(signals).unwrap_or_default().max(1);
    let keepalive = &grpc.keepalive;
    let settings = Http2Settings {
        max_concurrent_streams: grpc.max_concurrent_streams.saturating_mul(parts),
        stream_window_bytes: STREAM_WINDOW,
        connection_window_bytes: parts.saturating_mul(SIGNAL_BYTES as u32),
        max_header_list_bytes: HEADER_BYTES,
        handshake_timeout: HANDSHAKE,
        // A call that is too slow is answered by us; this is for those that nobody pulls.
        body_timeout: 2 * GRPC_READ_TIMEOUT,
        max_connection_age: keepalive.max_connection_age,
        max_connection_age_grace: Some(keepalive.max_connection_age_grace),
        idle_timeout: keepalive.max_connection_idle,
        keepalive_interval: Some(keepalive.time),
        keepalive_timeout: keepalive.timeout,
        ..Http2Settings::default()
    };
    Http2::new(settings).map_err(|error| StartError::Http2 {
        endpoint: grpc.endpoint.clone(),
        error,
    })
}

impl Door {
    /// Serves a connection to its end.
    pub(crate) async fn serve(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        tasks: &Tasks,
        drain: &Drain,
    ) {
        self.counts.opened.add(1);
        let opened = Instant::now();
        // An answer is small and somebody waits for it.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
        match self.tls.clone() {
            None => self.run(stream, peer.ip(), opened, tasks, drain).await,
            Some(tls) => {
                // Boxed: a plain connection would have room for this as long as it lives.
                if let Some(stream) = Box::pin(self.secure(&tls, stream, peer)).await {
                    self.run(stream, peer.ip(), opened, tasks, drain).await;
                }
            }
        }
        self.counts.closed.add(1);
    }

    /// The TLS handshake, as far as it succeeds in its time.
    async fn secure(
        &self,
        tls: &ServerSide,
        stream: TcpStream,
        peer: SocketAddr,
    ) -> Option<Box<impl AsyncRead + AsyncWrite + Unpin + Send + 'static>> {
        match tls.accept(stream, self.handshake()).await {
            Ok(stream) => Some(Box::new(stream)),
            Err(error) => {
                self.counts.malformed(Malformed::Tls);
                let reason = error.reason.label();
                tracing::warn!(%error, reason, %peer, "TLS handshake failed");
                None
            }
        }
    }

    /// Time for the TLS handshake; for HTTP it is part of the time for the first head.
    fn handshake(&self) -> Duration {
        match &self.speaks {
            Speaks::Grpc(_) => HANDSHAKE,
            Speaks::Http(http) => http.life.head.min(HANDSHAKE),
        }
    }

    async fn run<S>(&self, stream: S, peer: IpAddr, opened: Instant, tasks: &Tasks, drain: &Drain)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let counts = Arc::clone(&self.counts);
        match &self.speaks {
            Speaks::Grpc(grpc) => {
                let stream = Stream::new(stream, None, counts);
                grpc.run(stream, peer, drain).await;
            }
            Speaks::Http(http) => {
                let activity = Activity::new(opened);
                let stream = Stream::new(stream, Some(activity.clone()), counts);
                // Boxed: a gRPC connection would have room for this.
                Box::pin(http.run(stream, peer, &activity, tasks, drain)).await;
            }
        }
    }
}

impl GrpcPort {
    async fn run<S>(&self, stream: Stream<S>, peer: IpAddr, drain: &Drain)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (called, first_call) = oneshot::channel();
        let service = Connection::new(&self.door, peer, called).into_service();
        let has_to_go = async {
            drain.reached(Phase::Closing).await;
            // A sender that has just connected is about to send.
            let _called = timeout(FIRST_CALL, first_call).await.is_ok();
            let cut = Instant::now() + self.grace;
            drain.deadline().map_or(cut, |deadline| cut.min(deadline))
        };
        // Boxed, as every `async fn` around it would keep room for the arguments too.
        let mut served = Box::pin(self.http2.serve(stream, service, has_to_go));
        tokio::select! {
            end = &mut served => {
                tracing::debug!(?end, "connection ended");
            }
            // From here on the log takes nothing: no answer could be an ack.
            () = drain.reached(Phase::Flushing) => tracing::debug!("connection cut off"),
        }
    }
}

impl HttpPort {
    async fn run<S>(
        &self,
        stream: Stream<S>,
        peer: IpAddr,
        activity: &Activity,
        tasks: &Tasks,
        drain: &Drain,
    ) where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = {
            let (http, activity) = (Arc::clone(&self.door), activity.clone());
            service_fn(move |request: Request<Incoming>| {
                let http1 = request.version() < Version::HTTP_2;
                let (http, activity) = (Arc::clone(&http), activity.clone());
                let call = activity.call(http1);
                async move {
                    let mut response = http.answer(request, peer).await;
                    if http1 && activity.closes_after_answer() {
                        let close = HeaderValue::from_static("close");
                        response.headers_mut().insert(CONNECTION, close);
                    }
                    drop(call);
                    Ok::<_, Infallible>(response)
                }
            })
        };
        let builder = self.builder(Calls(tasks.clone()));
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        live(
            connection,
            |connection| connection.graceful_shutdown(),
            activity,
            &self.life,
            drain,
        )
        .await;
    }

    fn builder(&self, calls: Calls) -> auto::Builder<Calls> {
        let mut builder = auto::Builder::new(calls);
        builder
            .http2()
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_concurrent_streams(self.max_streams)
            .max_header_list_size(HEADER_BYTES)
            .keep_alive_interval(self.keepalive.time)
            .keep_alive_timeout(self.keepalive.timeout);
        builder
            .http1()
            .timer(TokioTimer::new())
            // hyper's own runs between requests too and would end idle connections; ours is in `Activity`.
            .header_read_timeout(None)
            .max_buf_size(HTTP1_BUFFER);
        builder
    }
}

/// Runs the calls of HTTP/2 connections as tasks.
#[derive(Clone, Debug)]
struct Calls(Tasks);

impl<F> Executor<F> for Calls
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, call: F) {
        self.0.spawn("call", call);
    }
}
