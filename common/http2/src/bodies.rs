//! The bodies of a connection's calls: where the connection puts DATA and the calls take it.
//!
//! Bytes lie here as slices of the read buffer until a call takes them. What lies here, or was taken and not yet released,
//! is what the advertised windows bound.
//!
//! *Invariant:* every byte that arrived is credited to the connection's window exactly once: when it is released,
//! or when its body or its stream ends.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    task::{Poll, Waker},
};

use bytes::{Bytes, BytesMut};

use crate::{
    body::BodyError,
    ready::{Ready, lock},
};

/// Smaller pieces behind untaken ones are joined, so that tiny frames cannot grow the queue.
const JOIN_BELOW: usize = 1024;
/// Untaken pieces smaller than this are copied out of the read buffer, so that a held call does not pin it.
const DETACH_BELOW: usize = 8 << 10;

/// What a connection shares with the bodies of its calls.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) ready: Arc<Ready>,
    bodies: Mutex<Bodies>,
}

/// The body of one call.
#[derive(Debug, Default)]
struct Slot {
    /// The stream it belongs to; 0 if none. Stream ids are never used twice, so this tells old handles apart.
    id: u32,
    queue: VecDeque<Bytes>,
    /// Small pieces behind `queue`.
    joined: BytesMut,
    ended: bool,
    /// Nobody will take any more.
    abandoned: bool,
    waker: Option<Waker>,
    /// Taken, not yet released.
    taken: usize,
    /// Released, not yet given back to the stream's window.
    credit: usize,
}

impl Slot {
    fn waiting(&self) -> usize {
        self.queue.iter().map(Bytes::len).sum::<usize>() + self.joined.len()
    }

    fn discard(&mut self) -> usize {
        let waiting = self.waiting();
        self.queue.clear();
        self.joined.clear();
        waiting
    }
}

#[derive(Debug)]
struct Bodies {
    slots: Vec<Slot>,
    /// Released, not yet given back to the connection's window.
    credit: usize,
    /// From here on the connection is woken to give the credit back.
    credit_worth_waking: usize,
    /// Slots whose stream window is worth giving back.
    due: Vec<u32>,
    due_from: usize,
}

impl Bodies {
    fn slot(&mut self, slot: u32, id: u32) -> Option<&mut Slot> {
        self.slots
            .get_mut(slot as usize)
            .filter(|slot| slot.id == id)
    }
}

impl Shared {
    pub(crate) fn new(connection_window: u32, stream_window: u32) -> Self {
        Self {
            ready: Arc::new(Ready::default()),
            bodies: Mutex::new(Bodies {
                slots: Vec::new(),
                credit: 0,
                credit_worth_waking: connection_window as usize / 4,
                due: Vec::new(),
                due_from: stream_window as usize / 2,
            }),
        }
    }

    /// Begins the body of stream `id` in a free slot.
    pub(crate) fn open(&self, slot: u32, id: u32, ended: bool) {
        let mut bodies = lock(&self.bodies);
        let index = slot as usize;
        if bodies.slots.len() <= index {
            bodies.slots.resize_with(index + 1, Slot::default);
        }
        let slot = &mut bodies.slots[index];
        slot.id = id;
        slot.ended = ended;
    }

    /// Data came, `overhead` bytes of padding with it. Gives the waker of a call that waits for it.
    pub(crate) fn push(&self, slot: u32, data: Bytes, overhead: usize, end: bool) -> Option<Waker> {
        let mut bodies = lock(&self.bodies);
        bodies.credit += overhead;
        let len = data.len();
        let slot = &mut bodies.slots[slot as usize];
        slot.ended |= end;
        slot.credit += overhead;
        if slot.abandoned {
            bodies.credit += len;
            return None;
        }
        let alone = slot.queue.is_empty() && slot.joined.is_empty();
        if !alone && len < JOIN_BELOW {
            slot.joined.extend_from_slice(&data);
        } else if len > 0 {
            if !slot.joined.is_empty() {
                slot.queue.push_back(slot.joined.split().freeze());
            }
            slot.queue.push_back(data);
        }
        slot.waker.take()
    }

