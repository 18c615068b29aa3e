//! Blocks: runs of whole requests, joined into one valid request.
//!
//! Requests are copied once, into an arena that blocks are cut from as they are sealed. A block never moves: when the
//! rest of the arena is too small for the next request, the block ends and a new arena begins.
//!
//! *Invariant:* a sealed block never changes, and its bytes of the budget return when nobody has them any more.

use super::Request;
use super::format::{Record, Totals};
use bytes::{Bytes, BytesMut};
use penstock_runtime::Permit;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::Notify;
use tokio::time::Instant;

/// What may go into one block. A request beyond the limits makes a block of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockLimits {
    pub(crate) bytes: usize,
    pub(crate) items: usize,
}

/// A sealed block.
pub(crate) struct Block {
    /// Its number, and what lies before it in the log.
    pub(crate) begin: Totals,
    pub(crate) payload: Bytes,
    pub(crate) items: usize,
    /// When its first request came.
    pub(crate) since: Instant,
    /// Held, not read: the bytes are given back when the last holder drops it.
    pub(crate) permit: Arc<Permit>,
    /// Who waits for it to be written.
    pub(crate) ack: Option<Arc<Ack>>,
}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Block({}: {} items, {} bytes)",
            self.begin.seq,
            self.items,
            self.payload.len()
        )
    }
}

impl Block {
    /// Where the next one begins.
    pub(crate) fn end(&self) -> Totals {
        after(self.begin, self.items, self.payload.len())
    }

    /// As it is written.
    pub(crate) fn record(&self, clock: &Clock) -> Record {
        Record {
            seq: self.begin.seq,
            items: u32::try_from(self.items).unwrap_or(u32::MAX),
            items_before: self.begin.items,
            bytes_before: self.begin.bytes,
            since_ns: clock.unix_ns(self.since),
            payload: self.payload.clone(),
        }
    }
}

/// Where the log is after a block that begins at `begin`.
pub(crate) fn after(begin: Totals, items: usize, bytes: usize) -> Totals {
    Totals {
        seq: begin.seq + 1,
        items: begin.items + items as u64,
        bytes: begin.bytes + bytes as u64,
    }
}

/// What the requests of one block wait for.
#[derive(Debug, Default)]
pub(crate) struct Ack {
    state: AtomicU8,
    notify: Notify,
}

const WRITTEN: u8 = 1;
const GIVEN_UP: u8 = 2;

impl Ack {
    /// The block is as durable as asked; or, if not `written`, it never will be.
    pub(crate) fn tell(&self, written: bool) {
        let state = if written { WRITTEN } else { GIVEN_UP };
        self.state.store(state, Ordering::Release);
        self.notify.notify_waiters();
    }

    /// Whether the block got written.
    pub(crate) async fn wait(&self) -> bool {
        loop {
            let told = self.notify.notified();
            match self.state.load(Ordering::Acquire) {
                WRITTEN => return true,
                GIVEN_UP => return false,
                _ => told.await,
            }
        }
    }
}

/// Ties the time of this process to that of the files.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    instant: Instant,
    unix_ns: u64,
}

impl Clock {
    pub(crate) fn now() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            instant: Instant::now(),
            unix_ns: nanos(unix.unwrap_or_default()),
        }
    }

    pub(crate) fn unix_ns(&self, at: Instant) -> u64 {
        match at.checked_duration_since(self.instant) {
            Some(later) => self.unix_ns.saturating_add(nanos(later)),
            None => self.unix_ns.saturating_sub(nanos(self.instant - at)),
        }
    }

    /// Never after now, whatever another process's clock said.
    pub(crate) fn instant(&self, unix_ns: u64) -> Instant {
        let at = match unix_ns.checked_sub(self.unix_ns) {
            Some(later) => self.instant.checked_add(Duration::from_nanos(later)),
            None => self
                .instant
                .checked_sub(Duration::from_nanos(self.unix_ns - unix_ns)),
        };
        at.unwrap_or(self.instant).min(Instant::now())
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// The block that requests go into.
pub(crate) struct OpenBlock {
    begin: Totals,
    limits: BlockLimits,
    payload: BytesMut,
    items: usize,
    begun: Option<Begun>,
}

struct Begun {
    since: Instant,
    permit: Permit,
    ack: Option<Arc<Ack>>,
}

impl OpenBlock {
    pub(crate) fn new(begin: Totals, limits: BlockLimits) -> Self {
        Self {
            begin,
            limits,
            payload: BytesMut::new(),
            items: 0,
            begun: None,
        }
    }

    /// Where this block begins.
    pub(crate) fn begin(&self) -> Totals {
        self.begin
    }

    /// Where it would end now: where it begins, while it is empty.
    pub(crate) fn end(&self) -> Totals {
        match &self.begun {
            Some(_) => after(self.begin, self.items, self.payload.len()),
            None => self.begin,
        }
    }

    pub(crate) fn items(&self) -> usize {
        self.items
    }

    pub(crate) fn bytes(&self) -> usize {
        self.payload.len()
    }

    /// When its first request came; `None` while it is empty.
    pub(crate) fn since(&self) -> Option<Instant> {
        self.begun.as_ref().map(|begun| begun.since)
    }

    /// Whether the block has to end before `request`.
    pub(crate) fn ends_before(&self, request: &Request) -> bool {
        self.begun.is_some()
            && (self.payload.len() + request.body.len() > self.limits.bytes
                || self.items + request.items > self.limits.items
                || self.payload.capacity() - self.payload.len() < request.body.len())
    }

    /// Copies a request in. One that is larger than a block comes back as a sealed block of its own, not copied. With
    /// `acks`, also gives what the request has to wait for.
    pub(crate) fn push(
        &mut self,
        request: Request,
        acks: bool,
    ) -> (Option<Block>, Option<Arc<Ack>>) {
        if request.body.len() > self.limits.bytes {
            let Request {
                body,
                items,
                permit,
            } = request;
            let begun = Begun::now(permit, acks);
            let ack = begun.ack.clone();
            return (Some(self.next(body.into_bytes(), items, begun)), ack);
        }
        if let Some(begun) = &mut self.begun {
            begun.permit.merge(request.permit);
        } else {
            if self.payload.capacity() < request.body.len()
                && !self.payload.try_reclaim(self.limits.bytes)
            {
                self.payload = BytesMut::with_capacity(self.limits.bytes);
            }
            self.begun = Some(Begun::now(request.permit, acks));
        }
        for piece in request.body.pieces() {
            self.payload.extend_from_slice(piece);
        }
        self.items += request.items;
        (
            None,
            self.begun.as_ref().and_then(|begun| begun.ack.clone()),
        )
    }

    /// Ends the block, unless it is empty.
    pub(crate) fn seal(&mut self) -> Option<Block> {
        let begun = self.begun.take()?;
        let payload = self.payload.split().freeze();
        let items = std::mem::take(&mut self.items);
        Some(self.next(payload, items, begun))
    }

    fn next(&mut self, payload: Bytes, items: usize, begun: Begun) -> Block {
        let begin = self.begin;
        self.begin = after(begin, items, payload.len());
        Block {
            begin,
            payload,
            items,
            since: begun.since,
            permit: Arc::new(begun.permit),
            ack: begun.ack,
        }
    }
}

impl Begun {
    fn now(permit: Permit, acks: bool) -> Self {
        Self {
            since: Instant::now(),
            permit,
            ack: acks.then(Arc::default),
        }
    }
}
