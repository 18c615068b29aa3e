//! A server that can be killed, and an address that stays ours while it is dead.

use std::future::Future;
use std::net::SocketAddr;
use std::thread;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::oneshot;

/// An address that is ours whether somebody listens there or not. While nobody does, connections are refused.
#[derive(Debug)]
pub struct Seat {
    address: SocketAddr,
    /// Bound and never listening: nobody else can get the port, not even as the near end of a connection.
    _reserved: TcpSocket,
}

impl Seat {
    /// Any port of loopback.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "every seat is another one")]
    pub fn new() -> Self {
        let reserved = socket(([127, 0, 0, 1], 0).into());
        Self {
            address: reserved.local_addr().unwrap(),
            _reserved: reserved,
        }
    }

    /// The address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

fn socket(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.set_reuseport(true).unwrap();
    socket.bind(address).unwrap();
    socket
}

/// A server as a process of its own, as far as a test can have that: a thread with a runtime, which takes its connections
/// along when it is killed.
#[derive(Debug)]
pub struct Process<T> {
    address: SocketAddr,
    kill: oneshot::Sender<()>,
    /// `None` when it was killed.
    ended: oneshot::Receiver<Option<T>>,
    thread: thread::JoinHandle<()>,
}

impl<T: Send + 'static> Process<T> {
    /// Runs `serve` with a listener at `address`, such as a [`Seat`]'s; returns when it listens.
    pub async fn start<F, Fut>(address: SocketAddr, serve: F) -> Self
    where
        F: FnOnce(TcpListener) -> Fut + Send + 'static,
        Fut: Future<Output = T>,
    {
        let (ready, listening) = oneshot::channel();
        let (kill, killed) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let main = move || async move {
            let listener = socket(address).listen(64).unwrap();
            ready.send(listener.local_addr().unwrap()).unwrap();
            let result = tokio::select! {
                result = serve(listener) => Some(result),
                _ = killed => None,
            };
            // A test that has failed does not listen any more.
            _ = end.send(result);
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let thread = thread::Builder::new()
            .name("test-process".to_owned())
            .spawn(move || runtime.block_on(main()))
            .unwrap();
        Self {
            address: listening.await.unwrap(),
            kill,
            ended,
            thread,
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until it has come to its end; what it gave.
    pub async fn ended(self) -> T {
        let result = self.ended.await.unwrap().expect("it was not killed");
        self.thread.join().unwrap();
        result
    }

    /// Ends it as SIGKILL does: no answers, no farewell.
    pub async fn kill(self) {
        self.kill.send(()).unwrap();
        assert!(self.ended.await.unwrap().is_none(), "it had ended before");
        self.thread.join().unwrap();
    }
}
