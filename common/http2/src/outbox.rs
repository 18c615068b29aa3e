//! What waits to be written: one buffer for frames and small payloads, and large payloads as they are.
//!
//! *Invariant:* bytes leave in the order they came. *Does not* bound itself: the connection stops reading when it is long.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::AsyncWrite;

/// Payloads below this are copied behind their frame header.
const COPY_BELOW: usize = 1024;
/// Buffers handed to one system call.
const SLICES: usize = 32;

/// The write side of a connection.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// Everything before `tail`.
    queue: VecDeque<Bytes>,
    queued: usize,
    tail: BytesMut,
    unflushed: bool,
}

impl Outbox {
    /// Where frames are appended.
    pub(crate) fn frames(&mut self) -> &mut BytesMut {
        &mut self.tail
    }

    /// Appends part of a DATA payload.
    pub(crate) fn payload(&mut self, bytes: Bytes) {
        if bytes.len() < COPY_BELOW {
            self.tail.extend_from_slice(&bytes);
            return;
        }
        for part in [self.tail.split().freeze(), bytes] {
            if !part.is_empty() {
                self.queued += part.len();
                self.queue.push_back(part);
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.queued + self.tail.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets everything, when nobody will read it.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Gives memory back, if nothing waits.
    pub(crate) fn shrink(&mut self) {
        if self.is_empty() {
            self.queue = VecDeque::new();
            self.tail = BytesMut::new();
        }
    }

    /// Writes as much as the peer takes, adding to `written`. Ready when all is written and flushed.
    pub(crate) fn poll_flush<IO: AsyncWrite + Unpin>(
        &mut self,
        io: &mut IO,
        cx: &mut Context<'_>,
        written: &mut usize,
    ) -> Poll<io::Result<()>> {
        while !self.is_empty() {
            let n = if self.queue.is_empty() {
                ready!(Pin::new(&mut *io).poll_write(cx, &self.tail))?
            } else {
                let mut slices = [IoSlice::new(&[]); SLICES];
                let parts = self
                    .queue
                    .iter()
                    .map(|part| &part[..])
                    .chain([&self.tail[..]]);
                let mut count = 0;
                for (slice, part) in slices.iter_mut().zip(parts) {
                    *slice = IoSlice::new(part);
                    count += 1;
                }
                ready!(Pin::new(&mut *io).poll_write_vectored(cx, &slices[..count]))?
            };
            if n == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            *written += n;
            self.unflushed = true;
            self.advance(n);
        }
        if self.unflushed {
            ready!(Pin::new(io).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn advance(&mut self, mut n: usize) {
        while let Some(part) = self.queue.front_mut() {
            if n < part.len() {
                part.advance(n);
                self.queued -= n;
                return;
            }
            n -= part.len();
            self.queued -= part.len();
            self.queue.pop_front();
        }
        if n == self.tail.len() {
            self.tail.clear();
        } else {
            self.tail.advance(n);
        }
    }
}

#[cfg(test)]
mod tests;
