//! The metadata headers of the hop.
//!
//! *Invariant:* an [`Origin`] read from headers is one that [`insert`] could have written, so equal headers and equal
//! origins are the same thing.

use crate::{Origin, Share};
use http::{HeaderMap, HeaderValue};
use std::fmt::Write;

#[cfg(test)]
mod tests;

/// Which log the batch comes from.
pub const LOG_ID: &str = "penstock-log-id";
/// Which blocks: `first-last` or `first-last;part/parts`.
pub const BLOCKS: &str = "penstock-blocks";
/// Which share, of a batch that holds the Resources of one owner only: `epoch-id`, both of 16 hexadecimal digits.
pub const SHARE: &str = "penstock-share";
/// The exporter's id in the configuration, `otlp/tempo`.
pub const EXPORTER: &str = "penstock-exporter";
/// How many items it has, so that an exporter which passes bytes on need not look into them.
pub const ITEMS: &str = "penstock-items";
/// Attempt, from 1.
pub const ATTEMPT: &str = "penstock-attempt";
/// In a call from one receiver to another: the pipeline of the one cursor that the batch is for.
pub const HAND_OVER_PIPELINE: &str = "penstock-hand-over-pipeline";
/// In a call from one receiver to another: the exporter of the one cursor that the batch is for.
pub const HAND_OVER_EXPORTER: &str = "penstock-hand-over-exporter";

/// Longer than any log's id. Origins are remembered by the thousand, and a header may be much longer.
const LONGEST_LOG_ID: usize = 128;

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
            share: None,
        };
        let possible = (1..=LONGEST_LOG_ID).contains(&log_id.len())
            && origin.first_block <= origin.last_block
            && origin.part < origin.parts
            && origin.blocks() == blocks;
        possible.then_some(origin)
    }

    /// The origin that a call's headers name, if they name one.
    #[must_use]
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        Self::read(|name| headers.get(name).map(HeaderValue::as_bytes))
    }

    /// The origin that these headers name, if they name one.
    #[must_use]
    pub fn read<'a>(header: impl Fn(&str) -> Option<&'a [u8]>) -> Option<Self> {
        let text = |value| str::from_utf8(value).ok();
        let origin = Self::parse(text(header(LOG_ID)?)?, text(header(BLOCKS)?)?)?;
        let share = match header(SHARE) {
            // Without its share a batch would be taken for another one of the same blocks.
            Some(value) => Some(Share::parse(text(value)?)?),
            None => None,
        };
        Some(Self { share, ..origin })
    }
}

impl Share {
    /// The value of [`SHARE`].
    #[must_use]
    pub fn header(&self) -> String {
        format!("{:016x}-{:016x}", self.epoch, self.id)
    }

    /// Reads the header's value back; `None` when it is not ours.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (epoch, id) = text.split_once('-')?;
        let share = Self {
            epoch: u64::from_str_radix(epoch, 16).ok()?,
            id: u64::from_str_radix(id, 16).ok()?,
        };
        (share.header() == text).then_some(share)
    }
}

/// Adds the headers of a call. A value that no header can carry is left out: the headers are help, not data.
pub fn insert(
    headers: &mut HeaderMap,
    origin: &Origin,
    items: usize,
    exporter: &str,
    attempt: u32,
) {
    let values = [
        (LOG_ID, HeaderValue::from_str(&origin.log_id).ok()),
        (BLOCKS, HeaderValue::from_str(&origin.blocks()).ok()),
        (
            SHARE,
            origin
                .share
                .and_then(|share| HeaderValue::from_str(&share.header()).ok()),
        ),
        (EXPORTER, HeaderValue::from_str(exporter).ok()),
        (ITEMS, Some(HeaderValue::from(items))),
        (ATTEMPT, Some(HeaderValue::from(attempt))),
    ];
    for (name, value) in values {
        if let Some(value) = value {
            headers.insert(name, value);
        }
    }
}

/// The number of items that a call's headers name, if they name one.
#[must_use]
pub fn items(headers: &HeaderMap) -> Option<usize> {
    headers.get(ITEMS)?.to_str().ok()?.parse().ok()
}

/// Whom a batch is for that one receiver gives to another: one exporter of one pipeline, and nobody else.
///
/// Unlike the other headers these are data: without them every exporter would get the batch. So ids that no header can
/// carry as they are go percent-encoded.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HandOver {
    /// The pipeline's id, `traces` or `traces/2`.
    pub pipeline: String,
    /// The exporter's id, `otlp/tempo`.
    pub exporter: String,
}

impl HandOver {
    /// Adds the two headers to a call.
    pub fn insert(&self, headers: &mut HeaderMap) {
        headers.insert(HAND_OVER_PIPELINE, encode(&self.pipeline));
        headers.insert(HAND_OVER_EXPORTER, encode(&self.exporter));
    }

    /// Reads the two header values back.
    #[must_use]
    pub fn parse(pipeline: &[u8], exporter: &[u8]) -> Self {
        Self {
            pipeline: percent_decode(pipeline),
            exporter: percent_decode(exporter),
        }
    }
}

fn encode(id: &str) -> HeaderValue {
    let mut text = String::with_capacity(id.len());
    for byte in id.bytes() {
        if byte.is_ascii_graphic() && byte != b'%' {
            text.push(char::from(byte));
        } else {
            // A String takes whatever is written.
            _ = write!(text, "%{byte:02X}");
        }
    }
    #[expect(clippy::expect_used, reason = "graphic ASCII only")]
    HeaderValue::from_str(&text).expect("a header value")
}

/// What is not an escape stands for itself.
pub(crate) fn percent_decode(text: &[u8]) -> String {
    let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        let escaped =
            (*first == b'%').then(|| Some(digit(after.first())? * 16 + digit(after.get(1))?));
        match escaped.flatten().and_then(|byte| u8::try_from(byte).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = &after[2..];
            }
            None => out.push(*first),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
