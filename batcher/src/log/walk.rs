//! Walks the records of a file from one to the next, whatever state the file is in.
//!
//! *Invariant:* takes bounded memory, ends for any bytes, and gives only records whose header is valid for this log. Bytes
//! between valid records come as bad, each once.

use super::disk::{DiskFile, read_exact_at};
use super::format::{RECORD_HEADER, RECORD_MAGIC, RecordHeader, Why};
use bytes::Bytes;
use std::io;
use std::ops::Range;

#[cfg(test)]
mod tests;

/// Bytes read at once where the whole need not be in memory.
const CHUNK: usize = 64 << 10;
/// What a disk loses at a time.
const SECTOR: u64 = 4096;

/// What comes next in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A record with a valid header.
    Record {
        /// Where it begins.
        offset: u64,
        header: RecordHeader,
    },
    /// Bytes that are no record. At the end of the file, those that come after the last one.
    Bad {
        range: Range<u64>,
        /// The disk does not give some of them.
        unreadable: bool,
    },
}

/// What becomes of a range that the disk does not give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// The error is told.
    Fails,
    /// It is taken as bad.
    Skipped,
}

/// Where a walk is.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    file: &'a dyn DiskFile,
    /// Which log's records; any log's if `None`.
    tag: Option<u32>,
    offset: u64,
    end: u64,
    unreadable: Unreadable,
    /// The bytes at `offset`, when they came along with a payload.
    ahead: Option<[u8; RECORD_HEADER]>,
}

/// What is at a place.
enum At {
    Record(RecordHeader),
    Nothing,
    Unreadable,
}

impl<'a> Walk<'a> {
    /// Over the bytes from `range.start`, where a record should begin, to `range.end`.
    pub(crate) fn new(
        file: &'a dyn DiskFile,
        tag: Option<u32>,
        range: Range<u64>,
        unreadable: Unreadable,
    ) -> Self {
        Self {
            file,
            tag,
            offset: range.start,
            end: range.end,
            unreadable,
            ahead: None,
        }
    }

    /// Where the next step begins.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// The next step; `None` at the end.
    pub(crate) fn step(&mut self) -> io::Result<Option<Step>> {
        let offset = self.offset;
        if offset >= self.end {
            return Ok(None);
        }
        let mut unreadable = false;
        match self.header_at(offset)? {
            At::Record(header) => {
                self.offset = offset + header.record_len();
                return Ok(Some(Step::Record { offset, header }));
            }
            At::Nothing => {}
            At::Unreadable => unreadable = true,
        }
        self.offset = self.search(offset + 1, &mut unreadable)?;
        Ok(Some(Step::Bad {
            range: offset..self.offset,
            unreadable,
        }))
    }

    /// The payload of the record that the last step gave, or why it cannot be had.
    ///
    /// One read brings the header of the next record along.
    pub(crate) fn payload(&mut self, header: &RecordHeader) -> io::Result<Result<Bytes, Why>> {
        let len = header.payload_len as usize;
        let from = self.offset - len as u64;
        let more = (self.end - self.offset).min(RECORD_HEADER as u64) as usize;
        let mut bytes = vec![0; len + more];
        let mut read = read_exact_at(self.file, &mut bytes, from);
        if read.is_err() && more > 0 {
            // Maybe only the part that comes along cannot be read.
            bytes.truncate(len);
            read = read_exact_at(self.file, &mut bytes, from);
        }
        match read {
            Ok(true) => {}
            // Cut while we read.
            Ok(false) => return Ok(Err(Why::Damaged)),
            Err(error) => {
                self.skipped::<()>(error)?;
                return Ok(Err(Why::Unreadable));
            }
        }
        self.ahead = bytes[len..].try_into().ok();
        bytes.truncate(len);
        Ok(if crc32fast::hash(&bytes) == header.payload_crc {
            Ok(Bytes::from(bytes))
        } else {
            Err(Why::Damaged)
        })
    }

    /// What is wrong with the payload of the record that the last step gave, if anything. Keeps nothing of it.
    pub(crate) fn check(&mut self, header: &RecordHeader) -> io::Result<Option<Why>> {
        let mut hasher = crc32fast::Hasher::new();
        let mut chunk = vec![0; CHUNK.min(header.payload_len as usize)];
        let mut at = self.offset - u64::from(header.payload_len);
        while at < self.offset {
            let len = (self.offset - at).min(CHUNK as u64) as usize;
            match read_exact_at(self.file, &mut chunk[..len], at) {
                Ok(true) => {}
                Ok(false) => return Ok(Some(Why::Damaged)),
                Err(error) => {
                    self.skipped::<()>(error)?;
                    return Ok(Some(Why::Unreadable));
                }
            }
            hasher.update(&chunk[..len]);
            at += len as u64;
        }
        Ok((hasher.finalize() != header.payload_crc).then_some(Why::Damaged))
    }

    fn skipped<T>(&self, error: io::Error) -> io::Result<Option<T>> {
        match self.unreadable {
            Unreadable::Fails => Err(error),
            Unreadable::Skipped => Ok(None),
        }
    }

    fn header_at(&mut self, offset: u64) -> io::Result<At> {
        let ahead = self.ahead.take().filter(|_| offset == self.offset);
        if self.end.saturating_sub(offset) < RECORD_HEADER as u64 {
            return Ok(At::Nothing);
        }
        let bytes = match ahead {
            Some(bytes) => bytes,
            None => {
                let mut bytes = [0; RECORD_HEADER];
                match read_exact_at(self.file, &mut bytes, offset) {
                    Ok(true) => bytes,
                    Ok(false) => return Ok(At::Nothing),
                    Err(error) => {
                        return self
                            .skipped(error)
                            .map(|none| none.unwrap_or(At::Unreadable));
                    }
                }
            }
        };
        let valid = RecordHeader::decode(&bytes).filter(|header| {
            self.tag.is_none_or(|tag| tag == header.tag) && header.record_len() <= self.end - offset
        });
        Ok(valid.map_or(At::Nothing, At::Record))
    }

    /// Where the next valid record begins at or after `from`; the end if there is none.
    fn search(&mut self, mut from: u64, unreadable: &mut bool) -> io::Result<u64> {
        let mut chunk = vec![0; CHUNK];
        let mut size = CHUNK;
        while from < self.end {
            let len = (self.end - from).min(size as u64) as usize;
            let chunk = &mut chunk[..len];
            match read_exact_at(self.file, chunk, from) {
                Ok(true) => {}
                Ok(false) => return Ok(self.end),
                Err(error) => {
                    self.skipped::<()>(error)?;
                    *unreadable = true;
                    if size == CHUNK {
                        size = SECTOR as usize;
                    } else {
                        from = (from / SECTOR + 1) * SECTOR;
                    }
                    continue;
                }
            }
            for start in candidates(chunk) {
                let at = from + start as u64;
                if matches!(self.header_at(at)?, At::Record(_)) {
                    return Ok(at);
                }
            }
            // A magic may lie across the end of the chunk.
            from += len.saturating_sub(RECORD_MAGIC.len() - 1).max(1) as u64;
        }
        Ok(self.end)
    }
}

/// Where a record may begin.
fn candidates(chunk: &[u8]) -> impl Iterator<Item = usize> {
    chunk
        .windows(RECORD_MAGIC.len())
        .enumerate()
        .filter(|(_, bytes)| **bytes == RECORD_MAGIC)
        .map(|(at, _)| at)
}
