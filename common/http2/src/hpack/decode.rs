//! From a header block to names and values.
//!
//! The fields are handed to a closure while they are decoded, borrowed from the block, the table or a scratch buffer:
//! nothing is allocated but for a new entry of the dynamic table.
//! *Does not* judge names and values; that is the business of `head`.

use super::{
    huffman,
    table::{Entry, Table},
};

/// The header block cannot be decoded; the connection's compression state is lost with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HpackError {
    /// The block ends inside a field.
    #[error("header block ends inside a field")]
    Truncated,
    /// An integer has too many bytes or is too large.
    #[error("integer in a header block is too large")]
    Integer,
    /// An index that is in neither table.
    #[error("index of a header is in neither table")]
    Index,
    /// A string is not valid Huffman code.
    #[error("string in a header block is not valid Huffman code")]
    Huffman,
    /// A table size above the advertised one, or after the first field.
    #[error("table size update is too large or misplaced")]
    SizeUpdate,
}

/// The decoding half of a connection's header compression.
#[derive(Debug)]
pub struct Decoder {
    table: Table,
    advertised_size: usize,
    name: Vec<u8>,
    value: Vec<u8>,
}

/// What remains of a block.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn byte(&mut self) -> Result<u8, HpackError> {
        let (first, rest) = self.0.split_first().ok_or(HpackError::Truncated)?;
        self.0 = rest;
        Ok(*first)
    }

    /// An integer whose first `bits` bits are the low ones of `first`.
    fn integer(&mut self, first: u8, bits: u32) -> Result<usize, HpackError> {
        let mask = (1u8 << bits) - 1;
        let mut value = u64::from(first & mask);
        if value < u64::from(mask) {
            return Ok(value as usize);
        }
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte()?;
            value += u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return match u32::try_from(value) {
                    Ok(value) => Ok(value as usize),
                    Err(_) => Err(HpackError::Integer),
                };
            }
        }
        Err(HpackError::Integer)
    }

    /// A string, decoded to `scratch` when it is compressed.
    fn string<'s>(&mut self, scratch: &'s mut Vec<u8>) -> Result<&'s [u8], HpackError>
    where
        'a: 's,
    {
        let first = self.byte()?;
        let len = self.integer(first, 7)?;
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(HpackError::Truncated)?;
        self.0 = rest;
        if first & 0x80 == 0 {
            return Ok(bytes);
        }
        scratch.clear();
        huffman::decode(bytes, scratch).map_err(|_| HpackError::Huffman)?;
        Ok(scratch)
    }
}

impl Decoder {
    /// A decoder whose dynamic table holds at most `table_bytes`, the size that our settings advertise.
    pub fn new(table_bytes: usize) -> Self {
        Self {
            table: Table::new(table_bytes),
            advertised_size: table_bytes,
            name: Vec::new(),
            value: Vec::new(),
        }
    }

    /// Changes whenever the dynamic table does: two equal blocks decode alike if this is equal before both.
    pub fn version(&self) -> u64 {
        self.table.version()
    }

    /// Gives back the scratch memory; what the peer relies on stays.
    pub fn shrink(&mut self) {
        self.name = Vec::new();
        self.value = Vec::new();
    }

    /// Decodes one whole block, giving each field to `field` in order.
    ///
    /// # Errors
    /// [`HpackError`]; the decoder must not be used any more then.
    pub fn decode(
        &mut self,
        block: &[u8],
        mut field: impl FnMut(&[u8], &[u8]),
    ) -> Result<(), HpackError> {
        let mut input = Input(block);
        let mut at_start = true;
        while let Ok(first) = input.byte() {
            if first & 0x80 != 0 {
                let index = input.integer(first, 7)?;
                let (name, value) = self.table.get(index).ok_or(HpackError::Index)?;
                field(name, value);
            } else if first & 0x40 != 0 {
                let entry = self.literal(&mut input, first, 6, |name, value| {
                    field(name, value);
                    Entry::new(name, value)
                })?;
                self.table.insert(entry);
            } else if first & 0x20 != 0 {
                let size = input.integer(first, 5)?;
                if !at_start || size > self.advertised_size {
                    return Err(HpackError::SizeUpdate);
                }
                self.table.resize(size);
                continue;
            } else {
                self.literal(&mut input, first, 4, &mut field)?;
            }
            at_start = false;
        }
        Ok(())
    }

    /// A literal field whose name is an index of `bits` bits or a string, given to `take`.
    fn literal<T>(
        &mut self,
        input: &mut Input<'_>,
        first: u8,
        bits: u32,
        take: impl FnOnce(&[u8], &[u8]) -> T,
    ) -> Result<T, HpackError> {
        let name = match input.integer(first, bits)? {
            0 => input.string(&mut self.name)?,
            index => self.table.get(index).ok_or(HpackError::Index)?.0,
        };
        Ok(take(name, input.string(&mut self.value)?))
    }
}

#[cfg(test)]
mod tests;
