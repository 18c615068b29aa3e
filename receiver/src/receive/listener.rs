//! Accepting connections and handing each to the shard that has the fewest.
//!
//! *Invariant:* an error of `accept` is never the end of a listener, and no more connections are open than may be.

use crate::StartError;
use crate::shard::{Accepted, ShardHandle};
use penstock_runtime::{Drain, Phase};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use tokio::sync::watch;
use tokio::time::sleep;

#[cfg(test)]
mod tests;

/// Connections that the kernel keeps for us: after a restart all sidecars come at once.
const BACKLOG: u32 = 4096;
/// Pause after an `accept` that failed for lack of something (file descriptors, memory): others have to end first.
const PAUSE: Duration = Duration::from_millis(100);

/// Listens on `host:port`: on the first address of the host that can be had, IPv4 before IPv6 as Go does it, so that
/// `localhost` means to us what it means to the Collector's users.
pub(crate) async fn bind(endpoint: &str) -> Result<TcpListener, StartError> {
    let fault = |error: io::Error| StartError::Bind {
        endpoint: endpoint.to_owned(),
        error,
    };
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    let mut addresses: Vec<_> = lookup_host(endpoint).await.map_err(fault)?.collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    for address in addresses {
        match listen(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => last = error,
        }
    }
    Err(fault(last))
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    // A successor may listen while connections of ours are still in TIME_WAIT.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// How many connections may be open over all ports. At the bound nothing is accepted: new ones wait in the kernel's
/// queues until one ends, as a sender that is refused has nowhere else to go.
#[derive(Debug)]
pub(crate) struct Bound {
    most: usize,
    open: watch::Receiver<usize>,
    /// The bound was reached, and what is open has not been clearly below it since.
    told: bool,
}

impl Bound {
    /// At most `most`, of which `open` are.
    pub(crate) fn new(most: usize, open: &watch::Sender<usize>) -> Self {
        Self {
            most,
            open: open.subscribe(),
            told: false,
        }
    }

    /// Waits until one more may be accepted.
    async fn room(&mut self) {
        let open = *self.open.borrow();
        // Told once, not with each connection that takes the place of one that has ended.
        if self.told && open <= self.most - self.most.div_ceil(10) {
            self.told = false;
            tracing::info!(open, "connections are below their bound again");
        }
        if open < self.most {
            return;
        }
        if !self.told {
            self.told = true;
            tracing::warn!(
                setting = "penstock.max_connections",
                open,
                "as many connections as there may be; new ones wait until one ends"
            );
        }
        // The sender lives as long as any shard's handle.
        let _room = self.open.wait_for(|open| *open < self.most).await.is_ok();
    }
}

/// Accepts until the drain flushes: while it closes, a new connection is served as any other, since a refused one is
/// lost data, and one that comes when the log has closed could only be refused. When there is a successor, it accepts
/// until it is told to `leave`.
///
/// One task for all ports, so that the bound is exact.
pub(crate) async fn accept(
    listeners: Vec<TcpListener>,
    mut bound: Bound,
    shards: Vec<ShardHandle>,
    drain: Drain,
    leave: Leave,
) {
    let mut first = 0;
    loop {
        let next = async {
            bound.room().await;
            poll_fn(|cx| poll_accept(&listeners, first, cx)).await
        };
        let (port, accepted) = tokio::select! {
            next = next => next,
            () = drain.reached(Phase::Flushing) => return,
            () = leave.asked() => break,
        };
        first = port + 1;
        match accepted.and_then(|(stream, peer)| hand_over(stream, peer, port)) {
            Ok(accepted) => give(accepted, &shards).await,
            Err(error) if is_of_one_connection(&error) => {
                tracing::debug!(%error, "connection ended before it was accepted");
            }
            Err(error) => {
                tracing::warn!(%error, "accept failed");
                sleep(PAUSE).await;
            }
        }
    }
    for (port, listener) in listeners.into_iter().enumerate() {
        if let Err(error) = sweep(listener, port, &bound, &shards).await {
            tracing::warn!(%error, "waiting connections not taken");
        }
    }
}

/// Shards are never none.
async fn give(accepted: Accepted, shards: &[ShardHandle]) {
    if let Some(shard) = shards.iter().min_by_key(|shard| shard.connections()) {
        shard.give(accepted).await;
    }
}

/// Takes what the kernel has let in already, then closes the port. If nobody else holds the socket, as after a
/// configuration that has it no more, those connections would be reset; if a successor does, it gets all that come later.
async fn sweep(
    listener: TcpListener,
    port: usize,
    bound: &Bound,
    shards: &[ShardHandle],
) -> io::Result<()> {
    let listener = listener.into_std()?;
    for _ in 0..BACKLOG {
        if *bound.open.borrow() >= bound.most {
            break;
        }
        match listener.accept() {
            Ok((stream, peer)) => {
                let accepted = Accepted { stream, peer, port };
                give(accepted, shards).await;
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Tells every listener of a process to close at once, because a successor has taken its place. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) struct Leave(Arc<watch::Sender<bool>>);

impl Leave {
    pub(crate) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    pub(crate) fn ask(&self) {
        self.0.send_replace(true);
    }

    pub(crate) async fn asked(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        let _asked = self.0.subscribe().wait_for(|asked| *asked).await.is_ok();
    }
}

type Arrival = (usize, io::Result<(TcpStream, SocketAddr)>);

/// The next connection of any port and the port's index, looking at port `first` first, so that none is starved.
fn poll_accept(listeners: &[TcpListener], first: usize, cx: &mut Context<'_>) -> Poll<Arrival> {
    for offset in 0..listeners.len() {
        let port = (first + offset) % listeners.len();
        if let Poll::Ready(accepted) = listeners[port].poll_accept(cx) {
            return Poll::Ready((port, accepted));
        }
    }
    Poll::Pending
}

/// Takes the connection out of this runtime, so that a shard can take it into its own.
fn hand_over(stream: TcpStream, peer: SocketAddr, port: usize) -> io::Result<Accepted> {
    Ok(Accepted {
        stream: stream.into_std()?,
        peer,
        port,
    })
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}
