//! The file that this process writes to.
//!
//! *Invariant:* a letter is in the file whole or not at all; a file whose write failed is not written to again.

use super::file::{EXTENSION, is_at, locked};
use crate::log::disk::{DiskFile, write_all_at};
use crate::log::format::{
    Kind, LogId, Purpose, RECORD_HEADER, RecordHeader, SEGMENT_HEADER, SegmentHeader, Totals,
    VERSION, now_ns,
};
use bytes::Bytes;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};

/// One file, begun by us.
#[derive(Debug)]
pub(super) struct Writer {
    path: PathBuf,
    file: File,
    log_id: LogId,
    len: u64,
    end: Totals,
    /// The file's name is durable.
    named: bool,
}

impl Writer {
    /// Bytes that a letter may add to all files: its own, and those of a file begun for it.
    pub(super) fn room_for(payload: &Bytes) -> u64 {
        SEGMENT_HEADER as u64 + record_len(payload)
    }

    /// A new file in `directory`, which is made if it is not there.
    pub(super) fn create(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let created_ns = now_ns();
        // In the order of time, and nobody else's.
        let name = format!("{created_ns:020}-{}.{EXTENSION}", std::process::id());
        let path = directory.join(name);
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)?;
        let header = SegmentHeader {
            version: VERSION,
            signal: None,
            purpose: Purpose::DeadLetters,
            log_id: LogId::new(),
            first: Totals::default(),
            created_ns,
            boot: 0,
        };
        let writer = Self {
            path,
            file,
            log_id: header.log_id,
            len: SEGMENT_HEADER as u64,
            end: Totals::default(),
            named: false,
        };
        if let Err(error) = write_all_at(&writer.file, &mut [IoSlice::new(&header.encode())], 0) {
            // Empty, it would be nobody's.
            _ = fs::remove_file(&writer.path);
            return Err(error);
        }
        Ok(writer)
    }

    /// Whether a letter fits below `limit`. The first one always does.
    pub(super) fn takes(&self, payload: &Bytes, limit: u64) -> bool {
        self.end.seq == 0 || self.len + record_len(payload) <= limit
    }

    /// Appends a letter; `false` if somebody has taken the file, or is taking it.
    pub(super) fn append(&mut self, payload: &Bytes, items: u64, time_ns: u64) -> io::Result<bool> {
        if !locked(&self.file)? {
            return Ok(false);
        }
        if !is_at(&self.file, &self.path) {
            return Ok(false);
        }
        let written = self.write(payload, items, time_ns);
        // Nobody else could take the file otherwise.
        self.file.unlock()?;
        written.map(|()| true)
    }

    fn write(&mut self, payload: &Bytes, items: u64, time_ns: u64) -> io::Result<()> {
        let too_large = |_| io::Error::from(io::ErrorKind::FileTooLarge);
        let header = RecordHeader {
            kind: Kind::DeadLetter,
            payload_len: u32::try_from(payload.len()).map_err(too_large)?,
            items: u32::try_from(items).map_err(too_large)?,
            at: self.end,
            since_ns: time_ns,
            tag: self.log_id.tag(),
            payload_crc: crc32fast::hash(payload),
        };
        let bytes = header.encode();
        let mut parts = [IoSlice::new(&bytes), IoSlice::new(payload)];
        if let Err(error) = write_all_at(&self.file, &mut parts, self.len) {
            // What is left of the letter is no record, and the file is not written to again: it is only a matter of room.
            _ = self.file.truncate(self.len);
            return Err(error);
        }
        self.len += header.record_len();
        let end = self.end.after(header.items, header.payload_len);
        self.end = end.unwrap_or(self.end);
        Ok(())
    }

    /// Makes all letters durable.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        if !self.named
            && let Some(directory) = self.path.parent()
        {
            File::open(directory)?.sync_all()?;
            self.named = true;
        }
        Ok(())
    }
}

fn record_len(payload: &Bytes) -> u64 {
    (RECORD_HEADER + payload.len()) as u64
}
