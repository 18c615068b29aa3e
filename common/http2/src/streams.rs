//! The open streams of a connection, and a memory of those that ended lately.
//!
//! Streams live in slots that are used again with all their allocations: the pinned place of the call's future, its
//! waker, its body queue.
//!
//! *Invariant:* a slot is in `by_id` exactly while its stream is open.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasherDefault, Hasher},
    pin::Pin,
    sync::Arc,
    task::Waker,
};

use tokio::time::Instant;

use crate::{
    flow::{RecvWindow, SendWindow},
    head::Head,
    hpack::Block,
    ready::{Ready, SlotWaker},
    response::Message,
};

/// How many ended streams are remembered.
const REMEMBERED: usize = 64;

/// What a stream is at.
#[derive(Debug)]
pub(crate) enum Stage {
    /// Its call is not begun: more of what was read may belong to it.
    Arrived(Head),
    /// Its call runs.
    Running,
    /// Its answer waits for the peer's window.
    Sending(Outgoing),
}

/// The part of an answer that is not yet sent.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) message: Message,
    pub(crate) trailers: Option<Block>,
}

/// One stream; its call is of type `C`.
#[derive(Debug)]
pub(crate) struct Stream<C> {
    /// 0 if the slot is free.
    pub(crate) id: u32,
    pub(crate) stage: Stage,
    pub(crate) call: Pin<Box<Option<C>>>,
    pub(crate) waker: Waker,
    pub(crate) wake_flag: Arc<SlotWaker>,
    pub(crate) recv: RecvWindow,
    pub(crate) recv_ended: bool,
    /// Bytes that the declared content length still promises.
    pub(crate) promised: Option<u64>,
    pub(crate) send: SendWindow,
    /// Data came that the call has not been polled for.
    pub(crate) fresh_data: bool,
    /// Since when the current period of progress runs, and the bytes it brought.
    pub(crate) period: Instant,
    pub(crate) period_bytes: usize,
}

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By us, before the peer had ended its side: more frames of it may be on the way.
    ByUs,
    /// By both sides, or by the peer.
    ForBoth,
}

/// What an id of the client's is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    Open(u32),
    Ended(Ended),
    /// Skipped, or ended so long ago that it is forgotten.
    Past,
    /// Not used yet.
    Idle,
}

/// Ids are few and each is used once, so one multiplication spreads them well enough.
#[derive(Debug, Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, id: u32) {
        self.0 = (self.0 ^ u64::from(id))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(32);
    }
}

/// All streams.
#[derive(Debug)]
pub(crate) struct Streams<C> {
    slots: Vec<Stream<C>>,
    free: Vec<u32>,
    by_id: HashMap<u32, u32, BuildHasherDefault<IdHasher>>,
    ended: VecDeque<(u32, Ended)>,
    highest: u32,
}

impl<C> Streams<C> {
    pub(crate) fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            by_id: HashMap::default(),
            ended: VecDeque::new(),
            highest: 0,
        }
    }

    /// Streams that are open.
    pub(crate) fn active(&self) -> usize {
        self.by_id.len()
    }

    /// The highest id that was used.
    pub(crate) fn highest(&self) -> u32 {
        self.highest
    }

    pub(crate) fn get(&mut self, slot: u32) -> &mut Stream<C> {
        &mut self.slots[slot as usize]
    }

    pub(crate) fn known(&self, id: u32) -> Known {
        if let Some(slot) = self.by_id.get(&id) {
            return Known::Open(*slot);
        }
        // Even ids are the server's, and we never use any.
        if id > self.highest || id.is_multiple_of(2) {
            return Known::Idle;
        }
        let ended = self.ended.iter().rev().find(|(past, _)| *past == id);
        ended.map_or(Known::Past, |(_, how)| Known::Ended(*how))
    }

    /// Marks an id as used although no stream is opened.
    pub(crate) fn skip(&mut self, id: u32, how: Ended) {
        self.highest = self.highest.max(id);
        self.remember(id, how);
    }

    /// Opens a stream and gives its slot.
    pub(crate) fn open(
        &mut self,
        id: u32,
        head: Head,
        windows: (u32, u32),
        now: Instant,
        ready: &Arc<Ready>,
    ) -> u32 {
        self.highest = id;
        let promised = head.content_length();
        let (recv, send) = (RecvWindow::new(windows.0), SendWindow::new(windows.1));
        let slot = match self.free.pop() {
            Some(slot) => {
                let stream = &mut self.slots[slot as usize];
                stream.id = id;
                stream.stage = Stage::Arrived(head);
                (stream.recv, stream.send, stream.promised) = (recv, send, promised);
                (stream.recv_ended, stream.fresh_data) = (false, false);
                (stream.period, stream.period_bytes) = (now, 0);
                slot
            }
            None => {
                let slot = self.slots.len() as u32;
                let wake_flag = SlotWaker::new(ready, slot);
                self.slots.push(Stream {
                    id,
                    stage: Stage::Arrived(head),
                    call: Box::pin(None),
                    waker: Waker::from(Arc::clone(&wake_flag)),
                    wake_flag,
                    recv,
                    recv_ended: false,
                    promised,
                    send,
                    fresh_data: false,
                    period: now,
                    period_bytes: 0,
                });
                slot
            }
        };
        self.by_id.insert(id, slot);
        slot
    }

    /// Frees the slot of a stream, dropping its call. Gives its id.
    pub(crate) fn close(&mut self, slot: u32, how: Ended) -> u32 {
        let stream = &mut self.slots[slot as usize];
        let id = std::mem::take(&mut stream.id);
        stream.call.set(None);
        stream.stage = Stage::Running;
        self.by_id.remove(&id);
        self.free.push(slot);
        self.remember(id, how);
        id
    }

    /// Slots of all open streams.
    pub(crate) fn open_slots(&self) -> Vec<u32> {
        self.by_id.values().copied().collect()
    }

    /// Open streams and their slots.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut Stream<C>)> {
        (0..)
            .zip(&mut self.slots)
            .filter(|(_, stream)| stream.id != 0)
    }

    /// The stream in a slot, which may be free or gone.
    pub(crate) fn try_get(&mut self, slot: u32) -> Option<&mut Stream<C>> {
        self.slots.get_mut(slot as usize)
    }

    /// Gives memory back when no stream is open.
    pub(crate) fn shrink(&mut self) {
        if self.by_id.is_empty() {
            let (ended, highest) = (std::mem::take(&mut self.ended), self.highest);
            *self = Self {
                ended,
                highest,
                ..Self::new()
            };
        }
    }

    fn remember(&mut self, id: u32, how: Ended) {
        if self.ended.len() == REMEMBERED {
            self.ended.pop_front();
        }
        self.ended.push_back((id, how));
    }
}

#[cfg(test)]
mod tests;
