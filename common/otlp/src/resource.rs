//! Which Resource is which, and cutting requests by Resource.
//!
//! *Invariant:* a key depends on all attributes of the Resource and on nothing else, not on their order: whoever computes
//! it, on whatever machine, gets the same. The shares of a request hold each of its fields once, in order.

use crate::Signal;
use crate::annotate::attribute::{KEY, RESOURCE, RESOURCE_ATTRIBUTES, VALUE};
use crate::check::count_in;
use crate::schema::{self, Kind, Role};
use crate::wire::Fields;
use bytes::Bytes;

#[cfg(test)]
mod tests;

/// What of a request goes to one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Share {
    /// The place.
    pub place: usize,
    /// A valid request.
    pub body: Bytes,
    /// Items in it.
    pub items: usize,
}

/// Cuts checked requests, taken as one, by the Resources in them: `place` gets each Resource's key and says where it goes.
///
/// Fields that no Resource is in go with what stands before them. Requests that go to one place as a whole are not copied
/// when there is one chunk of them.
#[must_use]
pub fn shares(signal: Signal, chunks: &[Bytes], mut place: impl FnMut(u64) -> usize) -> Vec<Share> {
    let request = schema::request(signal);
    let mut runs: Vec<Runs<'_>> = Vec::new();
    let mut current = 0;
    for chunk in chunks {
        for raw in Fields::of(chunk) {
            let mut items = 0;
            let field = request.field(raw.number);
            if let Some((Role::Container, Kind::Message(inner))) = field.map(|f| (f.role, f.kind)) {
                items = count_in(inner, chunk, raw.inner());
                let to = place(key(&chunk[raw.inner()]));
                current = runs
                    .iter()
                    .position(|run| run.place == to)
                    .unwrap_or_else(|| {
                        runs.push(Runs::new(to));
                        runs.len() - 1
                    });
            }
            if runs.is_empty() {
                runs.push(Runs::new(0));
            }
            runs[current].push(chunk, raw.start, raw.end, items);
        }
    }
    runs.into_iter().map(Runs::join).collect()
}

/// What goes to one place: stretches of chunks.
struct Runs<'a> {
    place: usize,
    items: usize,
    stretches: Vec<(&'a Bytes, usize, usize)>,
}

impl<'a> Runs<'a> {
    fn new(place: usize) -> Self {
        Self {
            place,
            items: 0,
            stretches: Vec::new(),
        }
    }

    fn push(&mut self, chunk: &'a Bytes, start: usize, end: usize, items: usize) {
        self.items += items;
        match self.stretches.last_mut() {
            Some((last, _, until)) if std::ptr::eq(*last, chunk) && *until == start => *until = end,
            _ => self.stretches.push((chunk, start, end)),
        }
    }

    fn join(self) -> Share {
        let body = match self.stretches.as_slice() {
            [(chunk, start, end)] => chunk.slice(start..end),
            stretches => {
                let length = stretches.iter().map(|(_, start, end)| end - start).sum();
                let mut body = Vec::with_capacity(length);
                for (chunk, start, end) in stretches {
                    body.extend_from_slice(&chunk[*start..*end]);
                }
                body.into()
            }
        };
        Share {
            place: self.place,
            body,
            items: self.items,
        }
    }
}

/// The key of the Resource in an encoded ResourceSpans, ResourceMetrics or ResourceLogs. One without a Resource has the key
/// of one without attributes.
fn key(holder: &[u8]) -> u64 {
    // Adding the attributes up makes their order mean nothing.
    let mut sum = 0_u64;
    for resource in Fields::of(holder).filter(|field| field.number == RESOURCE) {
        for attribute in Fields::new(holder, resource.inner()) {
            if attribute.number == RESOURCE_ATTRIBUTES {
                sum = sum.wrapping_add(attribute_key(&holder[attribute.inner()]));
            }
        }
    }
    mix(sum)
}

/// The Resources of a checked request: each one's key, and the stretch of the request that it fills.
#[must_use]
pub fn keys(signal: Signal, body: &[u8]) -> Vec<(u64, std::ops::Range<usize>)> {
    let request = schema::request(signal);
    let holders = Fields::of(body).filter(|raw| {
        let field = request.field(raw.number);
        field.is_some_and(|field| field.role == Role::Container)
    });
    holders
        .map(|raw| (key(&body[raw.inner()]), raw.whole()))
        .collect()
}

/// Senders write equal values in equal bytes, so values are not read.
fn attribute_key(attribute: &[u8]) -> u64 {
    let part = |number: u32| {
        Fields::of(attribute)
            .filter(move |field| field.number == number)
            .flat_map(|field| attribute[field.inner()].iter().copied())
    };
    mix(digest(part(KEY)) ^ digest(part(VALUE)).rotate_left(32))
}

/// FNV-1a: the same everywhere and for ever, as receivers of two versions have to agree.
#[must_use]
pub fn digest(bytes: impl IntoIterator<Item = u8>) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, step)
}

/// Spreads a digest over all bits (the finalizer of SplitMix64).
#[must_use]
pub fn mix(digest: u64) -> u64 {
    let z = digest.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
