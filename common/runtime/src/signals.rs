//! The signals that ask a process to stop.

use std::io;
use tokio::signal::unix::{SignalKind, signal};

/// Resolves on SIGTERM or SIGINT, with the signal's name.
///
/// # Errors
/// When the handlers cannot be installed.
pub async fn stop_requested() -> io::Result<&'static str> {
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    Ok(tokio::select! {
        _ = term.recv() => "SIGTERM",
        _ = int.recv() => "SIGINT",
    })
}
