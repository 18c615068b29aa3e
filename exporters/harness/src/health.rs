//! How the backend is, as far as the last batches tell: `/healthz?verbose`.
//!
//! *Invariant:* tells; nothing is decided by it. A backend that fails does not make the process unhealthy: to end it would
//! help nobody.

use crate::{ExportError, Exported};
use penstock_runtime::{Drain, Phase};
use penstock_telemetry::admin::{Page, Query};
use serde::Serialize;
use std::sync::{Mutex, PoisonError};
use tokio::time::Instant;

#[cfg(test)]
mod tests;

/// Most bytes of an error that are kept.
const MAX_ERROR: usize = 512;

/// What is known of the backend.
#[derive(Debug, Default)]
pub(crate) struct Health(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    failing: Option<Instant>,
    error: Option<(Instant, String)>,
    in_flight: usize,
}

/// The page.
#[derive(Serialize)]
struct HealthPage<'a> {
    /// `ok`, or why the process does not accept.
    status: &'a str,
    exporters: [Exporter<'a>; 1],
}

#[derive(Serialize)]
struct Exporter<'a> {
    exporter: &'a str,
    /// `ok`: the backend answered the last batch; `failing`: it is to be sent again.
    state: &'static str,
    failing_seconds: Option<f64>,
    last_error: Option<&'a str>,
    last_error_seconds_ago: Option<f64>,
    /// Batches that wait for the backend.
    in_flight: usize,
}

impl Health {
    pub(crate) fn begin(&self) {
        self.with(|known| known.in_flight += 1);
    }

    pub(crate) fn end(&self, result: &Result<Exported, ExportError>) {
        let now = Instant::now();
        self.with(|known| {
            known.in_flight = known.in_flight.saturating_sub(1);
            if let Err(error) = result {
                let mut why = error.to_string();
                why.truncate(why.floor_char_boundary(MAX_ERROR));
                known.error = Some((now, why));
            }
            match result {
                Err(ExportError::Retry { .. }) => _ = known.failing.get_or_insert(now),
                _ => known.failing = None,
            }
        });
    }

    /// `/healthz`, with or without `?verbose`.
    pub(crate) fn page(&self, exporter: &str, drain: &Drain, query: &Query) -> Page {
        let ready = ready(drain);
        let code = if ready.is_ok() { 200 } else { 503 };
        let status = ready.err().unwrap_or_else(|| "ok".to_owned());
        if query.get("verbose").is_none() {
            return Page::text(format!("{status}\n")).with_status(code);
        }
        let ago = |then: Instant| then.elapsed().as_secs_f64();
        let json = self.with(|known| {
            let page = HealthPage {
                status: &status,
                exporters: [Exporter {
                    exporter,
                    state: if known.failing.is_some() {
                        "failing"
                    } else {
                        "ok"
                    },
                    failing_seconds: known.failing.map(ago),
                    last_error: known.error.as_ref().map(|(_, why)| why.as_str()),
                    last_error_seconds_ago: known.error.as_ref().map(|(at, _)| ago(*at)),
                    in_flight: known.in_flight,
                }],
            };
            // Numbers and texts only: it has a JSON form.
            serde_json::to_string_pretty(&page).unwrap_or_default()
        });
        Page::json(json).with_status(code)
    }

    fn with<T>(&self, act: impl FnOnce(&mut Known) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Whether the process accepts; if not, why.
pub(crate) fn ready(drain: &Drain) -> Result<(), String> {
    match drain.phase() {
        Phase::Running => Ok(()),
        phase => Err(format!("not ready: {}", phase.name())),
    }
}
