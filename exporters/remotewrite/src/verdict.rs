//! What a backend's answer to one request means.
//!
//! *Invariant:* decides from the answer alone.

use crate::request::Counts;
use http::{HeaderMap, StatusCode};
use penstock_exporter_http::{Answer, retry_after};
use std::time::{Duration, SystemTime};

#[cfg(test)]
mod tests;

/// How soon to look whether somebody has mended the settings.
const MENDED_AFTER: Duration = Duration::from_secs(30);
/// Longest part of a backend's message that goes into ours.
const LONGEST_MESSAGE: usize = 1024;

/// What to do with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The backend has it.
    Written,
    /// It will never have so many of its values, or any of them when there is no number.
    Rejected {
        values: Option<usize>,
        reason: String,
    },
    /// Smaller ones may go well.
    TooLarge { reason: String },
    /// Some of it will never be taken, nobody says what, and the rest may have been left out because of it: Prometheus before
    /// version 3 writes nothing of a request with one value that is too late.
    Mixed { reason: String },
    /// Not now.
    Retry {
        after: Option<Duration>,
        reason: String,
    },
}

/// Judges the answer to a request with these values.
pub(crate) fn judge(answer: &Answer, sent: Counts, version_2: bool) -> Verdict {
    let text = String::from_utf8_lossy(&answer.body);
    let text = text.trim();
    let text = &text[..text.floor_char_boundary(LONGEST_MESSAGE)];
    let reason = format!("HTTP {}: {text}", answer.status.as_u16());
    let missing = version_2.then(|| missing(&answer.headers, sent)).flatten();
    if answer.status.is_success() {
        return match missing {
            Some(0) => Verdict::Written,
            Some(values) => Verdict::Rejected {
                values: Some(values),
                reason,
            },
            None if version_2 => Verdict::Retry {
                after: Some(MENDED_AFTER),
                reason: "the backend does not say what it wrote, so it does not know protocol 2.0; set `protobuf_message: prometheus.WriteRequest`".to_owned(),
            },
            None => Verdict::Written,
        };
    }
    match answer.status {
        StatusCode::PAYLOAD_TOO_LARGE => Verdict::TooLarge { reason },
        // What the operator can mend loses nothing.
        status
            if status.is_redirection()
                || matches!(status.as_u16(), 401 | 403..=405 | 407 | 415) =>
        {
            Verdict::Retry {
                after: Some(MENDED_AFTER),
                reason,
            }
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => Verdict::Retry {
            after: retry_after(&answer.headers, SystemTime::now()),
            reason,
        },
        StatusCode::BAD_REQUEST if missing.is_none() => Verdict::Mixed { reason },
        status if status.is_client_error() => Verdict::Rejected {
            values: missing,
            reason,
        },
        _ => Verdict::Retry {
            after: retry_after(&answer.headers, SystemTime::now()),
            reason,
        },
    }
}

/// Samples and histograms that were sent and not written; `None` when the backend says nothing of it. Exemplars are help,
/// not data.
fn missing(headers: &HeaderMap, sent: Counts) -> Option<usize> {
    let written = |what: &str| {
        let value = headers.get(format!("x-prometheus-remote-write-{what}-written"))?;
        value.to_str().ok()?.trim().parse::<usize>().ok()
    };
    let (samples, histograms) = (written("samples"), written("histograms"));
    if samples.is_none() && histograms.is_none() {
        return None;
    }
    let missing = |sent: usize, written: Option<usize>| sent.saturating_sub(written.unwrap_or(0));
    Some(missing(sent.samples, samples) + missing(sent.histograms, histograms))
}
