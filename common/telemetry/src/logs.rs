//! Structured logs to standard error, as text or JSON.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Why logging cannot start.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    /// The level is not one of ours.
    #[error("log level `{0}` is none of trace, debug, info, warn, error")]
    Level(String),
    /// Logging was started before.
    #[error("logging was started twice")]
    Twice,
}

/// Starts logging for the process. `level` may be any `tracing` filter (`info`, `penstock_hop=debug,warn`).
///
/// # Errors
/// [`LogsError`] when the level is unknown or logging runs already.
pub fn start(level: &str, json: bool) -> Result<(), LogsError> {
    let filter = EnvFilter::try_new(level).map_err(|_| LogsError::Level(level.to_owned()))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        // A line that cannot be written must not be a panic about a line that cannot be written.
        .log_internal_errors(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let started = if json {
        builder.json().flatten_event(true).try_init()
    } else {
        builder.try_init()
    };
    started.map_err(|_| LogsError::Twice)
}
