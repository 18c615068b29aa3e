//! The process's metrics in Prometheus' text format.

use crate::admin::Page;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use penstock_metrics::spelling::Spelling;
use std::sync::Arc;
use std::time::Duration;

/// Upper bounds of durations, by metrics' names in seconds: from a write to the page cache to a disk that hangs.
const SECONDS: [f64; 15] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0,
    2.5, 10.0,
];
/// Upper bounds of sizes.
const BYTES: [f64; 9] = [
    256.0,
    1024.0,
    4096.0,
    16_384.0,
    65_536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
];
/// Upper bounds of batches' items.
const ITEMS: [f64; 12] = [
    10.0, 50.0, 100.0, 500.0, 1000.0, 2000.0, 4000.0, 6000.0, 8000.0, 10_000.0, 50_000.0, 100_000.0,
];
/// Histograms keep every sample until somebody looks, or this is over.
const UPKEEP: Duration = Duration::from_secs(5);

/// Handle on the installed recorder. Clones render the same metrics.
#[derive(Clone, Debug)]
pub struct Recorder {
    handle: PrometheusHandle,
    spelling: Arc<Spelling>,
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
        let handle = builder()
            .and_then(PrometheusBuilder::install_recorder)
            .map_err(|_| RecorderError)?;
        Ok(Self {
            handle,
            spelling: Arc::default(),
        })
    }

    /// Keeps memory bounded when nobody looks. Never ends; run it as a task.
    pub async fn upkeep(self) {
        loop {
            tokio::time::sleep(UPKEEP).await;
            self.handle.run_upkeep();
        }
    }

    /// The Collector's names are to be spelled like this.
    #[must_use]
    pub fn spelled(self, spelling: Spelling) -> Self {
        Self {
            spelling: Arc::new(spelling),
            ..self
        }
    }

    /// Prometheus text format 0.0.4.
    #[must_use]
    pub fn render(&self) -> String {
        self.handle.run_upkeep();
        let text = self.handle.render();
        self.spelling.apply(&text).into_owned()
    }

    /// The same as a page.
    #[must_use]
    pub fn page(&self) -> Page {
        Page {
            content_type: "text/plain; version=0.0.4; charset=utf-8".into(),
            ..Page::text(self.render())
        }
    }
}

fn builder() -> Result<PrometheusBuilder, BuildError> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .set_buckets_for_metric(Matcher::Suffix("_bytes".to_owned()), &BYTES)?
        .set_buckets_for_metric(Matcher::Suffix("_send_size".to_owned()), &ITEMS)
}
