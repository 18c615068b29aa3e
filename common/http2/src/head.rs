//! The head of a call: what its headers say, before any of its body.
//!
//! Everything is opaque bytes here, the authority above all: Envoy sends cluster names with any number of colons. Only
//! the rules of RFC 9113, section 8, are kept: which pseudo-headers there are, which characters names and values
//! may have, and which headers HTTP/2 forbids.
//!
//! *Invariant:* a `Head` was well-formed and within the limit of the header list.

mod build;
mod cache;

use std::{fmt, sync::Arc};

pub(crate) use build::{HeadBuilder, Unfit, check_trailers};
pub(crate) use cache::HeadCache;

/// Where a field is in the arena: name, then value.
#[derive(Debug, Clone, Copy)]
struct Field {
    start: u32,
    value: u32,
    end: u32,
}

/// Names and values of one head, back to back in one allocation.
#[derive(Debug, Default)]
struct Parts {
    arena: Vec<u8>,
    /// Regular fields in the order they came.
    fields: Vec<Field>,
    method: Option<Field>,
    scheme: Option<Field>,
    authority: Option<Field>,
    path: Option<Field>,
    content_length: Option<u64>,
}

impl Parts {
    fn value(&self, field: Field) -> &[u8] {
        &self.arena[field.value as usize..field.end as usize]
    }

    fn name(&self, field: Field) -> &[u8] {
        &self.arena[field.start as usize..field.value as usize]
    }
}

/// Method, path and headers of a call. Clones share.
#[derive(Clone)]
pub struct Head(Arc<Parts>);

impl Head {
    /// The method, such as `POST`.
    pub fn method(&self) -> &[u8] {
        self.pseudo(self.0.method).unwrap_or_default()
    }

    /// The path with its query; empty for CONNECT.
    pub fn path(&self) -> &[u8] {
        self.pseudo(self.0.path).unwrap_or_default()
    }

    /// The scheme that the client says it used.
    pub fn scheme(&self) -> Option<&[u8]> {
        self.pseudo(self.0.scheme)
    }

    /// The authority, whatever it holds, if there is one.
    pub fn authority(&self) -> Option<&[u8]> {
        self.pseudo(self.0.authority)
    }

    /// The declared length of the body. A call whose body differs is reset.
    pub fn content_length(&self) -> Option<u64> {
        self.0.content_length
    }

    /// The first value of a header; `name` must be in lower case.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.iter()
            .find(|(n, _)| *n == name.as_bytes())
            .map(|(_, value)| value)
    }

    /// All values of a header, in order; `name` must be in lower case.
    pub fn get_all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.iter()
            .filter(move |(n, _)| *n == name.as_bytes())
            .map(|(_, value)| value)
    }

    /// All headers that are not pseudo-headers, in order, names in lower case.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0
            .fields
            .iter()
            .map(|field| (self.0.name(*field), self.0.value(*field)))
    }

    /// Whether both are the very same decoded head. Peers repeat themselves, and equal header blocks are decoded
    /// once, so what was derived from one head may be kept for the next.
    pub fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn pseudo(&self, field: Option<Field>) -> Option<&[u8]> {
        field.map(|field| self.0.value(field))
    }
}

impl fmt::Debug for Head {
    /// Names only: values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Head")
            .field("method", &String::from_utf8_lossy(self.method()))
            .field("path", &String::from_utf8_lossy(self.path()))
            .field(
                "headers",
                &self
                    .iter()
                    .map(|(name, _)| String::from_utf8_lossy(name))
                    .collect::<Vec<_>>(),
            )
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
