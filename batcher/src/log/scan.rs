//! Reads a segment's records one by one, to know what it holds where no index says so.
//!
//! *Invariant:* any bytes give an answer. What is told as there has a valid header and lies in order.

use super::books::Books;
use super::disk::DiskFile;
use super::format::{Kind, Lost, Mark, RecordHeader, SEGMENT_HEADER, Totals, Why, mark};
use super::walk::{Step, Unreadable, Walk};
use std::io;
use std::ops::Range;

/// Books larger than this are none.
const MAX_BOOKS: u32 = 64 << 20;

/// A segment to read.
#[derive(Debug)]
pub(crate) struct Scan<'a> {
    pub(crate) file: &'a dyn DiskFile,
    pub(crate) tag: u32,
    /// As its header has it.
    pub(crate) first: Option<Totals>,
    pub(crate) until: u64,
    /// Check the payloads of blocks too.
    pub(crate) payloads: bool,
}

/// What a segment's records come to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Records {
    pub(crate) first: Totals,
    /// The last place that a record names: after the last block, if that is there.
    pub(crate) end: Totals,
    /// Where the last of them ends, an index apart.
    pub(crate) readable: u64,
    /// It has a good index.
    pub(crate) sealed: bool,
    /// Valid records.
    pub(crate) count: u64,
    pub(crate) books_at: Option<u64>,
    pub(crate) marks: Vec<Mark>,
    /// Not what was written.
    pub(crate) bad: Vec<Range<u64>>,
    /// The disk does not give all of it.
    pub(crate) unreadable: bool,
    /// Blocks between first and end that are not there, as far as was looked.
    pub(crate) lost: Vec<Lost>,
    /// Bytes after the last record: a torn tail, unless the segment is sealed.
    pub(crate) rest: Vec<Range<u64>>,
}

impl Scan<'_> {
    /// Reads.
    ///
    /// # Errors
    /// What the disk says, if it is not to be skipped.
    pub(crate) fn run(&self, unreadable: Unreadable) -> io::Result<Records> {
        let begin = SEGMENT_HEADER as u64;
        let mut walk = Walk::new(self.file, Some(self.tag), begin..self.until, unreadable);
        let mut records = Records {
            readable: begin.min(self.until),
            ..Records::default()
        };
        if let Some(first) = self.first {
            records.begin(first);
        }
        let mut why = Why::Missing;
        while let Some(step) = walk.step()? {
            match step {
                Step::Bad { range, unreadable } => {
                    records.unreadable |= unreadable;
                    records.rest.push(range);
                    why = if unreadable {
                        Why::Unreadable
                    } else {
                        Why::Damaged
                    };
                }
                Step::Record { offset, header } if records.takes(self.first, &header) => {
                    self.record(&mut walk, offset, &header, why, &mut records)?;
                    why = Why::Missing;
                }
                Step::Record { offset, .. } => {
                    records.rest.push(offset..walk.offset());
                    why = Why::Damaged;
                }
            }
        }
        Ok(records)
    }

    fn record(
        &self,
        walk: &mut Walk<'_>,
        offset: u64,
        header: &RecordHeader,
        why: Why,
        records: &mut Records,
    ) -> io::Result<()> {
        if records.count == 0 && self.first.is_none() {
            records.begin(header.at);
        }
        let mut rest = std::mem::take(&mut records.rest);
        records.bad.append(&mut rest);
        records.count += 1;
        records.readable = walk.offset();
        if header.at.seq > records.end.seq {
            records.lost.push(records.end.lost_to(header.at, why));
        }
        records.end = header.end();
        if header.kind == Kind::Books {
            if parsed(walk, header).is_some() {
                records.books_at = Some(offset);
            } else {
                records.bad.push(offset..walk.offset());
            }
            return Ok(());
        }
        mark(&mut records.marks, header.at, offset);
        let fault = if self.payloads {
            walk.check(header)?
        } else {
            None
        };
        if let Some(fault) = fault {
            records.unreadable |= fault == Why::Unreadable;
            records.bad.push(offset..walk.offset());
            records.lost.push(header.at.lost_to(header.end(), fault));
        }
        Ok(())
    }
}

impl Records {
    /// Takes over what a good index says.
    pub(crate) fn sealed_as(&mut self, indexed: &Self) {
        self.sealed = true;
        self.readable = indexed.readable;
        let mut rest = std::mem::take(&mut self.rest);
        self.bad.append(&mut rest);
        if self.count == 0 {
            self.begin(indexed.first);
            self.count = 1;
        }
        if indexed.end.seq > self.end.seq {
            self.lost.push(self.end.lost_to(indexed.end, Why::Damaged));
            self.end = indexed.end;
        }
    }

    fn begin(&mut self, first: Totals) {
        self.first = first;
        self.end = first;
    }

    /// Whether a record can come next. An index cannot: a good one was found from the end of the file.
    fn takes(&self, first: Option<Totals>, header: &RecordHeader) -> bool {
        let (end, at) = (self.end, header.at);
        let after = at.seq > end.seq && at.items >= end.items && at.bytes >= end.bytes;
        let goes_on = at == end || after;
        let begins = self.count == 0 && first.is_none();
        matches!(header.kind, Kind::Block | Kind::Books) && (goes_on || begins)
    }
}

/// The books of a record, if these are any.
pub(crate) fn parsed(walk: &mut Walk<'_>, header: &RecordHeader) -> Option<Books> {
    if header.kind != Kind::Books || header.payload_len > MAX_BOOKS {
        return None;
    }
    let payload = walk.payload(header).ok()?.ok()?;
    serde_json::from_slice(&payload).ok()
}
