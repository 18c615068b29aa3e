//! The hop's server: listens, serves, drains.
//!
//! *Invariant:* once the drain has begun no new connection is taken, every peer is told to go away, and what is in flight
//! is finished as long as the drain's deadline allows.

use crate::call::Service;
use crate::connections::connections;
use crate::duplicates::Duplicates;
use crate::{Exporter, Ledger};
use penstock_runtime::{Drain, Phase, Tasks};
use penstock_tls::ServerSide;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tonic::transport::Server;

/// The receiver's largest request (64 MiB), and what identity rules may have added to it.
const MAX_MESSAGE_BYTES: usize = 65 * 1024 * 1024;
/// Origins that are remembered: minutes of batches, at some hundred bytes each.
const REMEMBERED: usize = 4096;
/// Flow-control window of a call. Small, because that much of every call waiting for its place may be in our memory.
const STREAM_WINDOW: u32 = 256 * 1024;
/// Quiet time after which a peer is pinged, and how long it has to answer.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));
/// Time for [`Exporter::close`] after a drain that used up its deadline: what it flushes is small.
const CLOSE_GRACE: Duration = Duration::from_secs(2);

/// How one exporter is served.
#[derive(Clone, Debug)]
pub struct Options {
    /// Batches exported at once; more wait in HTTP/2.
    pub max_concurrent_batches: usize,
    /// Largest batch, before and after decompression. Default 65 MiB.
    pub max_message_bytes: usize,
    /// Delivered batches that are remembered to answer their repeats. Default 4096.
    pub remembered: usize,
    /// TLS of the port; plaintext without it.
    pub tls: Option<Arc<ServerSide>>,
}

impl Options {
    /// Defaults for all but the number of batches at once.
    #[must_use]
    pub fn new(max_concurrent_batches: usize) -> Self {
        Self {
            max_concurrent_batches: max_concurrent_batches.clamp(1, Semaphore::MAX_PERMITS),
            max_message_bytes: MAX_MESSAGE_BYTES,
            remembered: REMEMBERED,
            tls: None,
        }
    }
}

/// Serves `exporter` on `listener` until `drain` has begun and what is in flight has ended, or the drain's deadline has
/// come; closes the exporter. Returns the number of batches that were cut off.
pub async fn serve<E: Exporter>(
    listener: TcpListener,
    exporter: Arc<E>,
    options: Options,
    ledger: Arc<Ledger>,
    drain: &Drain,
    tasks: &Tasks,
) -> usize {
    let places = Arc::new(Semaphore::new(options.max_concurrent_batches));
    let service = Service::new(
        Arc::clone(&exporter),
        ledger,
        Duplicates::new(options.remembered),
        Arc::clone(&places),
        options.max_message_bytes,
        tasks.clone(),
        drain.clone(),
    );
    let all = u32::try_from(options.max_concurrent_batches).unwrap_or(u32::MAX);
    let server = Server::builder()
        .max_concurrent_streams(all)
        .initial_stream_window_size(STREAM_WINDOW)
        // A batch comes in as few frames as that allows: each costs the receiver a write.
        .max_frame_size(STREAM_WINDOW)
        // Every stream's window at once: calls that wait can never take the connection from the one that goes on.
        .initial_connection_window_size(STREAM_WINDOW.saturating_mul(all).min(MAX_WINDOW))
        .http2_keepalive_interval(Some(KEEPALIVE.0))
        .http2_keepalive_timeout(Some(KEEPALIVE.1))
        .serve_with_incoming_shutdown(
            service,
            connections(listener, options.tls.clone(), tasks),
            drain.reached(Phase::Closing),
        );
    let work = async {
        if let Err(err) = server.await {
            tracing::error!(error = %err, "hop server failed");
        }
        // Exports whose callers have gone are in flight too.
        places.acquire_many(all).await.is_ok()
    };
    let finished = tokio::select! {
        finished = work => finished,
        () = drain.expired() => false,
    };
    let cut_off = if finished {
        0
    } else {
        options.max_concurrent_batches - places.available_permits()
    };
    drain.enter(Phase::Flushing);
    if timeout(CLOSE_GRACE, exporter.close()).await.is_err() {
        tracing::error!("exporter did not close in time");
    }
    drain.enter(Phase::Stopped);
    cut_off
}

/// HTTP/2's largest window.
const MAX_WINDOW: u32 = (1 << 31) - 1;