    /// Copies small pieces that nobody has taken out of the read buffer.
    pub(crate) fn detach(&self, slot: u32) {
        let mut bodies = lock(&self.bodies);
        for piece in &mut bodies.slots[slot as usize].queue {
            if piece.len() < DETACH_BELOW {
                *piece = Bytes::copy_from_slice(piece);
            }
        }
    }

    /// Ends the body whatever its state; a handle that is still there learns it.
    pub(crate) fn close(&self, slot: u32) {
        let mut bodies = lock(&self.bodies);
        let slot = &mut bodies.slots[slot as usize];
        let rest = slot.discard() + std::mem::take(&mut slot.taken);
        let waker = slot.waker.take();
        (slot.id, slot.ended, slot.abandoned, slot.credit) = (0, false, false, 0);
        bodies.credit += rest;
        drop(bodies);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// What was released since the last time: for the connection, and for each slot that is due.
    pub(crate) fn collect_credit(&self, mut stream: impl FnMut(u32, usize)) -> usize {
        let mut bodies = lock(&self.bodies);
        let bodies = &mut *bodies;
        for slot in bodies.due.drain(..) {
            if let Some(body) = bodies
                .slots
                .get_mut(slot as usize)
                .filter(|body| body.id != 0)
            {
                stream(slot, std::mem::take(&mut body.credit));
            }
        }
        std::mem::take(&mut bodies.credit)
    }

    /// Gives memory back when no stream is open.
    pub(crate) fn shrink(&self) {
        let mut bodies = lock(&self.bodies);
        bodies.slots = Vec::new();
        bodies.due = Vec::new();
    }

    pub(crate) fn take(
        &self,
        slot: u32,
        id: u32,
        waker: Option<&Waker>,
    ) -> Poll<Option<Result<Bytes, BodyError>>> {
        let mut bodies = lock(&self.bodies);
        let Some(slot) = bodies.slot(slot, id) else {
            return Poll::Ready(Some(Err(BodyError::Closed)));
        };
        let next = slot
            .queue
            .pop_front()
            .or_else(|| (!slot.joined.is_empty()).then(|| slot.joined.split().freeze()));
        if let Some(data) = next {
            slot.taken += data.len();
            return Poll::Ready(Some(Ok(data)));
        }
        if slot.ended {
            return Poll::Ready(None);
        }
        if let Some(waker) = waker {
            slot.waker = Some(waker.clone());
        }
        Poll::Pending
    }

    pub(crate) fn release(&self, slot: u32, id: u32, bytes: usize) {
        let mut bodies = lock(&self.bodies);
        let due_from = bodies.due_from;
        let Some(body) = bodies.slot(slot, id) else {
            return;
        };
        let bytes = bytes.min(body.taken);
        body.taken -= bytes;
        let before = body.credit;
        body.credit += bytes;
        let due = !body.ended && before < due_from && body.credit >= due_from;
        if due {
            bodies.due.push(slot);
        }
        bodies.credit += bytes;
        let wake = due || bodies.credit >= bodies.credit_worth_waking;
        drop(bodies);
        if wake {
            self.ready.wake();
        }
    }

    /// The handle of this body was dropped.
    pub(crate) fn abandon(&self, slot: u32, id: u32) {
        let mut bodies = lock(&self.bodies);
        let Some(body) = bodies.slot(slot, id) else {
            return;
        };
        let rest = body.discard() + std::mem::take(&mut body.taken);
        body.abandoned = true;
        body.waker = None;
        bodies.credit += rest;
        let wake = bodies.credit >= bodies.credit_worth_waking;
        drop(bodies);
        if wake {
            self.ready.wake();
        }
    }

    pub(crate) fn is_complete(&self, slot: u32, id: u32) -> bool {
        lock(&self.bodies)
            .slot(slot, id)
            .is_some_and(|body| body.ended)
    }

    pub(crate) fn waiting(&self, slot: u32, id: u32) -> usize {
        lock(&self.bodies)
            .slot(slot, id)
            .map_or(0, |body| body.waiting())
    }
}

#[cfg(test)]
mod tests;
