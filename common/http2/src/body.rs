//! A call's handle to its body.
//!
//! Nothing is read ahead beyond the advertised windows, and a window is given back only for bytes that were taken (or
//! released, if the call does that itself). So a call that does not pull holds its sender: that is how admission
//! delays without refusing.

use std::{
    fmt,
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::{Bytes, BytesMut};

use crate::bodies::Shared;

/// Why a body gives no more bytes although it has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The stream or its connection is gone; whatever came is incomplete.
    #[error("stream ended before its body")]
    Closed,
    /// The body is larger than the limit that was given.
    #[error("body is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
}

/// The body of a call. Dropping it discards what is still to come.
pub struct Body {
    shared: Arc<Shared>,
    slot: u32,
    id: u32,
}

impl Body {
    pub(crate) fn new(shared: Arc<Shared>, slot: u32, id: u32) -> Self {
        Self { shared, slot, id }
    }

    /// The next piece; `None` after the last. Its part of the window is given back at once.
    ///
    /// A body that came in one DATA frame is one piece, a slice of the read buffer.
    ///
    /// # Errors
    /// [`BodyError::Closed`].
    ///
    /// # Cancel safety
    /// No byte is lost when the future is dropped.
    pub async fn chunk(&mut self) -> Option<Result<Bytes, BodyError>> {
        let piece = self.take().await;
        if let Some(Ok(bytes)) = &piece {
            self.release(bytes.len());
        }
        piece
    }

    /// Like [`chunk`](Self::chunk), but the window stays as it is until [`release`](Self::release).
    ///
    /// # Errors
    /// [`BodyError::Closed`].
    ///
    /// # Cancel safety
    /// No byte is lost when the future is dropped.
    pub async fn take(&mut self) -> Option<Result<Bytes, BodyError>> {
        poll_fn(|cx| self.poll_take(cx)).await
    }

    /// Polls for what [`take`](Self::take) gives.
    pub fn poll_take(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        self.shared.take(self.slot, self.id, Some(cx.waker()))
    }

    /// Gives back the window of that many taken bytes. What was taken and never released is given back when the body is dropped.
    pub fn release(&mut self, bytes: usize) {
        self.shared.release(self.slot, self.id, bytes);
    }

    /// The rest of the body as one piece of at most `limit` bytes: the slice of the read buffer if it came in one frame,
    /// else one copy.
    ///
    /// # Errors
    /// [`BodyError`].
    pub async fn collect(&mut self, limit: usize) -> Result<Bytes, BodyError> {
        let Some(first) = self.chunk().await else {
            return Ok(Bytes::new());
        };
        let first = first?;
        if first.len() > limit {
            return Err(BodyError::TooLarge { limit });
        }
        let Some(second) = self.chunk().await else {
            return Ok(first);
        };
        let second = second?;
        let mut whole = BytesMut::with_capacity((first.len() + second.len()) * 2);
        whole.extend_from_slice(&first);
        let mut next = Some(Ok(second));
        while let Some(piece) = next {
            let piece = piece?;
            if whole.len() + piece.len() > limit {
                return Err(BodyError::TooLarge { limit });
            }
            whole.extend_from_slice(&piece);
            next = self.chunk().await;
        }
        Ok(whole.freeze())
    }

    /// Lets the rest of the body come and keeps nothing of it. True at its end; false when the stream is gone, or once more
    /// than `limit` bytes have come.
    pub async fn discard(&mut self, limit: usize) -> bool {
        let mut came = 0;
        while let Some(piece) = self.chunk().await {
            came += match piece {
                Ok(piece) => piece.len(),
                Err(_) => return false,
            };
            if came > limit {
                return false;
            }
        }
        true
    }

    /// Whether the last byte has come.
    pub fn is_complete(&self) -> bool {
        self.shared.is_complete(self.slot, self.id)
    }

    /// Bytes that have come and were not taken.
    pub fn waiting_bytes(&self) -> usize {
        self.shared.waiting(self.slot, self.id)
    }

    /// The next piece if it is here already.
    ///
    /// # Errors
    /// [`BodyError::Closed`].
    pub fn try_take(&mut self) -> Poll<Option<Result<Bytes, BodyError>>> {
        self.shared.take(self.slot, self.id, None::<&Waker>)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.shared.abandon(self.slot, self.id);
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("stream", &self.id)
            .finish_non_exhaustive()
    }
}
