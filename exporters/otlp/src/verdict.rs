//! What a backend's answer means for a batch.
//!
//! *Invariant:* decides from the answer alone, so the same answer always has the same consequence.

use http::{HeaderMap, StatusCode, header};
use penstock_exporter_harness::{ExportError, Exported};
use penstock_exporter_http::retry_after;
use penstock_otlp::response::ExportResponse;
use penstock_otlp::status::{Code, Status, http_is_retryable, is_about_size};
use std::time::{Duration, SystemTime};

/// How soon to look whether somebody has mended the settings.
const MENDED_AFTER: Duration = Duration::from_secs(30);
/// Longest part of a backend's message that goes into ours.
const LONGEST_MESSAGE: usize = 1024;

/// Why a batch is not delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It may go well next time.
    Retry {
        after: Option<Duration>,
        reason: String,
    },
    /// It goes well once somebody has mended the settings or the backend.
    Misconfigured { reason: String },
    /// Smaller pieces may go well.
    TooLarge { reason: String },
    /// It never goes well.
    Rejected { reason: String },
}

impl From<Failure> for ExportError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Retry { after, reason } => Self::Retry { after, reason },
            Failure::Misconfigured { reason } => Self::Retry {
                after: Some(MENDED_AFTER),
                reason,
            },
            Failure::TooLarge { reason } => Self::TooLarge { reason },
            Failure::Rejected { reason } => Self::Rejected { reason },
        }
    }
}

impl Failure {
    pub(crate) fn retry(reason: impl Into<String>) -> Self {
        Self::Retry {
            after: None,
            reason: reason.into(),
        }
    }
}

/// A yes, with the items that the backend leaves out.
pub(crate) fn of_response(response: ExportResponse) -> Exported {
    // More items than an address can count is a backend's jest.
    let rejected = usize::try_from(response.rejected).unwrap_or(usize::MAX);
    Exported {
        rejected,
        message: shortened(&response.message),
    }
}

/// A gRPC status other than OK.
pub(crate) fn of_status(status: &Status) -> Failure {
    let reason = format!("{}: {}", status.code.name(), shortened(&status.message));
    match status.code {
        _ if status.is_too_large() => Failure::TooLarge { reason },
        Code::ResourceExhausted => Failure::Retry {
            after: status.retry_after,
            reason,
        },
        _ if status.is_retryable() => Failure::Retry {
            after: status.retry_after,
            reason,
        },
        Code::Unauthenticated | Code::PermissionDenied | Code::NotFound | Code::Unimplemented => {
            Failure::Misconfigured { reason }
        }
        _ => Failure::Rejected { reason },
    }
}

/// An HTTP status that is not 2xx.
pub(crate) fn of_http(status: StatusCode, headers: &HeaderMap, message: &str) -> Failure {
    let mut reason = format!("HTTP {}: {}", status.as_u16(), shortened(message.trim()));
    if status.is_redirection() {
        let to = headers
            .get(header::LOCATION)
            .and_then(|to| to.to_str().ok())
            .unwrap_or_default();
        reason = format!("HTTP {}: redirects are not followed: {to}", status.as_u16());
        return Failure::Misconfigured { reason };
    }
    match status.as_u16() {
        413 => Failure::TooLarge { reason },
        code if http_is_retryable(code) => Failure::Retry {
            after: retry_after(headers, SystemTime::now()),
            reason,
        },
        401 | 403 | 404 | 405 | 407 | 415 | 501 => Failure::Misconfigured { reason },
        // The Collector's receiver says 400 to what is too large for it, Loki 500.
        _ if is_about_size(message) => Failure::TooLarge { reason },
        _ => Failure::Rejected { reason },
    }
}

fn shortened(message: &str) -> String {
    let end = message.floor_char_boundary(LONGEST_MESSAGE);
    message[..end].to_owned()
}

#[cfg(test)]
mod tests;
