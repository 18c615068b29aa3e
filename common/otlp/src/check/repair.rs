//! Making text valid UTF-8: the rare path of a check.

use crate::schema::{Kind, Message};
use crate::wire::{Edited, Edits, Fields};
use bytes::Bytes;
use std::ops::Range;

/// The request with U+FFFD in the place of what is not UTF-8, in every text that the schema knows.
///
/// The request must be valid otherwise; that bounds the depth.
pub(super) fn repair(message: &'static Message, body: &Bytes) -> Bytes {
    let mut edits = Edits::default();
    walk(message, body, 0..body.len(), &mut edits);
    Edited::new(body.clone(), edits).into_bytes()
}

fn walk(message: &'static Message, body: &[u8], range: Range<usize>, edits: &mut Edits) {
    for raw in Fields::new(body, range) {
        match message.field(raw.number).map(|field| field.kind) {
            Some(Kind::Message(inner)) => {
                edits.within(&raw, |edits| walk(inner, body, raw.inner(), edits));
            }
            Some(Kind::String) => {
                let text = &body[raw.inner()];
                if std::str::from_utf8(text).is_err() {
                    let lossy = String::from_utf8_lossy(text);
                    edits.within(&raw, |edits| edits.replace(raw.inner(), lossy.as_bytes()));
                }
            }
            _ => {}
        }
    }
}
