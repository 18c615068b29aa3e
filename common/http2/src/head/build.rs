//! Collects decoded fields into a head, or finds out that they make none.
//!
//! *Invariant:* memory is bounded by the limit of the header list: past it, fields are judged and counted but not kept.

use std::sync::Arc;

use super::{Field, Head, Parts};

/// What the RFC adds to the size of each field.
const FIELD_OVERHEAD: usize = 32;

/// Why a header list is no head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// It breaks the rules.
    Malformed,
    /// It keeps the rules and is too large.
    TooLarge,
}

/// Takes fields in order.
pub(crate) struct HeadBuilder {
    parts: Parts,
    size: usize,
    limit: usize,
    malformed: bool,
    regular_seen: bool,
}

impl HeadBuilder {
    pub(crate) fn new(limit: usize) -> Self {
        let parts = Parts {
            arena: Vec::with_capacity(512),
            fields: Vec::with_capacity(12),
            ..Parts::default()
        };
        Self {
            parts,
            size: 0,
            limit,
            malformed: false,
            regular_seen: false,
        }
    }

    pub(crate) fn push(&mut self, name: &[u8], value: &[u8]) {
        self.size += name.len() + value.len() + FIELD_OVERHEAD;
        if !value_is_valid(value) {
            self.malformed = true;
        }
        if self.size > self.limit || self.malformed {
            return;
        }
        let start = self.parts.arena.len();
        self.parts.arena.extend_from_slice(name);
        self.parts.arena.extend_from_slice(value);
        let field = Field {
            start: start as u32,
            value: (start + name.len()) as u32,
            end: self.parts.arena.len() as u32,
        };
        if name.first() == Some(&b':') {
            self.pseudo(name, field);
        } else {
            self.regular_seen = true;
            self.malformed |= !regular_is_valid(name, value);
            if name == b"content-length" {
                self.content_length(value);
            }
            self.parts.fields.push(field);
        }
    }

    fn pseudo(&mut self, name: &[u8], field: Field) {
        let place = match name {
            b":method" => &mut self.parts.method,
            b":scheme" => &mut self.parts.scheme,
            b":authority" => &mut self.parts.authority,
            b":path" => &mut self.parts.path,
            _ => {
                self.malformed = true;
                return;
            }
        };
        self.malformed |= self.regular_seen || place.replace(field).is_some();
    }

    fn content_length(&mut self, value: &[u8]) {
        let parsed = std::str::from_utf8(value)
            .ok()
            .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|text| text.parse().ok());
        match (parsed, self.parts.content_length) {
            (Some(length), None) => self.parts.content_length = Some(length),
            (Some(length), Some(before)) if length == before => {}
            _ => self.malformed = true,
        }
    }

    /// The head, if the fields make one.
    ///
    /// # Errors
    /// [`Unfit`].
    pub(crate) fn finish(self) -> Result<Head, Unfit> {
        if self.malformed {
            return Err(Unfit::Malformed);
        }
        if self.size > self.limit {
            return Err(Unfit::TooLarge);
        }
        let parts = self.parts;
        let empty = |field: Option<Field>| field.is_none_or(|field| field.value == field.end);
        let complete = match parts.method.map(|method| parts.value(method)) {
            None | Some(b"") => false,
            Some(b"CONNECT") => parts.scheme.is_none() && parts.path.is_none(),
            Some(_) => !empty(parts.scheme) && !empty(parts.path),
        };
        if complete {
            Ok(Head(Arc::new(parts)))
        } else {
            Err(Unfit::Malformed)
        }
    }
}

/// Whether a field may stand in trailers.
pub(crate) fn check_trailers(name: &[u8], value: &[u8]) -> bool {
    regular_is_valid(name, value) && value_is_valid(value)
}

fn regular_is_valid(name: &[u8], value: &[u8]) -> bool {
    let forbidden = match name {
        b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding" | b"upgrade" => {
            true
        }
        b"te" => !value.eq_ignore_ascii_case(b"trailers"),
        _ => false,
    };
    !forbidden && !name.is_empty() && name.iter().all(|byte| NAME[usize::from(*byte)])
}

fn value_is_valid(value: &[u8]) -> bool {
    let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
    !blank(value.first())
        && !blank(value.last())
        && !value.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n'))
}

/// Which bytes a name may have: visible ASCII but for capitals and the colon.
const NAME: [bool; 256] = {
    let mut allowed = [false; 256];
    let mut byte = 0x21;
    while byte < 0x7f {
        allowed[byte] = !(byte as u8).is_ascii_uppercase() && byte as u8 != b':';
        byte += 1;
    }
    allowed
};
