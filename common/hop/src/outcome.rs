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

/// What servers say about a message over their limit, in lower case: our harness and tonic; C++, Go and Node; Java;
/// tonic when it inflates. The code alone does not tell: RESOURCE_EXHAUSTED is also the Collector's "no memory now",
/// and cutting such a batch down to single items would end in rejecting them.
const TOO_LARGE: [&str; 4] = ["too large", "larger than", "maximum size", "size limit"];

impl From<Status> for Outcome {
    /// | code | outcome |
    /// |---|---|
    /// | OK | delivered |
    /// | INVALID_ARGUMENT | rejected |
    /// | RESOURCE_EXHAUSTED, OUT_OF_RANGE without RetryInfo, the message speaks of size | too large |
    /// | all others | retry, after RetryInfo's delay if there is one |
    fn from(status: Status) -> Self {
        let says_too_large = || {
            let message = status.message.to_ascii_lowercase();
            status.retry_after.is_none() && TOO_LARGE.iter().any(|words| message.contains(words))
        };
        match status.code {
            Code::Ok => Self::Delivered {
                rejected: 0,
                message: status.message,
            },
            Code::InvalidArgument => Self::Rejected {
                reason: reason(&status),
            },
            Code::ResourceExhausted | Code::OutOfRange if says_too_large() => Self::TooLarge {
                reason: reason(&status),
            },
            _ => Self::Retry {
                after: status.retry_after,
                reason: reason(&status),
            },
        }
    }
}

fn reason(status: &Status) -> String {
    format!("{}: {}", status.code.name(), status.message)
}
