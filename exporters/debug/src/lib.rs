//! The `debug` exporter: prints what it gets, as the Collector's does.
//!
//! Basic verbosity prints a line a batch and decodes only its outline; normal and detailed decode all of it.
//!
//! *Invariant:* a batch is delivered when its text has been written; what sampling leaves out counts as written. Not for
//! the hot path, and its format promises nothing beyond the basic line.

mod detailed;
mod normal;
mod outline;
mod sampler;
mod text;

#[cfg(test)]
mod tests;

use crate::outline::Outline;
use crate::sampler::Sampler;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use penstock_exporter_harness::{ExportBatch, ExportError, Exported, Exporter};
use penstock_otlp::Signal;
use penstock_settings::{Debug, Verbosity};
use prost::{DecodeError, Message};
use serde_json::Value;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// The exporter.
pub struct DebugExporter {
    verbosity: Verbosity,
    component: Arc<str>,
    sampler: Sampler,
    out: Arc<Mutex<Box<dyn Write + Send>>>,
}

impl fmt::Debug for DebugExporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DebugExporter")
            .field("component", &self.component)
            .finish_non_exhaustive()
    }
}

impl DebugExporter {
    /// The exporter called `id`, printing to `out`.
    #[must_use]
    pub fn new(id: &str, settings: &Debug, out: Box<dyn Write + Send>) -> Self {
        Self {
            verbosity: settings.verbosity,
            component: id.into(),
            sampler: Sampler::new(settings.sampling_initial, settings.sampling_thereafter),
            out: Arc::new(Mutex::new(out)),
        }
    }
}

impl Exporter for DebugExporter {
    async fn export(&self, batch: &ExportBatch) -> Result<Exported, ExportError> {
        if !self.sampler.admits(batch.signal, Instant::now()) {
            return Ok(Exported::default());
        }
        let (verbosity, component) = (self.verbosity, Arc::clone(&self.component));
        let (batch, out) = (batch.clone(), Arc::clone(&self.out));
        // Formatting takes long and a terminal may take for ever: neither belongs on the runtime's threads.
        let printed = tokio::task::spawn_blocking(move || {
            let text = text(&batch, verbosity, &component)?;
            let mut out = out.lock().unwrap_or_else(PoisonError::into_inner);
            out.write_all(text.as_bytes())
                .and_then(|()| out.flush())
                .map_err(Failure::Write)
        });
        match printed.await {
            Ok(Ok(())) => Ok(Exported::default()),
            Ok(Err(Failure::Decode(err))) => Err(ExportError::Rejected {
                reason: err.to_string(),
            }),
            Ok(Err(Failure::Write(err))) => retry(&err),
            Err(err) => retry(&err),
        }
    }
}

fn retry(why: &dyn fmt::Display) -> Result<Exported, ExportError> {
    Err(ExportError::Retry {
        after: None,
        reason: format!("standard output: {why}"),
    })
}

enum Failure {
    Decode(DecodeError),
    Write(io::Error),
}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        Self::Decode(error)
    }
}

/// What is printed of a batch: the line with its counts and, unless verbosity is basic, an entry with its items.
fn text(batch: &ExportBatch, verbosity: Verbosity, component: &str) -> Result<String, Failure> {
    let outline = Outline::decode(batch.body())?;
    let count = |name: &str, count: usize| (name.to_owned(), Value::from(count));
    let (title, counts) = match batch.signal {
        Signal::Traces => (
            "Traces",
            vec![
                count("resource spans", outline.resources()),
                count("spans", batch.items),
            ],
        ),
        Signal::Metrics => (
            "Metrics",
            vec![
                count("resource metrics", outline.resources()),
                count("metrics", outline.leaves()),
                count("data points", batch.items),
            ],
        ),
        Signal::Logs => (
            "Logs",
            vec![
                count("resource logs", outline.resources()),
                count("log records", batch.items),
            ],
        ),
    };
    let fields = vec![
        ("otelcol.component.id".to_owned(), Value::from(component)),
        ("otelcol.component.kind".to_owned(), Value::from("exporter")),
        (
            "otelcol.signal".to_owned(),
            Value::from(batch.signal.name()),
        ),
    ];
    let time = text::log_time();
    let summary = fields.iter().cloned().chain(counts);
    let mut out = format!("{time}\tinfo\t{title}\t{}\n", text::fields(summary));
    let body = batch.body();
    let items = match (verbosity, batch.signal) {
        (Verbosity::Basic, _) => return Ok(out),
        (Verbosity::Normal, Signal::Traces) => {
            normal::traces(&ExportTraceServiceRequest::decode(body)?)
        }
        (Verbosity::Normal, Signal::Metrics) => {
            normal::metrics(&ExportMetricsServiceRequest::decode(body)?)
        }
        (Verbosity::Normal, Signal::Logs) => normal::logs(&ExportLogsServiceRequest::decode(body)?),
        (Verbosity::Detailed, Signal::Traces) => {
            detailed::traces(&ExportTraceServiceRequest::decode(body)?)
        }
        (Verbosity::Detailed, Signal::Metrics) => {
            detailed::metrics(&ExportMetricsServiceRequest::decode(body)?)
        }
        (Verbosity::Detailed, Signal::Logs) => {
            detailed::logs(&ExportLogsServiceRequest::decode(body)?)
        }
    };
    out.push_str(&format!(
        "{time}\tinfo\t{items}\t{}\n",
        text::fields(fields.into_iter())
    ));
    Ok(out)
}
