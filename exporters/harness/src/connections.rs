//! Connections of receivers, from the kernel to the hop's server: with TLS where there is any.
//!
//! *Invariant:* a handshake takes as long as it likes within its limit, and holds up nobody else's.

use futures_util::Stream;
use futures_util::stream::unfold;
use penstock_runtime::Tasks;
use penstock_runtime::accept::accept;
use penstock_tls::ServerSide;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

/// Time for a handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Handshakes at once; more wait in the kernel. A fleet of receivers that comes at once is far smaller, and one who means ill
/// cannot have us keep more than this.
const HANDSHAKES: usize = 1024;

/// All that come, until nobody takes them any more.
pub(crate) fn connections(
    listener: TcpListener,
    tls: Option<Arc<ServerSide>>,
    tasks: &Tasks,
) -> impl Stream<Item = Result<Incoming, Infallible>> + use<> {
    let (ready, incoming) = mpsc::channel(1);
    let handshakes = tasks.clone();
    tasks.spawn("hop accept", async move {
        tokio::select! {
            () = accept_all(&listener, tls, &ready, &handshakes) => {}
            () = ready.closed() => {}
        }
    });
    unfold(incoming, |mut incoming| async move {
        let connection = incoming.recv().await?;
        Some((Ok(connection), incoming))
    })
}

async fn accept_all(
    listener: &TcpListener,
    tls: Option<Arc<ServerSide>>,
    ready: &mpsc::Sender<Incoming>,
    tasks: &Tasks,
) {
    let places = Arc::new(Semaphore::new(HANDSHAKES));
    loop {
        let (stream, peer) = accept(listener, "hop").await;
        if let Err(err) = stream.set_nodelay(true) {
            tracing::debug!(error = %err, "connection lost while accepted");
        }
        let Some(tls) = &tls else {
            // Fails when the server is gone, as the caller finds out.
            let _taken = ready.send(Incoming::Plain(stream)).await.is_ok();
            continue;
        };
        let place = Arc::clone(&places).acquire_owned().await;
        let (tls, ready) = (Arc::clone(tls), ready.clone());
        tasks.spawn("hop handshake", async move {
            tokio::select! {
                secured = secure(&tls, stream, peer) => if let Some(stream) = secured {
                    let _taken = ready.send(stream).await.is_ok();
                },
                () = ready.closed() => {}
            }
            drop(place);
        });
    }
}

async fn secure(tls: &ServerSide, stream: TcpStream, peer: SocketAddr) -> Option<Incoming> {
    match tls.accept(stream, HANDSHAKE).await {
        Ok(stream) => Some(Incoming::Tls(Box::new(stream))),
        Err(error) => {
            let reason = error.reason.label();
            tracing::warn!(%error, reason, %peer, "TLS handshake failed");
            None
        }
    }
}

/// A connection of a receiver.
#[derive(Debug)]
pub(crate) enum Incoming {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connected for Incoming {
    type ConnectInfo = ();

    fn connect_info(&self) {}
}

/// Does the same with either.
macro_rules! either {
    ($self:ident, $call:ident($($argument:expr),*)) => {
        match $self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).$call($($argument),*),
            Self::Tls(stream) => Pin::new(stream).$call($($argument),*),
        }
    };
}

impl AsyncRead for Incoming {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(self, poll_read(cx, buffer))
    }
}

impl AsyncWrite for Incoming {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        either!(self, poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, poll_write_vectored(cx, parts))
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, poll_shutdown(cx))
    }
}
