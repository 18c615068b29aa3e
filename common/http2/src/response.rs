//! The answer to a call.

use bytes::{Buf, Bytes};

use crate::{error::ErrorCode, hpack::Block};

/// What a call ends with.
#[derive(Debug)]
pub struct Response(pub(crate) Kind);

#[derive(Debug)]
pub(crate) enum Kind {
    Answer {
        headers: Block,
        message: Message,
        trailers: Option<Block>,
    },
    Reset(ErrorCode),
}

impl Response {
    /// Headers only. With gRPC this is "trailers-only": the status stands among them.
    pub fn headers(headers: Block) -> Self {
        Self(Kind::Answer {
            headers,
            message: Message::default(),
            trailers: None,
        })
    }

    /// Headers, one message, trailers.
    pub fn unary(headers: Block, message: impl Into<Message>, trailers: Block) -> Self {
        Self(Kind::Answer {
            headers,
            message: message.into(),
            trailers: Some(trailers),
        })
    }

    /// Headers and a message without trailers, as plain HTTP has it.
    pub fn plain(headers: Block, message: impl Into<Message>) -> Self {
        Self(Kind::Answer {
            headers,
            message: message.into(),
            trailers: None,
        })
    }

    /// No answer: the stream is reset.
    pub fn reset(code: ErrorCode) -> Self {
        Self(Kind::Reset(code))
    }
}

/// A message made of pieces that are sent one behind the other, without joining them.
#[derive(Debug, Default)]
pub struct Message {
    first: Bytes,
    /// In reverse order.
    rest: Vec<Bytes>,
    len: usize,
}

impl Message {
    /// Bytes not yet sent.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Takes up to `max` bytes that are in one piece.
    pub(crate) fn take(&mut self, max: usize) -> Bytes {
        while !self.first.has_remaining() {
            match self.rest.pop() {
                Some(next) => self.first = next,
                None => return Bytes::new(),
            }
        }
        let part = self.first.split_to(max.min(self.first.len()));
        self.len -= part.len();
        part
    }
}

impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Self {
        Self {
            len: bytes.len(),
            first: bytes,
            rest: Vec::new(),
        }
    }
}

impl From<Vec<Bytes>> for Message {
    fn from(mut pieces: Vec<Bytes>) -> Self {
        pieces.reverse();
        Self {
            len: pieces.iter().map(Bytes::len).sum(),
            first: Bytes::new(),
            rest: pieces,
        }
    }
}

#[cfg(test)]
mod tests;
