//! One accepted connection served by hyper: the only place that knows how it is set up.
//!
//! *Invariant:* what hyper buffers before a body is pulled is bounded by the windows here, per stream and connection.

use super::connection::{Activity, Life, Stream, live};
use super::grpc::GrpcDoor;
use super::http::HttpDoor;
use crate::metrics::{DoorCounts, Malformed};
use ::http::header::CONNECTION;
use ::http::{HeaderValue, Request, Version};
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use penstock_runtime::{Drain, Tasks};
use penstock_settings::Keepalive;
use rustls::ServerConfig;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// What a held call's body may fill before it is pulled: a few of the mesh's usual requests, and enough for large ones to
/// flow at full speed within a cluster.
const STREAM_WINDOW: u32 = 256 * 1024;
/// The same for all calls of a connection. It holds 1024 calls of the sidecars' usual 4.4 kB, so that held traces leave
/// room for the metrics that kuma-dp sends on the same connection. This much per connection lies outside the budget.
const CONNECTION_WINDOW: u32 = 8 * 1024 * 1024;
/// Headers of one request: tokens may be long, floods must not be.
const HEADER_BYTES: u32 = 64 * 1024;
/// HTTP/1 read buffer: holds the head, then bounds a chunk of the body.
const HTTP1_BUFFER: usize = 128 * 1024;
/// Time for the first byte, or for the TLS handshake.
pub(crate) const HANDSHAKE: Duration = Duration::from_secs(10);

/// One port of one receiver on one shard.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) speaks: Speaks,
    pub(crate) tls: Option<Arc<ServerConfig>>,
    pub(crate) life: Life,
    pub(crate) keepalive: Keepalive,
    pub(crate) max_streams: u32,
    pub(crate) counts: Arc<DoorCounts>,
}

/// What a port speaks.
#[derive(Debug)]
pub(crate) enum Speaks {
    Grpc(Arc<GrpcDoor>),
    Http(Arc<HttpDoor>),
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
        // An answer is small and somebody waits for it.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "no TCP_NODELAY");
        }
        match self.tls.clone() {
            None => self.run(stream, peer, tasks, drain).await,
            Some(tls) => match timeout(HANDSHAKE, TlsAcceptor::from(tls).accept(stream)).await {
                Ok(Ok(stream)) => self.run(stream, peer, tasks, drain).await,
                failed => {
                    self.counts.malformed(Malformed::Tls);
                    let error = failed.map_or_else(
                        |late| late.to_string(),
                        |failed| {
                            failed
                                .err()
                                .map(|error| error.to_string())
                                .unwrap_or_default()
                        },
                    );
                    tracing::debug!(%error, %peer, "TLS handshake failed");
                }
            },
        }
        self.counts.closed.add(1);
    }

    async fn run<S>(&self, stream: S, peer: SocketAddr, tasks: &Tasks, drain: &Drain)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let activity = Activity::new();
        let io = TokioIo::new(Stream::new(
            stream,
            activity.clone(),
            Arc::clone(&self.counts),
        ));
        let calls = Calls(tasks.clone());
        let peer = peer.ip();
        match &self.speaks {
            Speaks::Grpc(grpc) => {
                let service = {
                    let (grpc, activity) = (Arc::clone(grpc), activity.clone());
                    service_fn(move |request: Request<Incoming>| {
                        let (grpc, call) = (Arc::clone(&grpc), activity.call(false));
                        async move {
                            let response = grpc.answer(request, peer).await;
                            drop(call);
                            Ok::<_, Infallible>(response)
                        }
                    })
                };
                let connection = self.http2(calls).serve_connection(io, service);
                live(
                    connection,
                    |c| c.graceful_shutdown(),
                    &activity,
                    &self.life,
                    drain,
                )
                .await;
            }
            Speaks::Http(http) => {
                let service = {
                    let (http, activity) = (Arc::clone(http), activity.clone());
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
                let builder = self.http1_or_2(calls);
                let connection = builder.serve_connection(io, service);
                live(
                    connection,
                    |c| c.graceful_shutdown(),
                    &activity,
                    &self.life,
                    drain,
                )
                .await;
            }
        }
    }

    fn http2(&self, calls: Calls) -> http2::Builder<Calls> {
        let mut builder = http2::Builder::new(calls);
        builder
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_concurrent_streams(self.max_streams)
            .max_header_list_size(HEADER_BYTES)
            .keep_alive_interval(self.keepalive.time)
            .keep_alive_timeout(self.keepalive.timeout);
        builder
    }

    fn http1_or_2(&self, calls: Calls) -> auto::Builder<Calls> {
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
