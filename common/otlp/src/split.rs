//! Cutting a valid request into smaller valid requests.
//!
//! *Invariant:* the pieces decode to the whole. Precisely: decode the pieces, concatenate them, and merge neighbours
//! that agree in all but what they hold (two ResourceSpans with the same Resource and schema_url, two ScopeSpans with
//! the same Scope and schema_url, two Metrics with the same name, unit, kind and so on); do the same to the original.
//! The results are equal, and so are their bytes of unknown fields. Items keep their order. Nothing is dropped but
//! members of a oneof that a later member overrides, which no decoder would show either.
//!
//! Cuts between Resources are slices of the request. Only a Resource that is too large alone is taken apart, and then
//! what stands above the items (Resource, Scope, the head of a Metric) is repeated in each piece.

mod cutter;

#[cfg(test)]
mod tests;

use crate::Signal;
use crate::check::count_in;
use crate::schema::{self, Kind};
use crate::wire::Fields;
use bytes::Bytes;
use cutter::Cutter;
use std::ops::Range;

/// One piece of a split request.
#[derive(Clone, Debug)]
pub struct Piece {
    /// A valid request.
    pub body: Bytes,
    /// Items in it.
    pub items: usize,
}

/// The limits that pieces must keep. A single item larger than `bytes` makes a piece of its own.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most items in a piece (`usize::MAX`: no limit). Zero is taken as one.
    pub items: usize,
    /// Most bytes in a piece (`usize::MAX`: no limit).
    ///
    /// Not kept inside a Resource (Scope, Metric) whose own head is larger than 4 kB and takes more than half of what
    /// is left of the limit: repeating such a head for a few items each would multiply the data without bound. Such
    /// a Resource is cut by items only.
    pub bytes: usize,
}

impl Limits {
    fn allow(&self, items: usize, bytes: usize) -> bool {
        items <= self.items && bytes <= self.bytes
    }
}

/// Cuts a checked request, in order; the pieces decode to the whole.
///
/// A request within the limits comes back as one piece with the same bytes; an empty one as no piece.
#[must_use]
pub fn split(signal: Signal, body: &Bytes, limits: Limits) -> Vec<Piece> {
    let limits = Limits {
        items: limits.items.max(1),
        bytes: limits.bytes,
    };
    let request = schema::request(signal);
    let mut pieces = Vec::new();
    let mut run = Run::default();
    for raw in Fields::of(body) {
        let container = match request.field(raw.number).map(|field| field.kind) {
            Some(Kind::Message(inner)) => Some(inner),
            _ => None,
        };
        let items = container.map_or(0, |inner| count_in(inner, body, raw.inner()));
        if limits.allow(run.items + items, run.range.len() + raw.whole().len()) {
            run.extend(raw.whole(), items);
            continue;
        }
        run.end(body, &mut pieces);
        run = Run::default();
        match container {
            Some(inner) if !limits.allow(items, raw.whole().len()) => {
                let mut cutter = Cutter::new(limits, &mut pieces);
                cutter.cut(inner, raw.number, &body[raw.inner()]);
            }
            _ => run.extend(raw.whole(), items),
        }
    }
    run.end(body, &mut pieces);
    pieces
}

/// Neighbouring fields of the request that go into one piece as they are.
#[derive(Default)]
struct Run {
    range: Range<usize>,
    items: usize,
}

impl Run {
    fn extend(&mut self, field: Range<usize>, items: usize) {
        let start = if self.range.is_empty() {
            field.start
        } else {
            self.range.start
        };
        self.range = start..field.end;
        self.items += items;
    }

    fn end(self, body: &Bytes, pieces: &mut Vec<Piece>) {
        if !self.range.is_empty() {
            pieces.push(Piece {
                body: body.slice(self.range),
                items: self.items,
            });
        }
    }
}
