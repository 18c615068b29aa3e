//! The Collector's `health_check` extension: a port of its own that says whether this process can accept, in the form in
//! which the extension says it.
//!
//! *Invariant:* says what `/readyz` says.

use crate::admin::{Admin, Page};
use jiff::Timestamp;
use penstock_settings::HealthCheck;
use serde::Serialize;
use std::time::{Duration, Instant};

#[cfg(test)]
mod tests;

/// As the extension has it; of a server that is not available it gives no times.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    status: &'static str,
    up_since: String,
    uptime: String,
}

/// The pages of one extension. `ready` gives the reason why not, if there is one; it can accept since now.
pub fn pages(
    check: &HealthCheck,
    ready: impl Fn() -> Result<(), String> + Send + Sync + 'static,
) -> Admin {
    let (since, started) = (Timestamp::now(), Instant::now());
    let (healthy, unhealthy) = (check.healthy_body.clone(), check.unhealthy_body.clone());
    Admin::bare().page(&check.path, move || match ready() {
        Ok(()) => body(&healthy, || Body {
            status: "Server available",
            up_since: since.to_string(),
            uptime: go_duration(started.elapsed()),
        }),
        Err(_) => body(&unhealthy, || Body {
            status: "Server not available",
            up_since: "0001-01-01T00:00:00Z".to_owned(),
            uptime: String::new(),
        })
        .with_status(503),
    })
}

/// What the settings say, or the usual.
fn body(text: &str, usual: impl FnOnce() -> Body) -> Page {
    if text.is_empty() {
        // Texts only: it has a JSON form.
        Page::json(serde_json::to_string(&usual()).unwrap_or_default())
    } else {
        Page::text(text)
    }
}

/// As Go writes it, to the millisecond: `1h2m3.004s`.
fn go_duration(time: Duration) -> String {
    let (seconds, millis) = (time.as_secs(), time.subsec_millis());
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let mut text = String::new();
    if hours > 0 {
        text += &format!("{hours}h");
    }
    if hours > 0 || minutes > 0 {
        text += &format!("{minutes}m");
    }
    let part = format!("{seconds}.{millis:03}");
    text + part.trim_end_matches('0').trim_end_matches('.') + "s"
}
