//! Accepting connections and handing each to the shard that has the fewest.
//!
//! *Invariant:* an error of `accept` is never the end of a listener.

use crate::StartError;
use crate::shard::{Accepted, ShardHandle};
use penstock_runtime::{Drain, Phase};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use tokio::time::sleep;

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

/// Accepts until the drain flushes: while it closes, a new connection is served as any other, since a refused one is
/// lost data, and one that comes when the log has closed could only be refused.
pub(crate) async fn accept(
    listener: TcpListener,
    port: usize,
    shards: Arc<[ShardHandle]>,
    drain: Drain,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = drain.reached(Phase::Flushing) => return,
        };
        match accepted.and_then(|(stream, peer)| hand_over(stream, peer, port)) {
            Ok(accepted) => {
                // Shards are never none.
                let Some(shard) = shards.iter().min_by_key(|shard| shard.connections()) else {
                    return;
                };
                shard.give(accepted).await;
            }
            Err(error) if is_of_one_connection(&error) => {
                tracing::debug!(%error, "connection ended before it was accepted");
            }
            Err(error) => {
                tracing::warn!(%error, "accept failed");
                sleep(PAUSE).await;
            }
        }
    }
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
