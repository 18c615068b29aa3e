//! The Huffman code of HPACK (RFC 7541, appendix B), decoding only: our answers are sent as plain literals.
//!
//! The code is canonical: codes of one length are consecutive, ordered by symbol, so the lengths alone define it and
//! all tables are derived from them at compile time. Codes of up to eight bits, nearly all of real text, take
//! one table look-up; longer ones are found by comparing with the first code of each length.
//!
//! *Invariant:* output is at most 8/5 of the input; padding that is too long or not all ones, and the
//! end-of-string symbol, are errors.

/// The bytes are not a valid Huffman string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Invalid;

const SYMBOLS: usize = 257;
const END_OF_STRING: u16 = 256;
const SHORTEST: usize = 5;
const LONGEST: usize = 30;

/// Bits of the code of each symbol.
const LENGTHS: [u8; SYMBOLS] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5,
    5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6,
    6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22,
    23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22,
    21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20,
    22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19,
    21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22,
    22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
];

struct Tables {
    /// For each next byte: symbol and code length, or length 0 when the code is longer than a byte.
    short: [(u8, u8); 256],
    /// All symbols in the order of their codes.
    by_code: [u16; SYMBOLS],
    /// For each length, the first code of the *next* length or above, left-aligned in 32 bits (exclusive bound).
    limit: [u64; LONGEST + 1],
    /// For each length, its first code.
    first: [u32; LONGEST + 1],
    /// For each length, the place of its first symbol in `by_code`.
    offset: [u16; LONGEST + 1],
}

static TABLES: Tables = build();

const fn build() -> Tables {
    let mut tables = Tables {
        short: [(0, 0); 256],
        by_code: [0; SYMBOLS],
        limit: [0; LONGEST + 1],
        first: [0; LONGEST + 1],
        offset: [0; LONGEST + 1],
    };
    let mut code: u32 = 0;
    let mut place = 0;
    let mut length = 1;
    while length <= LONGEST {
        code <<= 1;
        tables.first[length] = code;
        tables.offset[length] = place as u16;
        let mut symbol = 0;
        while symbol < SYMBOLS {
            if LENGTHS[symbol] as usize == length {
                tables.by_code[place] = symbol as u16;
                if length <= 8 {
                    let mut suffix = 0;
                    while suffix < 1 << (8 - length) {
                        tables.short[((code as usize) << (8 - length)) | suffix] =
                            (symbol as u8, length as u8);
                        suffix += 1;
                    }
                }
                place += 1;
                code += 1;
            }
            symbol += 1;
        }
        tables.limit[length] = (code as u64) << (32 - length);
        length += 1;
    }
    tables
}

/// Decodes `input` to the end of `output`.
///
/// # Errors
/// [`Invalid`] when the input ends inside a code, is padded wrongly or holds the end-of-string symbol.
pub(super) fn decode(input: &[u8], output: &mut Vec<u8>) -> Result<(), Invalid> {
    output.reserve(input.len() * 8 / SHORTEST);
    let mut input = input.iter();
    // The unread bits, left-aligned.
    let mut bits: u64 = 0;
    let mut have: usize = 0;
    loop {
        while have <= 56 {
            let Some(byte) = input.next() else { break };
            bits |= u64::from(*byte) << (56 - have);
            have += 8;
        }
        let (symbol, length) = TABLES.short[(bits >> 56) as usize];
        if length != 0 && usize::from(length) <= have {
            output.push(symbol);
            bits <<= length;
            have -= usize::from(length);
            continue;
        }
        // Fewer than eight bits, all ones, are padding; no code is a prefix of that.
        if have < 8 && bits == !(u64::MAX >> have) {
            return Ok(());
        }
        let window = bits >> 32;
        let length = (9..=LONGEST)
            .find(|length| window < TABLES.limit[*length])
            .ok_or(Invalid)?;
        if length > have {
            return Err(Invalid);
        }
        let code = (window >> (32 - length)) as u32;
        let place = u32::from(TABLES.offset[length]) + code - TABLES.first[length];
        match TABLES.by_code[place as usize] {
            END_OF_STRING => return Err(Invalid),
            symbol => output.push(symbol as u8),
        }
        bits <<= length;
        have -= length;
    }
}

#[cfg(test)]
mod tests;
