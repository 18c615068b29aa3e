//! The process's metrics in Prometheus' text format.

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

/// Handle on the installed recorder. Clones render the same metrics.
#[derive(Clone, Debug)]
pub struct Recorder {
    handle: PrometheusHandle,
}

/// The recorder could not be installed.
#[derive(Debug, thiserror::Error)]
#[error("metrics were started twice")]
pub struct RecorderError;

impl Recorder {
    /// Installs the process's recorder.
    ///
    /// # Errors
    /// When one is installed already.
    pub fn install() -> Result<Self, RecorderError> {
        let handle = PrometheusBuilder::new()
            .install_recorder()
            .map_err(|_| RecorderError)?;
        Ok(Self { handle })
    }

    /// Prometheus text format 0.0.4.
    #[must_use]
    pub fn render(&self) -> String {
        self.handle.run_upkeep();
        self.handle.render()
    }
}
