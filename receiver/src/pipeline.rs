//! The data's way left of the ack: receive, admit, check, identify, append. [`Pipeline::export`] is the only place that
//! knows this order.
//!
//! The seam towards transports is [`Call`] and [`BodySource`]: what was known when the headers were there, and a body
//! that is pulled a chunk at a time. What goes back is an [`ExportResponse`] (the ack) or a [`Status`].
//!
//! *Invariant:* every request that comes in ends as accepted, refused or rejected, and one counter says which.
//!
//! Knows no transport and starts no task.

use crate::admit::Admit;
use crate::hand_over::{HandedOver, Seen};
use crate::identify::Identify;
use crate::metrics::{Entrance, RefusedFor, RejectedFor};
use bytes::Bytes;
use penstock_batcher::Log;
use penstock_batcher::log::{AppendError, Request};
use penstock_hop::metadata::HandOver;
use penstock_otlp::Signal;
use penstock_otlp::check::{CheckError, check};
use penstock_otlp::compress::Encoding;
use penstock_otlp::response::ExportResponse;
use penstock_otlp::status::{Code, Status};
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// Shortest and longest time that a refused sender is asked to wait, in milliseconds. Above some 7 s the metric SDK's
/// own deadline would pass before its next try.
const RETRY_AFTER_MS: std::ops::RangeInclusive<u64> = 1000..=3000;

/// What is known of a call before its body.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Who sent it.
    pub(crate) peer: Peer,
    /// How the body is compressed.
    pub(crate) encoding: Encoding,
    /// The body is OTLP JSON, not protobuf.
    pub(crate) json: bool,
    /// Bytes that the body will have as it comes, when the transport says so.
    pub(crate) declared_len: Option<usize>,
    /// How long the sender waits for an answer, when it says so.
    pub(crate) patience: Option<Duration>,
    /// What the transport's settings allow.
    pub(crate) limits: Limits,
    /// Set when another receiver sends it for one of our cursors.
    pub(crate) handed_over: Option<Box<HandedOver>>,
}

/// What a body may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Most bytes, as it comes and after decompression.
    pub(crate) max_bytes: usize,
    /// Most time for the sender to send it.
    pub(crate) read_timeout: Duration,
}

/// The sender's address as seen by us and as told by a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    /// Address of the connection's other end.
    pub(crate) address: IpAddr,
    /// Last address of `x-forwarded-for`.
    pub(crate) forwarded_for: Option<IpAddr>,
}

/// A body that is pulled: not pulling it is how a sender is held.
pub(crate) trait BodySource: Send {
    /// The next chunk; `None` at the end, and again when asked again.
    fn chunk(&mut self) -> impl Future<Output = Option<Result<Bytes, BodyError>>> + Send;

    /// The call is about to wait without being pulled. False when that may not be, because the transport has no room for
    /// what the sender may send meanwhile.
    fn hold(&mut self) -> bool {
        true
    }

    /// The call has waited for the longest time and is about to be refused.
    fn overdue(&mut self) {}
}

/// Why a body did not come to its end.
#[derive(Clone, Debug)]
pub(crate) enum BodyError {
    /// The sender has gone: nobody reads an answer.
    Gone,
    /// The transport's framing of the body is wrong.
    Malformed(Status),
}

/// A request that was not accepted: the answer, and what is counted.
#[derive(Clone, Debug)]
pub(crate) struct Denial {
    pub(crate) status: Status,
    pub(crate) fate: Fate,
}

/// What became of a request that was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Pushed back; the sender may try again. Items are unknown when the body could not be read in time.
    Refused {
        why: RefusedFor,
        items: Option<usize>,
    },
    /// Never acceptable.
    Rejected(RejectedFor),
}

impl Denial {
    pub(crate) fn refused(why: RefusedFor, items: Option<usize>, message: &str) -> Self {
        let mut status = Status::new(Code::Unavailable, message);
        status.retry_after = Some(Duration::from_millis(fastrand::u64(RETRY_AFTER_MS)));
        Self {
            status,
            fate: Fate::Refused { why, items },
        }
    }

