//! One body on its way into memory: pulled, decompressed and turned into protobuf under a permit.
//!
//! *Invariant:* can be taken up again with another permit where it stopped, so that a refused call can still be counted.

use crate::metrics::RejectedFor;
use crate::pipeline::{BodyError, BodySource, Call, Denial};
use crate::within::within;
use bytes::{Bytes, BytesMut};
use penstock_otlp::compress::{DecompressError, Encoding, decompress};
use penstock_otlp::status::Code;
use penstock_otlp::{Signal, json};
use penstock_runtime::Permit;
use tokio::time::{Instant, timeout_at};

/// Taken for a body that does not say its length: most of the mesh's requests fit.
const UNDECLARED_BYTES: usize = 16 * 1024;
/// First guess at the size of a decompressed body, as a multiple of the compressed one (spans and logs shrink 4-fold).
const INFLATES: usize = 8;
/// How much larger the next guess is. Each one decompresses anew, so few and large steps.
const GUESS_STEP: usize = 4;
/// Least guess: small bodies are guessed right at once.
const SMALLEST_GUESS: usize = 64 * 1024;

/// Why a body is not there.
pub(super) enum Fault {
    /// No room in time.
    Held,
    /// Not acceptable at all.
    Denied(Box<Denial>),
}

/// A body and how far it has come.
pub(super) struct Body<'a, B> {
    signal: Signal,
    call: &'a Call,
    source: &'a mut B,
    /// Most bytes as it comes and after decompression.
    limit: usize,
    /// Most bytes that all its forms together may take.
    room: usize,
    /// The body so far when it came in one chunk, so that the usual small one is not copied.
    whole: Bytes,
    /// The body so far when it came in several.
    joined: BytesMut,
    /// Pulled, but there was no room for it yet.
    next: Bytes,
    ended: bool,
}

impl<'a, B: BodySource> Body<'a, B> {
    pub(super) fn new(signal: Signal, call: &'a Call, source: &'a mut B, room: usize) -> Self {
        Self {
            signal,
            call,
            source,
            limit: call.limits.max_bytes.min(room),
            room,
            whole: Bytes::new(),
            joined: BytesMut::new(),
            next: Bytes::new(),
            ended: false,
        }
    }

    /// Bytes to take before the first chunk is pulled.
    pub(super) fn first_bytes(&self) -> Result<usize, Fault> {
        match self.call.declared_len {
            Some(bytes) if bytes > self.limit => Err(self.too_large()),
            Some(bytes) => Ok(bytes),
            None => Ok(UNDECLARED_BYTES.min(self.limit)),
        }
    }

    /// Whether the call may wait before its first chunk is pulled.
    pub(super) fn hold(&mut self) -> bool {
        self.source.hold()
    }

    /// The call has waited for the longest time.
    pub(super) fn overdue(&mut self) {
        self.source.overdue();
    }

    /// Bytes so far.
    pub(super) fn wire_bytes(&self) -> usize {
        self.whole.len() + self.joined.len()
    }

    /// Pulls the body to its end, taking more bytes as it grows.
    pub(super) async fn read(&mut self, permit: &mut Permit, until: Instant) -> Result<(), Fault> {
        let mut read_by = None;
        loop {
            if !self.next.is_empty() {
                self.keep(permit, until).await?;
            }
            if self.ended {
                return Ok(());
            }
            let by =
                || *read_by.get_or_insert_with(|| Instant::now() + self.call.limits.read_timeout);
            match within(by, self.source.chunk()).await {
                Some(None) => self.ended = true,
                Some(Some(Ok(chunk))) => self.next = chunk,
                Some(Some(Err(BodyError::Malformed(status)))) => {
                    return Err(denied(RejectedFor::Framing, status.code, status.message));
                }
                Some(Some(Err(BodyError::Gone))) => {
                    return Err(denied(
                        RejectedFor::Gone,
                        Code::Cancelled,
                        "the sender has gone",
                    ));
                }
                None => {
                    let message = "the body took too long to arrive";
                    return Err(denied(RejectedFor::Slow, Code::DeadlineExceeded, message));
                }
            }
        }
    }

