//! Changes inside a request, with the lengths of all enclosing messages rewritten.

use super::{RawField, put_varint, varint_len};
use bytes::Bytes;
use std::ops::Range;

/// Replacements by ascending place, made in one copy at the end whatever their number and depth.
#[derive(Debug, Default)]
pub(crate) struct Edits {
    list: Vec<Edit>,
    /// What is put in, of all edits; each has its range.
    text: Vec<u8>,
    /// By how much the request grows.
    growth: isize,
}

#[derive(Debug)]
struct Edit {
    out: Range<usize>,
    text: Range<usize>,
}

impl Edits {
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Puts `text` in the place of `out`. Both may be empty. Places must ascend from call to call.
    pub(crate) fn replace(&mut self, out: Range<usize>, text: &[u8]) {
        self.write(out, |written| written.extend_from_slice(text));
    }

    /// Puts what `put` writes in at `place`.
    pub(crate) fn insert(&mut self, place: usize, put: impl FnOnce(&mut Vec<u8>)) {
        self.write(place..place, put);
    }

    fn write(&mut self, out: Range<usize>, put: impl FnOnce(&mut Vec<u8>)) {
        let start = self.text.len();
        put(&mut self.text);
        let text = start..self.text.len();
        self.growth += text.len() as isize - out.len() as isize;
        self.list.push(Edit { out, text });
    }

    /// Makes the edits of `inside`, all within the content of the delimited `field`, and sets the field's length
    /// to what they make of it.
    pub(crate) fn within(&mut self, field: &RawField, inside: impl FnOnce(&mut Self)) {
        let slot = self.list.len();
        let before = self.growth;
        // The length stands in front of the content but is known only after it.
        self.list.push(Edit {
            out: field.value..field.value,
            text: 0..0,
        });
        inside(self);
        let growth = self.growth - before;
        if self.list.len() == slot + 1 {
            self.list.pop();
        } else if growth != 0 {
            let length = field.inner().len().saturating_add_signed(growth) as u64;
            let start = self.text.len();
            put_varint(&mut self.text, length);
            let out = field.value..field.content;
            self.growth += varint_len(length) as isize - out.len() as isize;
            self.list[slot] = Edit {
                out,
                text: start..self.text.len(),
            };
        }
    }
}

/// A request, and what is to be changed in it where it is copied anyway.
#[derive(Debug, Default)]
pub struct Edited {
    request: Bytes,
    edits: Edits,
}

impl From<Bytes> for Edited {
    /// As it is.
    fn from(request: Bytes) -> Self {
        Self {
            request,
            edits: Edits::default(),
        }
    }
}

impl Edited {
    pub(crate) fn new(request: Bytes, edits: Edits) -> Self {
        Self { request, edits }
    }

    /// Bytes that it has once it is changed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.request.len().saturating_add_signed(self.edits.growth)
    }

    /// Whether nothing is left of it, or was there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The changed request, piece by piece.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let Self { request, edits } = self;
        let behind = |edit: Option<&Edit>| edit.map_or(request.len(), |edit| edit.out.start);
        let kept = &request[..behind(edits.list.first())];
        let next = edits.list.iter().skip(1).map(Some).chain([None]);
        let rest = edits.list.iter().zip(next).flat_map(move |(edit, next)| {
            [
                &edits.text[edit.text.clone()],
                &request[edit.out.end..behind(next)],
            ]
        });
        std::iter::once(kept).chain(rest)
    }

    /// The changed request in one piece: the same bytes that came if nothing is changed.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        if self.edits.is_empty() {
            return self.request;
        }
        let mut whole = Vec::with_capacity(self.len());
        for piece in self.pieces() {
            whole.extend_from_slice(piece);
        }
        whole.into()
    }
}
