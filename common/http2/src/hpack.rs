//! HPACK, header compression for HTTP/2 (RFC 7541).
//!
//! Decoding is complete: static and dynamic table, Huffman strings, size updates. Encoding is stateless on purpose: it
//! refers to the static table only and adds nothing to the peer's dynamic table, so a block of headers is encoded
//! once and used for any number of answers on any connection.
//!
//! *Invariant:* memory is bounded by the advertised table size and the size of one header block; time is linear in
//! the size of the block.

mod decode;
mod encode;
mod huffman;
mod table;

pub use decode::{Decoder, HpackError};
pub use encode::{Block, BlockBuilder};
