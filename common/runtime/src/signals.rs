//! Signals of the system to a process.

use std::future::poll_fn;
use std::io;
use std::task::Poll;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// A signal that means something to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// SIGTERM: end in order.
    Terminate,
    /// SIGINT: Ctrl-C.
    Interrupt,
    /// SIGHUP: read the configuration again.
    Hangup,
    /// SIGUSR2: make room for a successor.
    Retire,
    /// SIGCHLD: a child has ended.
    Child,
}

impl Kind {
    /// The system's name for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Terminate => "SIGTERM",
            Self::Interrupt => "SIGINT",
            Self::Hangup => "SIGHUP",
            Self::Retire => "SIGUSR2",
            Self::Child => "SIGCHLD",
        }
    }

    fn system(self) -> SignalKind {
        match self {
            Self::Terminate => SignalKind::terminate(),
            Self::Interrupt => SignalKind::interrupt(),
            Self::Hangup => SignalKind::hangup(),
            Self::Retire => SignalKind::user_defined2(),
            Self::Child => SignalKind::child(),
        }
    }
}

/// Signals that have no other effect any more than to be told here; what comes while nobody waits is told later, once.
#[derive(Debug)]
pub struct Signals(Vec<(Kind, Signal)>);

impl Signals {
    /// Takes signals of these kinds from now on.
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn take(kinds: &[Kind]) -> io::Result<Self> {
        let taken = kinds.iter().map(|kind| Ok((*kind, signal(kind.system())?)));
        Ok(Self(taken.collect::<io::Result<_>>()?))
    }

    /// The next one.
    ///
    /// # Cancel safety
    /// No signal is lost.
    pub async fn next(&mut self) -> Kind {
        poll_fn(|cx| {
            for (kind, signal) in &mut self.0 {
                if signal.poll_recv(cx).is_ready() {
                    return Poll::Ready(*kind);
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// Resolves on SIGTERM or SIGINT, with the signal's name. They are taken from the call on, not from the first look at the
/// future: who has said that he is ready may be told to stop at once.
///
/// # Errors
/// When the handlers cannot be installed.
pub fn stop_requested() -> impl Future<Output = io::Result<&'static str>> {
    let signals = Signals::take(&[Kind::Terminate, Kind::Interrupt]);
    async move { Ok(signals?.next().await.name()) }
}
