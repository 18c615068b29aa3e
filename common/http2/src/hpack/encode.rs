//! Header blocks of answers: plain literals with names of the static table, never the dynamic one.
//!
//! *Invariant:* a block is valid on every connection at any time, so it is built once and shared.

use bytes::Bytes;

use super::table::STATIC;

/// Index of the first `:status` entry of the static table, which carries the name for any status.
const STATUS_NAME: usize = 8;

/// An encoded list of headers, cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block(Bytes);

impl Block {
    /// Begins the headers of an answer with this HTTP status (100 to 999).
    pub fn response(status: u16) -> BlockBuilder {
        let mut builder = BlockBuilder {
            bytes: Vec::with_capacity(64),
        };
        let digits = [status / 100 % 10, status / 10 % 10, status % 10].map(|d| b'0' + d as u8);
        match STATIC
            .iter()
            .position(|(n, v)| *n == ":status" && v.as_bytes() == digits)
        {
            Some(index) => builder.bytes.push(0x80 | (index + 1) as u8),
            None => {
                builder.bytes.push(STATUS_NAME as u8);
                builder.string(&digits);
            }
        }
        builder
    }

    /// Begins trailers.
    pub fn trailers() -> BlockBuilder {
        BlockBuilder {
            bytes: Vec::with_capacity(32),
        }
    }

    /// The encoded bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Encodes headers one after the other.
#[derive(Debug)]
pub struct BlockBuilder {
    bytes: Vec<u8>,
}

impl BlockBuilder {
    /// Adds a header. The name is sent in lower case; bytes that no value may hold (NUL, CR, LF) are sent as spaces.
    #[must_use]
    pub fn field(mut self, name: &str, value: &[u8]) -> Self {
        let name = name.to_ascii_lowercase();
        match STATIC.iter().position(|(n, _)| *n == name) {
            Some(index) => self.integer(0, 4, index + 1),
            None => {
                self.bytes.push(0);
                self.string(name.as_bytes());
            }
        }
        self.string(value);
        self
    }

    /// The finished block.
    pub fn build(self) -> Block {
        Block(Bytes::from(self.bytes))
    }

    fn integer(&mut self, first: u8, bits: u32, value: usize) {
        let mask = (1usize << bits) - 1;
        if value < mask {
            self.bytes.push(first | value as u8);
            return;
        }
        self.bytes.push(first | mask as u8);
        let mut rest = value - mask;
        while rest >= 0x80 {
            self.bytes.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        self.bytes.push(rest as u8);
    }

    fn string(&mut self, value: &[u8]) {
        self.integer(0, 7, value.len());
        self.bytes.extend(value.iter().map(|byte| match byte {
            0 | b'\r' | b'\n' => b' ',
            other => *other,
        }));
    }
}

#[cfg(test)]
mod tests;
