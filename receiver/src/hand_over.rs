//! What other receivers hand over when they end: batches that are for one of our cursors alone.
//!
//! Such a call goes the way of any other up to the log, which keeps it for that cursor. Any sender may make one; it can
//! reach no exporter that the configuration does not feed anyway.

mod seen;

pub(crate) use seen::Seen;

use penstock_hop::Origin;
use penstock_hop::metadata::{HAND_OVER_EXPORTER, HAND_OVER_PIPELINE, HandOver};

/// Whom a batch is for, and what identifies it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct HandedOver {
    pub(crate) cursor: HandOver,
    /// Where it was before; without it a second try cannot be told from the first.
    pub(crate) origin: Option<Origin>,
}

impl HandedOver {
    /// From a call's headers, if they say so.
    pub(crate) fn read<'a>(header: impl Fn(&str) -> Option<&'a [u8]>) -> Option<Self> {
        let (pipeline, exporter) = (header(HAND_OVER_PIPELINE), header(HAND_OVER_EXPORTER));
        if pipeline.is_none() && exporter.is_none() {
            return None;
        }
        // One alone names no cursor, and what names none is refused.
        let cursor = HandOver::parse(pipeline.unwrap_or_default(), exporter.unwrap_or_default());
        Some(Self {
            cursor,
            origin: Origin::read(header),
        })
    }
}
