//! Our own server side of HTTP/2, for unary gRPC calls.
//!
//! Two things set it apart from a general HTTP/2 library. It takes any `:authority`, because Envoy sends its cluster names
//! there. And it is lean on many small calls: frames are parsed in place, a body in one DATA frame is a slice of the read buffer,
//! all calls of a connection run inside the connection's task, and the answers of many calls leave in one write.
//!
//! The way of the bytes: `connection::receive` parses frames; `connection::headers` makes a [`Head`] of header blocks and opens a
//! stream; DATA goes to `bodies`, from where the call takes it through its [`Body`]; `connection::calls` runs the calls; their
//! [`Response`]s are framed by `connection::send` into the outbox. `connection::timers` ends what takes too long.
//!
//! *Invariant:* everything a peer can make us keep or do is bounded by [`Http2Settings`], and what ends a stream or
//! connection early is counted by its [`Fault`].
//! *Does not* know gRPC, telemetry or sockets: it serves any byte stream, and any service of heads and bodies.

mod bodies;
mod body;
mod chunk;
mod connection;
mod error;
mod flow;
pub mod frame;
mod head;
pub mod hpack;
mod lifecycle;
mod limits;
pub mod metrics;
mod outbox;
mod ready;
mod response;
mod settings;
mod streams;

use std::{
    fmt,
    future::{Future, poll_fn},
    sync::Arc,
    task::{Context as TaskContext, Poll},
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};

pub use body::{Body, BodyError};
pub use error::{End, ErrorCode, Fault};
pub use head::Head;
pub use hpack::Block;
pub use response::{Message, Response};
pub use settings::{Http2Settings, SettingsError};

/// Answers the calls of one connection.
pub trait Service {
    /// One call under way. It is polled inside the connection's task and dropped when the peer gives the call up.
    type Call: Future<Output = Response>;

    /// Begins a call. Its head is complete; of its body, nothing or all may have come.
    fn call(&mut self, head: Head, body: Body) -> Self::Call;

    /// Whether more of the connection may be read. While it is pending nothing is, of no call, so that the peer is held by TCP;
    /// calls that are here go on, and the peer is not blamed for what we do not read.
    ///
    /// Asked whenever the connection is polled; one that pends has the context woken.
    fn poll_ready(&mut self, _cx: &mut TaskContext<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

impl<F, C> Service for F
where
    F: FnMut(Head, Body) -> C,
    C: Future<Output = Response>,
{
    type Call = C;

    fn call(&mut self, head: Head, body: Body) -> C {
        self(head, body)
    }
}

/// A service that is asked by a function of its own whether it is ready: see [`Service::poll_ready`].
#[derive(Debug)]
pub struct Gated<S, G> {
    /// Answers the calls.
    pub service: S,
    /// Says whether the connection may be read.
    pub gate: G,
}

impl<S, G> Service for Gated<S, G>
where
    S: Service,
    G: FnMut(&mut TaskContext<'_>) -> Poll<()>,
{
    type Call = S::Call;

    fn call(&mut self, head: Head, body: Body) -> S::Call {
        self.service.call(head, body)
    }

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<()> {
        (self.gate)(cx)
    }
}

/// What all connections of a listener have in common. Clones share.
#[derive(Clone)]
pub struct Http2(Arc<Context>);

impl fmt::Debug for Http2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http2")
            .field("settings", &self.0.settings)
            .finish_non_exhaustive()
    }
}

/// Settings and counters.
pub(crate) struct Context {
    pub(crate) settings: Http2Settings,
    pub(crate) metrics: metrics::Metrics,
}

impl Http2 {
    /// Checks the settings and registers the metrics with the recorder that is installed by now.
    ///
    /// # Errors
    /// A setting is out of its range.
    pub fn new(settings: Http2Settings) -> Result<Self, SettingsError> {
        settings.validate()?;
        Ok(Self(Arc::new(Context {
            settings,
            metrics: metrics::Metrics::new(),
        })))
    }

    /// Serves one connection to its end and says why it ended.
    ///
    /// When `shutdown` resolves, the peer is told to leave, calls under way go on, and what is left at the instant it gave
    /// is cut off. A `shutdown` that never resolves is fine.
    ///
    /// # Cancel safety
    /// Dropping the future drops the connection and all its calls.
    pub fn serve<IO, S, F>(
        &self,
        io: IO,
        service: S,
        shutdown: F,
    ) -> impl Future<Output = End> + use<IO, S, F>
    where
        IO: AsyncRead + AsyncWrite + Unpin,
        S: Service,
        F: Future<Output = Instant>,
    {
        // Not an `async fn`: that would keep room for the arguments beside the connection that is made of them.
        let mut connection = connection::Connection::new(io, service, Arc::clone(&self.0));
        let mut shutdown = Box::pin(shutdown);
        poll_fn(move |cx| connection.poll(cx, shutdown.as_mut()))
    }
}

#[cfg(test)]
mod tests;
