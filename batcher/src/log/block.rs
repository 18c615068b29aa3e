//! Blocks: runs of whole requests, joined into one valid request.
//!
//! Requests are copied once, into an arena that blocks are cut from as they are sealed. A block never moves: when the
//! rest of the arena is too small for the next request, the block ends and a new arena begins.
//!
//! *Invariant:* a sealed block never changes, and its bytes of the budget return when it is dropped.

use super::Request;
use bytes::{Bytes, BytesMut};
use penstock_runtime::Permit;
use std::fmt;
use tokio::time::Instant;

/// What may go into one block. A request beyond the limits makes a block of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockLimits {
    pub(crate) bytes: usize,
    pub(crate) items: usize,
}

/// A sealed block.
pub(crate) struct Block {
    pub(crate) seq: u64,
    pub(crate) payload: Bytes,
    pub(crate) items: usize,
    /// When its first request came.
    pub(crate) since: Instant,
    /// Held, not read: dropping the block gives the bytes back.
    _permit: Permit,
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Block({}: {} items, {} bytes)",
            self.seq,
            self.items,
            self.payload.len()
        )
    }
}

/// The block that requests go into.
pub(crate) struct OpenBlock {
    seq: u64,
    limits: BlockLimits,
    payload: BytesMut,
    items: usize,
    begun: Option<(Instant, Permit)>,
}

impl OpenBlock {
    pub(crate) fn new(limits: BlockLimits) -> Self {
        Self {
            seq: 0,
            limits,
            payload: BytesMut::new(),
            items: 0,
            begun: None,
        }
    }

    /// The number that this block will have.
    pub(crate) fn seq(&self) -> u64 {
        self.seq
    }

    pub(crate) fn items(&self) -> usize {
        self.items
    }

    pub(crate) fn bytes(&self) -> usize {
        self.payload.len()
    }

    /// When its first request came; `None` while it is empty.
    pub(crate) fn since(&self) -> Option<Instant> {
        self.begun.as_ref().map(|(since, _)| *since)
    }

    /// Whether the block has to end before `request`.
    pub(crate) fn ends_before(&self, request: &Request) -> bool {
        self.begun.is_some()
            && (self.payload.len() + request.body.len() > self.limits.bytes
                || self.items + request.items > self.limits.items
                || self.payload.capacity() - self.payload.len() < request.body.len())
    }

    /// Copies a request in. One that is larger than a block comes back as a sealed block of its own, not copied.
    pub(crate) fn push(&mut self, request: Request) -> Option<Block> {
        if request.body.len() > self.limits.bytes {
            let Request {
                body,
                items,
                permit,
            } = request;
            return Some(self.next(body, items, Instant::now(), permit));
        }
        match &mut self.begun {
            Some((_, permit)) => permit.merge(request.permit),
            None => {
                if self.payload.capacity() < request.body.len()
                    && !self.payload.try_reclaim(self.limits.bytes)
                {
                    self.payload = BytesMut::with_capacity(self.limits.bytes);
                }
                self.begun = Some((Instant::now(), request.permit));
            }
        }
        self.payload.extend_from_slice(&request.body);
        self.items += request.items;
        None
    }

    /// Ends the block, unless it is empty.
    pub(crate) fn seal(&mut self) -> Option<Block> {
        let (since, permit) = self.begun.take()?;
        let payload = self.payload.split().freeze();
        let items = std::mem::take(&mut self.items);
        Some(self.next(payload, items, since, permit))
    }

    fn next(&mut self, payload: Bytes, items: usize, since: Instant, permit: Permit) -> Block {
        let seq = self.seq;
        self.seq += 1;
        Block {
            seq,
            payload,
            items,
            since,
            _permit: permit,
        }
    }
}
