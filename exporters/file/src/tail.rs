//! Where the whole records of a file end.
//!
//! *Invariant:* only reads. What follows the returned offset was never answered with yes, since a record is synced
//! before it is.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// The first bytes of every zstd frame.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const CHUNK: u64 = 64 << 10;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contents {
    /// Records of ours up to this offset.
    Records(u64),
    /// Something else.
    Foreign,
}

/// Looks at a file of `length` bytes.
pub(crate) fn contents(file: &File, length: u64, zstd: bool) -> io::Result<Contents> {
    if length == 0 {
        Ok(Contents::Records(0))
    } else if zstd {
        compressed(file, length)
    } else {
        lines(file, length)
    }
}

/// Every line is a JSON object.
fn lines(file: &File, length: u64) -> io::Result<Contents> {
    let mut chunk = vec![0; usize::try_from(CHUNK.min(length)).map_err(io::Error::other)?];
    file.read_exact_at(&mut chunk[..1], 0)?;
    if chunk[0] != b'{' {
        return Ok(Contents::Foreign);
    }
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(CHUNK);
        let part = &mut chunk[..usize::try_from(end - start).map_err(io::Error::other)?];
        file.read_exact_at(part, start)?;
        if let Some(newline) = part.iter().rposition(|byte| *byte == b'\n') {
            return Ok(Contents::Records(start + newline as u64 + 1));
        }
        end = start;
    }
    Ok(Contents::Records(0))
}

/// Every record is its length and a zstd frame.
fn compressed(file: &File, length: u64) -> io::Result<Contents> {
    const HEAD: u64 = 8;
    let mut at = 0;
    while at + HEAD <= length {
        let mut head = [0; HEAD as usize];
        file.read_exact_at(&mut head, at)?;
        let [a, b, c, d, magic @ ..] = head;
        if magic != ZSTD_MAGIC {
            return Ok(if at == 0 {
                Contents::Foreign
            } else {
                Contents::Records(at)
            });
        }
        let next = at + 4 + u64::from(u32::from_be_bytes([a, b, c, d]));
        if next > length {
            break;
        }
        at = next;
    }
    Ok(Contents::Records(at))
}
