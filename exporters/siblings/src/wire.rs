//! What replicas say to each other.

use bytes::Bytes;
use prost::Message;

/// Keys of Resources.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Keys {
    #[prost(fixed64, repeated, tag = "1")]
    pub(crate) keys: Vec<u64>,
}

/// Pieces, and who has them; nobody is 0.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Pieces {
    #[prost(fixed64, tag = "1")]
    pub(crate) instance: u64,
    #[prost(message, repeated, tag = "2")]
    pub(crate) pieces: Vec<Piece>,
}

/// One replica's part of what is kept of a Resource.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Piece {
    /// The Resource's.
    #[prost(fixed64, tag = "1")]
    pub(crate) key: u64,
    /// Its own.
    #[prost(fixed64, tag = "2")]
    pub(crate) part: u64,
    /// The parts that are in it.
    #[prost(fixed64, repeated, tag = "3")]
    pub(crate) includes: Vec<u64>,
    #[prost(bytes = "bytes", tag = "4")]
    pub(crate) kept: Bytes,
}

/// Messages of at most `limit` bytes, or of one piece.
pub(crate) fn cut(instance: u64, pieces: Vec<Piece>, limit: usize) -> Vec<Bytes> {
    let mut messages = Vec::new();
    let mut run = Pieces {
        instance,
        pieces: Vec::new(),
    };
    let mut bytes = 0;
    for piece in pieces {
        let more = piece.encoded_len() + 8;
        if !run.pieces.is_empty() && bytes + more > limit {
            messages.push(run.encode_to_vec().into());
            run.pieces.clear();
            bytes = 0;
        }
        bytes += more;
        run.pieces.push(piece);
    }
    if !run.pieces.is_empty() {
        messages.push(run.encode_to_vec().into());
    }
    messages
}
