//! Taking one container (ResourceSpans, ScopeSpans, Metric, ...) apart.

use super::{Limits, Piece};
use crate::check::count_in;
use crate::schema::{Field, Kind, Label, Message, Role};
use crate::wire::{Fields, head_len, put_field, put_head};
use std::borrow::Cow;

/// Heads up to this size may be repeated as often as the limits ask.
const SMALL_HEAD_BYTES: usize = 4096;

/// Writes the pieces of one container. Holds the heads of the containers that are open above the present one.
pub(super) struct Cutter<'p> {
    limits: Limits,
    levels: Vec<Level>,
    pieces: &'p mut Vec<Piece>,
}

/// One open container: its field number in the one above, and all its fields that do not lead to items.
struct Level {
    number: u32,
    head: Vec<u8>,
}

/// A field that leads to items.
struct Child<'a> {
    field: &'static Field,
    inner: &'static Message,
    /// Without key and length.
    content: Cow<'a, [u8]>,
    items: usize,
}

impl Child<'_> {
    fn len(&self) -> usize {
        head_len(self.field.number, self.content.len()) + self.content.len()
    }
}

impl<'p> Cutter<'p> {
    pub(super) fn new(limits: Limits, pieces: &'p mut Vec<Piece>) -> Self {
        Self {
            limits,
            levels: Vec::new(),
            pieces,
        }
    }

    /// Cuts `content`, the encoded `message` that is field `number` of the one above.
    pub(super) fn cut(&mut self, message: &'static Message, number: u32, content: &[u8]) {
        let above = self.limits.bytes;
        let (head, children) = take_apart(message, content);
        // What is left for the content of this container once its own key and length are written.
        let within = above.saturating_sub(head_len(number, above));
        let repeats_too_much = head.len() > SMALL_HEAD_BYTES && head.len() > within / 2;
        if above != usize::MAX {
            self.limits.bytes = if repeats_too_much {
                usize::MAX
            } else {
                within.saturating_sub(head.len())
            };
        }
        self.levels.push(Level { number, head });
        self.group(&children);
        self.levels.pop();
        self.limits.bytes = above;
    }

    /// Puts as many children in each piece as the limits allow, and cuts those that are too large alone.
    fn group(&mut self, children: &[Child<'_>]) {
        let (mut first, mut items, mut bytes) = (0, 0, 0);
        for (i, child) in children.iter().enumerate() {
            if self.limits.allow(items + child.items, bytes + child.len()) {
                (items, bytes) = (items + child.items, bytes + child.len());
                continue;
            }
            if first < i {
                self.write(&children[first..i], items);
            }
            (first, items, bytes) = (i, child.items, child.len());
            if child.field.role == Role::Container && !self.limits.allow(items, bytes) {
                self.cut(child.inner, child.field.number, &child.content);
                (first, items, bytes) = (i + 1, 0, 0);
            }
        }
        // A container that holds nothing is kept, too.
        if first < children.len() || children.is_empty() {
            self.write(&children[first..], items);
        }
    }

    /// Writes one piece: the heads of all open containers around `children`.
    fn write(&mut self, children: &[Child<'_>], items: usize) {
        let mut lengths = [0; 8];
        let mut length: usize = children.iter().map(Child::len).sum();
        for (level, slot) in self.levels.iter().zip(&mut lengths).rev() {
            *slot = level.head.len() + length;
            length = head_len(level.number, *slot) + *slot;
        }
        let mut out = Vec::with_capacity(length);
        for (level, length) in self.levels.iter().zip(lengths) {
            put_head(&mut out, level.number, length);
            out.extend_from_slice(&level.head);
        }
        for child in children {
            put_field(&mut out, child.field.number, &child.content);
        }
        self.pieces.push(Piece {
            body: out.into(),
            items,
        });
    }
}

/// Separates what is repeated in every piece from what is shared out among them.
fn take_apart<'a>(message: &'static Message, content: &'a [u8]) -> (Vec<u8>, Vec<Child<'a>>) {
    let mut head = Vec::new();
    let mut children: Vec<Child<'a>> = Vec::new();
    for raw in Fields::of(content) {
        let field = message
            .field(raw.number)
            .filter(|field| field.role != Role::Aside);
        let Some((field, Kind::Message(inner))) = field.map(|field| (field, field.kind)) else {
            head.extend_from_slice(&content[raw.whole()]);
            continue;
        };
        let inside = &content[raw.inner()];
        let items = match field.role {
            Role::Item => 1,
            _ => count_in(inner, content, raw.inner()),
        };
        let child = Child {
            field,
            inner,
            content: Cow::Borrowed(inside),
            items,
        };
        match children.last_mut() {
            // What a decoder would merge must not come apart: concatenating is merging.
            Some(last) if is_oneof(field) && last.field.number == field.number => {
                last.content.to_mut().extend_from_slice(inside);
                last.items += items;
            }
            Some(last) if is_oneof(field) => *last = child,
            _ => children.push(child),
        }
    }
    (head, children)
}

fn is_oneof(field: &Field) -> bool {
    matches!(field.label, Label::Oneof(_))
}
