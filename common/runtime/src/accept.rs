//! Taking connections of a listener that lives as long as its process.
//!
//! *Invariant:* a failed `accept` is never the end of a listener. How many connections may be open is for the caller.

use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};

#[cfg(test)]
mod tests;

/// Pause after a failed `accept`, so that a full file table does not become a busy loop.
const PAUSE: Duration = Duration::from_millis(100);

/// The next connection of `listener`, which `whose` names in the log.
///
/// # Cancel safety
/// A connection is taken or not taken, never lost.
pub async fn accept(listener: &TcpListener, whose: &'static str) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                tracing::warn!(%error, whose, "accept failed");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
