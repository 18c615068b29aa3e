//! How long an exporter tries.

use std::time::Duration;

/// `retry_on_failure`.
#[derive(Clone, Debug, PartialEq)]
pub struct Retry {
    /// Off: the first retryable failure drops the batch (counted).
    pub enabled: bool,
    /// Default 5 s in the Collector; 1 s here, as a batch waits in our log and not in a consumer.
    pub initial_interval: Duration,
    /// Default 30 s.
    pub max_interval: Duration,
    /// Default 1.5.
    pub multiplier: f64,
    /// Default 0.5.
    pub randomization_factor: f64,
    /// After this the batch is dropped (counted). `None`, the default, and the user's 0: never.
    pub max_elapsed_time: Option<Duration>,
}
