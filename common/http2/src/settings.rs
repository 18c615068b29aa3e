//! The limits of a connection, with defaults that are safe against a hostile peer.
//!
//! *Does not* read files or the environment: whoever builds the listener fills this in.

use std::time::Duration;

/// The largest window and the largest stream id of HTTP/2.
pub(crate) const MAX_WINDOW: u32 = (1 << 31) - 1;
/// The window that every connection and stream begins with by the RFC.
pub(crate) const DEFAULT_WINDOW: u32 = 65_535;

/// How one connection behaves. All sizes are bytes.
#[derive(Debug, Clone)]
pub struct Http2Settings {
    /// Calls at the same time on one connection; the default is what Envoy allows itself.
    pub max_concurrent_streams: u32,
    /// How much of one body the peer may send before it is taken.
    pub stream_window_bytes: u32,
    /// How much of all bodies of the connection the peer may send before it is taken: this bounds what a connection buffers.
    pub connection_window_bytes: u32,
    /// Largest frame that we take, 16 KiB to 16 MiB - 1.
    pub max_frame_bytes: u32,
    /// Largest dynamic table of the peer's header compression.
    pub header_table_bytes: u32,
    /// Largest list of headers of one call, counted as the RFC does (32 bytes extra for each). Larger ones get status 431.
    pub max_header_list_bytes: u32,
    /// CONTINUATION frames of one header block.
    pub max_continuation_frames: u32,
    /// PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty and unknown frames that a peer may send beyond what its calls and
    /// the time pay for.
    pub control_budget: u32,
    /// Streams that a peer may cancel, have reset or have refused beyond what its calls and the time pay for.
    pub reset_budget: u32,
    /// We stop reading while more than this waits to be written.
    pub max_write_buffer_bytes: usize,
    /// Answers of one connection that may wait for the peer's window.
    pub max_blocked_response_bytes: usize,
    /// From the accept to the peer's SETTINGS, and from ours to their acknowledgement.
    pub handshake_timeout: Duration,
    /// From the start of a header block to its end.
    pub header_timeout: Duration,
    /// From the first byte of a frame to its last.
    pub frame_timeout: Duration,
    /// In each such period an unfinished body must bring `body_min_bytes`, unless we withhold its window.
    pub body_timeout: Duration,
    /// See `body_timeout`.
    pub body_min_bytes: u32,
    /// An answer that waits for the peer's window is given up after this time without progress.
    pub response_timeout: Duration,
    /// The connection is given up when nothing could be written for this time.
    pub write_timeout: Duration,
    /// Connections are closed gracefully at this age, with up to 10 % of jitter either way, so that peers spread over
    /// new replicas.
    pub max_connection_age: Option<Duration>,
    /// How long calls may go on after the age was reached; without end if `None`.
    pub max_connection_age_grace: Option<Duration>,
    /// Connections without calls are closed gracefully after this time.
    pub idle_timeout: Option<Duration>,
    /// When nothing was read for this time, a PING asks whether the peer is alive.
    pub keepalive_interval: Option<Duration>,
    /// How long the answer to that PING may take.
    pub keepalive_timeout: Duration,
    /// How long to wait, after the first GOAWAY, for calls that were already under way.
    pub goaway_timeout: Duration,
    /// How long calls that arrived whole go on after the peer has gone: a dying sidecar's last calls are worth keeping.
    pub orphan_timeout: Duration,
}

impl Default for Http2Settings {
    fn default() -> Self {
        Self {
            max_concurrent_streams: 1024,
            stream_window_bytes: 1 << 20,
            connection_window_bytes: 4 << 20,
            max_frame_bytes: 16 << 10,
            header_table_bytes: 4096,
            max_header_list_bytes: 32 << 10,
            max_continuation_frames: 8,
            control_budget: 1000,
            // A peer may time out all its calls at once, and once more, without being an attacker.
            reset_budget: 2048,
            max_write_buffer_bytes: 256 << 10,
            max_blocked_response_bytes: 1 << 20,
            handshake_timeout: Duration::from_secs(10),
            header_timeout: Duration::from_secs(10),
            frame_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            body_min_bytes: 4096,
            response_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            max_connection_age: None,
            max_connection_age_grace: Some(Duration::from_secs(30)),
            idle_timeout: Some(Duration::from_secs(15 * 60)),
            keepalive_interval: Some(Duration::from_secs(60)),
            keepalive_timeout: Duration::from_secs(20),
            goaway_timeout: Duration::from_secs(2),
            orphan_timeout: Duration::from_secs(10),
        }
    }
}

/// A setting that HTTP/2 does not allow or that would make a connection useless.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{setting} must be between {min} and {max}, not {value}")]
pub struct SettingsError {
    /// The field of [`Http2Settings`].
    pub setting: &'static str,
    /// What it was set to.
    pub value: u64,
    /// The smallest value allowed.
    pub min: u64,
    /// The largest value allowed.
    pub max: u64,
}

impl Http2Settings {
    /// Checks all limits.
    ///
    /// # Errors
    /// The first field that is out of its range.
    pub fn validate(&self) -> Result<(), SettingsError> {
        let window = u64::from(MAX_WINDOW);
        let any = u64::from(u32::MAX);
        let ranges = [
            (
                "max_concurrent_streams",
                self.max_concurrent_streams,
                1,
                1 << 20,
            ),
            (
                "stream_window_bytes",
                self.stream_window_bytes,
                1 << 10,
                window,
            ),
            (
                "connection_window_bytes",
                self.connection_window_bytes,
                u64::from(DEFAULT_WINDOW),
                window,
            ),
            (
                "max_frame_bytes",
                self.max_frame_bytes,
                1 << 14,
                (1 << 24) - 1,
            ),
            ("header_table_bytes", self.header_table_bytes, 0, 1 << 20),
            (
                "max_header_list_bytes",
                self.max_header_list_bytes,
                256,
                1 << 24,
            ),
            ("control_budget", self.control_budget, 1, any),
            ("reset_budget", self.reset_budget, 1, any),
        ];
        for (setting, value, min, max) in ranges {
            let value = u64::from(value);
            if value < min || value > max {
                return Err(SettingsError {
                    setting,
                    value,
                    min,
                    max,
                });
            }
        }
        Ok(())
    }

    /// How often a busy connection looks at its clocks: a quarter of the shortest time-out, at most a second.
    pub(crate) fn tick(&self) -> Duration {
        let shortest = [
            self.handshake_timeout,
            self.header_timeout,
            self.frame_timeout,
            self.body_timeout,
            self.response_timeout,
            self.write_timeout,
            self.goaway_timeout,
            self.orphan_timeout,
        ]
        .into_iter()
        .chain(self.idle_timeout)
        .chain(self.keepalive_interval)
        .fold(self.keepalive_timeout, Duration::min);
        (shortest / 4).clamp(Duration::from_millis(5), Duration::from_secs(1))
    }
}

#[cfg(test)]
mod tests;
