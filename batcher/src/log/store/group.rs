//! What goes to disk in one write, and a segment that is being begun.
//!
//! *Invariant:* payloads are written from where they are; only headers and books are made here.

use super::{StoreError, io_error};
use crate::log::disk::{Disk, DiskFile, write_all_at};
use crate::log::format::{
    Index, Kind, LogId, RECORD_HEADER, Record, RecordHeader, Totals, mark, now_ns,
};
use crate::log::layout::Entry;
use std::io::{self, IoSlice};
use std::path::PathBuf;
use std::sync::Arc;

/// A segment that readers do not know yet.
pub(super) struct NewSegment {
    pub(super) entry: Entry,
    pub(super) file: Arc<dyn DiskFile>,
    /// Its name until it is whole.
    pub(super) unfinished: PathBuf,
    /// It takes the place of another.
    pub(super) replaces: bool,
}

/// What one write puts into a segment, beside the payloads.
pub(super) struct Group {
    pub(super) headers: Vec<[u8; RECORD_HEADER]>,
    pub(super) books: Option<BooksRecord>,
    pub(super) len: u64,
}

/// Books, ready to be written.
pub(super) struct BooksRecord {
    pub(super) header: [u8; RECORD_HEADER],
    pub(super) payload: Vec<u8>,
}

impl NewSegment {
    /// Writes blocks at its end.
    pub(super) fn push(
        &mut self,
        disk: &dyn Disk,
        blocks: &[Record],
        group: &Group,
        end: Totals,
    ) -> Result<(), StoreError> {
        let begin = self.entry.on_disk;
        let mut bufs = group.slices(blocks);
        let written = write_all_at(&*self.file, &mut bufs, begin);
        self.or_gone(disk, written)?;
        group.note(&mut self.entry, blocks, begin, end);
        Ok(())
    }

    /// Gives it its name.
    pub(super) fn finish(&self, disk: &dyn Disk) -> Result<(), StoreError> {
        if self.replaces {
            // What it takes the place of may be durable.
            self.or_gone(disk, self.file.sync())?;
        }
        self.or_gone(disk, disk.rename(&self.unfinished, &self.entry.path))
    }

    pub(super) fn or_gone(&self, disk: &dyn Disk, done: io::Result<()>) -> Result<(), StoreError> {
        done.map_err(|error| {
            let _gone = disk.remove_file(&self.unfinished).is_ok();
            io_error("begun", &self.unfinished, error)
        })
    }
}

impl Group {
    pub(super) fn new(blocks: &[Record], log_id: LogId, books: Option<BooksRecord>) -> Self {
        let header = |block: &Record| {
            let header = RecordHeader {
                items: block.items,
                since_ns: block.since_ns,
                ..unwritten(Kind::Block, &block.payload, block.begin(), log_id)
            };
            header.encode()
        };
        let payloads: usize = blocks.iter().map(|block| block.payload.len()).sum();
        let books_len = books
            .as_ref()
            .map_or(0, |books| RECORD_HEADER + books.payload.len());
        Self {
            headers: blocks.iter().map(header).collect(),
            len: (blocks.len() * RECORD_HEADER + payloads + books_len) as u64,
            books,
        }
    }

    /// What to write.
    pub(super) fn slices<'a>(&'a self, blocks: &'a [Record]) -> Vec<IoSlice<'a>> {
        let mut slices = Vec::with_capacity(2 * blocks.len() + 2);
        for (header, block) in self.headers.iter().zip(blocks) {
            slices.push(IoSlice::new(header));
            slices.push(IoSlice::new(&block.payload));
        }
        if let Some(books) = &self.books {
            slices.push(IoSlice::new(&books.header));
            slices.push(IoSlice::new(&books.payload));
        }
        slices
    }

    /// Notes in a segment that the group was written at `offset`.
    pub(super) fn note(&self, entry: &mut Entry, blocks: &[Record], offset: u64, end: Totals) {
        let mut at = offset;
        for block in blocks {
            mark(&mut entry.marks, block.begin(), at);
            at += (RECORD_HEADER + block.payload.len()) as u64;
        }
        if self.books.is_some() {
            entry.books_at = at;
        }
        entry.end = end;
        entry.readable = offset + self.len;
        entry.on_disk = entry.readable;
    }
}

/// The record that ends a segment.
pub(crate) fn index_record(entry: &Entry, log_id: LogId) -> Vec<u8> {
    let index = Index {
        books_at: entry.books_at,
        marks: entry.marks.clone(),
    };
    let payload = index.encode();
    let mut record = unwritten(Kind::Index, &payload, entry.end, log_id)
        .encode()
        .to_vec();
    record.extend(payload);
    record
}

/// The header of a record that is written now.
pub(super) fn unwritten(kind: Kind, payload: &[u8], at: Totals, log_id: LogId) -> RecordHeader {
    RecordHeader {
        kind,
        // What is longer is refused before.
        payload_len: payload.len() as u32,
        items: 0,
        at,
        since_ns: now_ns(),
        tag: log_id.tag(),
        payload_crc: crc32fast::hash(payload),
    }
}