    pub(crate) fn rejected(why: RejectedFor, code: Code, message: impl Into<String>) -> Self {
        Self {
            status: Status::new(code, message),
            fate: Fate::Rejected(why),
        }
    }
}

impl From<CheckError> for Denial {
    fn from(error: CheckError) -> Self {
        let why = RejectedFor::from_check(error.reason);
        Self::rejected(
            why,
            Code::InvalidArgument,
            format!("not valid OTLP: {error}"),
        )
    }
}

/// Counts a call whose sender goes away before it is answered: transports drop its future then.
struct Unanswered<'a>(&'a Entrance);

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        self.0
            .denied(&Denial::rejected(RejectedFor::Gone, Code::Cancelled, ""));
    }
}

/// One signal of one receiver on one shard, from the headers of a call to its ack.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub(crate) signal: Signal,
    pub(crate) admit: Admit,
    pub(crate) identify: Identify,
    pub(crate) log: Arc<Log>,
    pub(crate) seen: Arc<Seen>,
}

impl Pipeline {
    /// Takes one export request. The ack means that the log has it.
    ///
    /// # Errors
    /// The answer to a sender whose request was not accepted.
    ///
    /// # Cancel safety
    /// A request whose future is dropped may still be appended; its sender has no ack and may send it again.
    pub(crate) async fn export<B: BodySource>(
        &self,
        call: &Call,
        body: &mut B,
        entrance: &Entrance,
    ) -> Result<ExportResponse, Status> {
        entrance.requests.add(1);
        let unanswered = Unanswered(entrance);
        let taken = self.take(call, body, entrance).await;
        std::mem::forget(unanswered);
        match taken {
            Ok(items) => {
                entrance.accepted_items.add(items);
                Ok(ExportResponse::default())
            }
            Err(denial) => {
                entrance.denied(&denial);
                tracing::debug!(signal = %self.signal, peer = %call.peer.address, fate = ?denial.fate,
                    status = %denial.status, "request not accepted");
                Err(denial.status)
            }
        }
    }

    /// The stages in their order; the number of items that are ours from now on.
    async fn take<B: BodySource>(
        &self,
        call: &Call,
        body: &mut B,
        entrance: &Entrance,
    ) -> Result<usize, Denial> {
        let admitted = self.admit.take(call, body).await?;
        entrance.body_bytes.add(admitted.wire_bytes);
        let mut permit = admitted.permit;

        let checked = check(self.signal, admitted.request)?;
        entrance.repaired_strings.add(checked.repaired);
        if checked.items == 0 {
            return Ok(0);
        }

        let body = match &call.handed_over {
            Some(batch) if self.seen.has(batch) => return Ok(0),
            // It names its pod already; we would name the receiver that it comes from.
            Some(_) => checked.body.into(),
            None => self.identify.apply(&call.peer, checked.body),
        };
        self.admit.settle(&mut permit, body.len());

        let items = checked.items;
        let request = Request {
            body,
            items,
            permit,
        };
        let appended = match &call.handed_over {
            None => self.log.append(request).await,
            Some(batch) => {
                let HandOver { pipeline, exporter } = &batch.cursor;
                let appended = self.log.append_for(pipeline, exporter, request).await;
                appended.inspect(|()| self.seen.add(batch))
            }
        };
        appended
            .map(|()| items)
            .map_err(|why| not_appended(&why, items))
    }
}

fn not_appended(why: &AppendError, items: usize) -> Denial {
    let message = why.to_string();
    match why {
        AppendError::Closed => Denial::refused(RefusedFor::Stopping, Some(items), &message),
        AppendError::Full => Denial::refused(RefusedFor::Disk, Some(items), &message),
        // It stays with the receiver that has it.
        AppendError::UnknownCursor { .. } => Denial::rejected(
            RejectedFor::UnknownExporter,
            Code::FailedPrecondition,
            message,
        ),
    }
}
