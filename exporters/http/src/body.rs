//! The body of a request, in the pieces that it is in anyway.

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Pieces that leave one after the other, never copied together.
#[derive(Debug)]
pub(crate) struct Body {
    pieces: VecDeque<Bytes>,
    left: u64,
}

impl Body {
    pub(crate) fn new(pieces: &[Bytes]) -> Self {
        let filled = pieces.iter().filter(|piece| !piece.is_empty());
        Self {
            pieces: filled.cloned().collect(),
            left: pieces.iter().map(|piece| piece.len() as u64).sum(),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.pieces.pop_front();
        Poll::Ready(piece.map(|piece| {
            self.left -= piece.len() as u64;
            Ok(Frame::data(piece))
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
