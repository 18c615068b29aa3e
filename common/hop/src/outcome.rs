//! What became of a batch, as far as the next decision needs it.
//!
//! *Invariant:* only a peer's clear word makes an item lost. INVALID_ARGUMENT is that word; everything that may as well
//! be a fault of the deployment (UNIMPLEMENTED, UNAUTHENTICATED, INTERNAL, ...) is tried again, since an operator can
//! mend it and the data is safe in the log until then.

use penstock_otlp::status::{Code, Status};
use std::time::Duration;

#[cfg(test)]
mod tests;

/// The exporter's answer, or the lack of one.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The backend has it, save for `rejected` items (OTLP's partial success).
    Delivered {
        /// Items that the backend will never take.
        rejected: usize,
        /// Its words, if any.
        message: String,
    },
    /// Not now: try the same batch again.
    Retry {
        /// Not before this long from now, when the peer said so.
        after: Option<Duration>,
        /// Why.
        reason: String,
    },
    /// No replica may be called now, so nothing was sent. Replicas are probed on the hop's own clock; the caller only
    /// has to come back.
    Unreached {
        /// When a replica may be called.
        after: Duration,
        /// Why.
        reason: String,
    },
    /// The batch is too large for the peer: cut it and send the pieces.
    TooLarge {
        /// Why.
        reason: String,
    },
    /// Never: the peer will not take this batch.
    Rejected {
        /// Why.
        reason: String,
    },
}

impl Outcome {
    /// Whether another receiver has said that it does not serve those whom the batch is for.
    #[must_use]
    pub fn is_unserved(&self) -> bool {
        let says = |reason: &str| reason.starts_with(Code::FailedPrecondition.name());
        matches!(self, Self::Retry { reason, .. } if says(reason))
    }
}

/// The longest pause that a peer may ask for. Without a limit one absurd Retry-After, of a backend or of a proxy before
/// it, would stop an exporter for good; five minutes cost a peer that means it one more call now and then. Every way
/// leads through here: what a backend asks of an exporter comes as the exporter's RetryInfo.
const LONGEST_PAUSE: Duration = Duration::from_secs(5 * 60);

impl From<Status> for Outcome {
    /// | code | outcome |
    /// |---|---|
    /// | OK | delivered |
    /// | INVALID_ARGUMENT | rejected |
    /// | [`Status::is_too_large`] | too large |
    /// | all others | retry, after RetryInfo's delay if there is one, at most 5 minutes |
    fn from(status: Status) -> Self {
        match status.code {
            Code::Ok => Self::Delivered {
                rejected: 0,
                message: status.message,
            },
            Code::InvalidArgument => Self::Rejected {
                reason: reason(&status),
            },
            _ if status.is_too_large() => Self::TooLarge {
                reason: reason(&status),
            },
            _ => Self::Retry {
                after: status.retry_after.map(|after| after.min(LONGEST_PAUSE)),
                reason: reason(&status),
            },
        }
    }
}

fn reason(status: &Status) -> String {
    format!("{}: {}", status.code.name(), status.message)
}
