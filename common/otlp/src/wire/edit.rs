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
        let start = self.text.len();
        self.text.extend_from_slice(text);
        self.growth += text.len() as isize - out.len() as isize;
        self.list.push(Edit {
            out,
            text: start..self.text.len(),
        });
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

    /// The request with all edits made.
    pub(crate) fn apply(&self, request: &[u8]) -> Bytes {
        let mut out = Vec::with_capacity(request.len().saturating_add_signed(self.growth));
        let mut at = 0;
        for edit in &self.list {
            out.extend_from_slice(&request[at..edit.out.start]);
            out.extend_from_slice(&self.text[edit.text.clone()]);
            at = edit.out.end;
        }
        out.extend_from_slice(&request[at..]);
        out.into()
    }
}
