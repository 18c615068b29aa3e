//! One dead letter: a rejected piece of a batch, and why it was rejected.
//!
//! *Invariant:* the request's bytes are kept as they were sent.

use crate::log::format::now_ns;
use bytes::{BufMut, Bytes, BytesMut};
use penstock_hop::Batch;
use penstock_otlp::Signal;
use serde::{Deserialize, Serialize};

/// A peer's words are kept up to this many bytes.
const MAX_ERROR: usize = 4096;

/// What is known of a rejected piece beside its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// `traces`, `metrics`, `logs`.
    pub signal: String,
    /// The pipeline's id.
    pub pipeline: String,
    /// The id of the exporter that did not take it.
    pub exporter: String,
    /// Why, as metrics name it.
    pub reason: String,
    /// Why, in the peer's words.
    pub error: String,
    /// When, in nanoseconds since 1970.
    pub time_unix_nano: u64,
}

impl Meta {
    /// Of a piece that is rejected now.
    #[must_use]
    pub fn now(signal: Signal, pipeline: &str, exporter: &str, reason: &str, error: &str) -> Self {
        let mut end = error.len().min(MAX_ERROR);
        while !error.is_char_boundary(end) {
            end -= 1;
        }
        Self {
            signal: signal.name().to_owned(),
            pipeline: pipeline.to_owned(),
            exporter: exporter.to_owned(),
            reason: reason.to_owned(),
            error: error[..end].to_owned(),
            time_unix_nano: now_ns(),
        }
    }
}

/// A letter as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Where its record begins in the file: names it within the file.
    pub offset: u64,
    /// Items in the request.
    pub items: u64,
    /// What is known of it.
    pub meta: Meta,
    /// The request.
    pub request: Bytes,
}

/// A record's payload: the length of the meta as u32, the meta as JSON, the request.
pub(super) fn encode(meta: &Meta, batch: &Batch) -> serde_json::Result<Bytes> {
    let meta = serde_json::to_vec(meta)?;
    let mut payload = BytesMut::with_capacity(4 + meta.len() + batch.bytes());
    // Ids, and an error that was cut.
    payload.put_u32_le(u32::try_from(meta.len()).unwrap_or(u32::MAX));
    payload.put_slice(&meta);
    for chunk in &batch.chunks {
        payload.put_slice(chunk);
    }
    Ok(payload.freeze())
}

/// The other way round; `None` when it is not such a payload.
pub(super) fn decode(payload: &Bytes) -> Option<(Meta, Bytes)> {
    let (len, rest) = payload.split_first_chunk()?;
    let len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
    let meta = serde_json::from_slice(rest.get(..len)?).ok()?;
    Some((meta, payload.slice(4 + len..)))
}
