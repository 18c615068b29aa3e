//! Batches to a backend that speaks OTLP, over gRPC (`otlp`) or HTTP (`otlphttp`).
//!
//! *Invariant:* the batch's protobuf is sent as it came, and a batch is delivered only when the backend has said so.
//!
//! The retry rules are OTLP's, with these differences, each of which keeps data that the Collector would drop:
//! - What the operator can mend is retried, slowly and with an error in the log: wrong credentials, paths, services,
//!   media types, redirects (UNAUTHENTICATED, PERMISSION_DENIED, NOT_FOUND, UNIMPLEMENTED; 3xx, 401, 403, 404, 405,
//!   407, 415, 501).
//! - RESOURCE_EXHAUSTED without RetryInfo is retried: backends say it when a rate limit is reached.
//! - A complaint about the size of a request (413, and any other refusal whose message is about it) asks for the batch
//!   in smaller pieces.
//!
//! Does not follow redirects, use proxies or keep a queue.

mod otlp_grpc;
mod otlp_http;
mod request;
mod verdict;

pub use penstock_exporter_http::BuildError;

use otlp_grpc::GrpcBackend;
use otlp_http::HttpBackend;
use penstock_exporter_harness::{ExportBatch, ExportError, Exported, Exporter};
use penstock_settings::Backend;
use penstock_tls::Watched;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use verdict::Failure;

const USER_AGENT: &str = concat!("penstock-exporter-otlp/", env!("CARGO_PKG_VERSION"));

/// An exporter to one OTLP backend.
#[derive(Debug)]
pub struct OtlpExporter {
    protocol: Protocol,
    /// The backend's last answer was one that a person has to mend.
    is_misconfigured: AtomicBool,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a process has one")]
enum Protocol {
    Grpc(GrpcBackend),
    Http(HttpBackend),
}

impl OtlpExporter {
    /// Builds an exporter that gives each attempt `timeout`; zero is no limit. Connects with the first batch.
    ///
    /// # Errors
    /// [`BuildError`] when the settings cannot work whatever the backend does.
    pub fn new(backend: &Backend, timeout: Duration) -> Result<Self, BuildError> {
        const NO_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);
        let timeout = if timeout.is_zero() { NO_LIMIT } else { timeout };
        let protocol = match backend {
            Backend::OtlpGrpc(settings) => Protocol::Grpc(GrpcBackend::new(settings, timeout)?),
            Backend::OtlpHttp(settings) => Protocol::Http(HttpBackend::new(settings, timeout)?),
            _ => return Err(BuildError::Kind("otlp or otlphttp")),
        };
        Ok(Self {
            protocol,
            is_misconfigured: AtomicBool::new(false),
        })
    }

    /// A person is told once when something needs mending, and once when it is mended.
    fn tell(&self, outcome: &Result<Exported, Failure>) {
        match outcome {
            Err(Failure::Misconfigured { reason }) => {
                if !self.is_misconfigured.swap(true, Ordering::Relaxed) {
                    tracing::error!(%reason, "backend refuses batches until settings are mended");
                }
            }
            Ok(_) => {
                if self.is_misconfigured.swap(false, Ordering::Relaxed) {
                    tracing::info!("backend takes batches again");
                }
            }
            Err(_) => {}
        }
    }
}

impl Exporter for OtlpExporter {
    async fn export(&self, batch: &ExportBatch) -> Result<Exported, ExportError> {
        let outcome = match &self.protocol {
            Protocol::Grpc(backend) => backend.export(batch).await,
            Protocol::Http(backend) => backend.export(batch).await,
        };
        self.tell(&outcome);
        Ok(outcome?)
    }

    fn files(&self) -> Vec<Arc<dyn Watched>> {
        match &self.protocol {
            Protocol::Grpc(backend) => backend.files(),
            Protocol::Http(backend) => backend.files(),
        }
    }
}

#[cfg(test)]
mod tests;
