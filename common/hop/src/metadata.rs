//! The metadata headers of the hop.
//!
//! *Invariant:* an [`Origin`] read from headers is one that [`insert`] could have written, so equal headers and equal
//! origins are the same thing.

use crate::Origin;
use http::{HeaderMap, HeaderValue};

#[cfg(test)]
mod tests;

/// Which log the batch comes from.
pub const LOG_ID: &str = "penstock-log-id";
/// Which blocks: `first-last` or `first-last;part/parts`.
pub const BLOCKS: &str = "penstock-blocks";
/// The exporter's id in the configuration, `otlp/tempo`.
pub const EXPORTER: &str = "penstock-exporter";
/// Attempt, from 1.
pub const ATTEMPT: &str = "penstock-attempt";

impl Origin {
    /// The value of [`BLOCKS`].
    #[must_use]
    pub fn blocks(&self) -> String {
        let Self {
            first_block,
            last_block,
            part,
            parts,
            ..
        } = self;
        if *parts == 1 {
            format!("{first_block}-{last_block}")
        } else {
            format!("{first_block}-{last_block};{part}/{parts}")
        }
    }

    /// Reads the two header values back; `None` when they are not ours.
    #[must_use]
    pub fn parse(log_id: &str, blocks: &str) -> Option<Self> {
        let (range, piece) = blocks.split_once(';').unwrap_or((blocks, "0/1"));
        let (first, last) = range.split_once('-')?;
        let (part, parts) = piece.split_once('/')?;
        let origin = Self {
            log_id: log_id.to_owned(),
            first_block: first.parse().ok()?,
            last_block: last.parse().ok()?,
            part: part.parse().ok()?,
            parts: parts.parse().ok()?,
        };
        let possible = !log_id.is_empty()
            && origin.first_block <= origin.last_block
            && origin.part < origin.parts
            && origin.blocks() == blocks;
        possible.then_some(origin)
    }

    /// The origin that a call's headers name, if they name one.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        Self::parse(text(LOG_ID)?, text(BLOCKS)?)
    }
}

/// Adds the headers of a call. A value that no header can carry is left out: the headers are help, not data.
pub fn insert(headers: &mut HeaderMap, origin: &Origin, exporter: &str, attempt: u32) {
    let values = [
        (LOG_ID, HeaderValue::from_str(&origin.log_id).ok()),
        (BLOCKS, HeaderValue::from_str(&origin.blocks()).ok()),
        (EXPORTER, HeaderValue::from_str(exporter).ok()),
        (ATTEMPT, Some(HeaderValue::from(attempt))),
    ];
    for (name, value) in values {
        if let Some(value) = value {
            headers.insert(name, value);
        }
    }
}