    async fn keep(&mut self, permit: &mut Permit, until: Instant) -> Result<(), Fault> {
        let so_far = self.wire_bytes();
        let bytes = so_far + self.next.len();
        if bytes > self.limit {
            return Err(self.too_large());
        }
        if bytes > permit.bytes() {
            // Doubling, as the buffer does.
            let doubled = permit.bytes().saturating_mul(2).min(self.limit);
            self.cover(permit, bytes.max(doubled), until).await?;
        }
        let chunk = std::mem::take(&mut self.next);
        if so_far == 0 {
            self.whole = chunk;
            return Ok(());
        }
        if self.joined.is_empty() {
            self.joined
                .reserve(self.call.declared_len.unwrap_or(bytes).max(bytes));
            self.joined.extend_from_slice(&self.whole);
            self.whole = Bytes::new();
        }
        self.joined.extend_from_slice(&chunk);
        Ok(())
    }

    /// The body that was read, as protobuf. On [`Fault::Held`] it may be asked again.
    pub(super) async fn decode(
        &mut self,
        permit: &mut Permit,
        until: Instant,
    ) -> Result<Bytes, Fault> {
        if !self.joined.is_empty() {
            self.whole = std::mem::take(&mut self.joined).freeze();
        }
        let plain = match self.call.encoding {
            Encoding::Identity => self.whole.clone(),
            encoding => self.inflate(encoding, permit, until).await?,
        };
        if !self.call.json {
            return Ok(plain);
        }
        self.cover(permit, plain.len().saturating_mul(2).min(self.room), until)
            .await?;
        let request = json::to_proto(self.signal, &plain).map_err(|error| {
            denied(
                RejectedFor::Json,
                Code::InvalidArgument,
                format!("not valid OTLP JSON: {error}"),
            )
        })?;
        if request.len() > self.limit {
            return Err(self.too_large());
        }
        drop(plain);
        self.cover(permit, request.len(), until).await?;
        Ok(request)
    }

    async fn inflate(
        &self,
        encoding: Encoding,
        permit: &mut Permit,
        until: Instant,
    ) -> Result<Bytes, Fault> {
        let compressed = self.whole.len();
        let most = self.limit.min(self.room.saturating_sub(compressed));
        let mut guess = compressed
            .saturating_mul(INFLATES)
            .max(SMALLEST_GUESS)
            .min(most);
        loop {
            self.cover(permit, compressed + guess, until).await?;
            match decompress(encoding, &self.whole, guess) {
                Ok(plain) => return Ok(plain),
                Err(DecompressError::TooLarge { .. }) if guess < most => {
                    guess = guess.saturating_mul(GUESS_STEP).min(most);
                }
                Err(DecompressError::TooLarge { .. }) => return Err(self.too_large()),
                Err(error @ DecompressError::Invalid { .. }) => {
                    let message = error.to_string();
                    return Err(denied(
                        RejectedFor::Compression,
                        Code::InvalidArgument,
                        message,
                    ));
                }
            }
        }
    }

    async fn cover(&self, permit: &mut Permit, bytes: usize, until: Instant) -> Result<(), Fault> {
        let Some(more) = bytes.checked_sub(permit.bytes()).filter(|more| *more > 0) else {
            return Ok(());
        };
        match timeout_at(until, permit.grow(more)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_never)) => Err(self.too_large()),
            Err(_held) => Err(Fault::Held),
        }
    }

    pub(super) fn too_large(&self) -> Fault {
        let message = format!("the request is larger than {} bytes", self.limit);
        denied(RejectedFor::TooLarge, Code::ResourceExhausted, message)
    }
}

fn denied(why: RejectedFor, code: Code, message: impl Into<String>) -> Fault {
    Fault::Denied(Box::new(Denial::rejected(why, code, message)))
}
