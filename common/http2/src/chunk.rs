//! The read buffer: one chunk per thread, lent to whichever connection is reading.
//!
//! A connection that waits holds only the bytes of an unfinished frame, so idle ones cost no buffer at all. Bodies are slices
//! of the chunk; the part behind them goes on being filled until too little is left, and then a new chunk is begun.
//!
//! *Invariant:* a chunk that is given back is empty.

use std::cell::Cell;

use bytes::BytesMut;

/// Size of a chunk.
const CHUNK: usize = 64 << 10;
/// A read is not begun with less room than this: a read that is cut short costs another one, and its calls another write.
pub(crate) const MIN_READ: usize = 32 << 10;

thread_local! {
    static SPARE: Cell<Option<BytesMut>> = const { Cell::new(None) };
}

/// An empty buffer with room for `len` bytes and a read behind them.
pub(crate) fn take(len: usize) -> BytesMut {
    let mut chunk = SPARE.take().unwrap_or_default();
    let need = len + MIN_READ;
    if chunk.capacity() < need {
        chunk.reserve(need.max(CHUNK));
    }
    chunk
}

/// Gives a buffer back; what it holds is forgotten.
pub(crate) fn put(mut chunk: BytesMut) {
    chunk.clear();
    SPARE.set(Some(chunk));
}
