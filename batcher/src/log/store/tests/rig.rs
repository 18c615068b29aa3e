//! A store on a simulated disk, and the blocks that go into it.

use super::super::{Recovered, Store, StoreError, StoreLimits};
use crate::log::books::{Books, CursorBook};
use crate::log::disk::sim::SimDisk;
use crate::log::folders::{Folder, Folders};
use crate::log::format::{Lost, Record, Totals, Why};
use crate::log::segments::{Found, Segments};
use bytes::Bytes;
use penstock_otlp::Signal;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) const SEGMENT_BYTES: u64 = 4096;

/// An open log.
#[derive(Debug)]
pub(crate) struct Rig {
    pub(crate) disk: SimDisk,
    pub(crate) limits: StoreLimits,
    pub(crate) store: Store,
    pub(crate) segments: Arc<Segments>,
    pub(crate) recovered: Recovered,
    folder: Option<Folder>,
}

/// Opens the first slot.
pub(crate) fn open(disk: &SimDisk, limits: StoreLimits) -> Result<Rig, StoreError> {
    let folders = Folders::new(PathBuf::from("/log"), disk.shared());
    let folder = folders.claim().expect("nothing is wrong with the disk");
    let (store, segments, recovered) = Store::open(&folder, disk.shared(), limits, Signal::Logs)?;
    Ok(Rig {
        disk: disk.clone(),
        limits,
        store,
        segments,
        recovered,
        folder: Some(folder),
    })
}

/// A new log.
pub(crate) fn rig() -> Rig {
    open(&SimDisk::default(), limits()).expect("a new log")
}

pub(crate) fn limits() -> StoreLimits {
    StoreLimits {
        segment_bytes: SEGMENT_BYTES,
        keep_unsynced: false,
    }
}

/// Books that can be told from others.
pub(crate) fn books(number: u64) -> Books {
    Books {
        cursors: vec![CursorBook {
            pipeline: "logs".to_owned(),
            exporter: "otlp".to_owned(),
            retried: number,
            ..CursorBook::default()
        }],
        ..Books::default()
    }
}

/// The number of such books.
pub(crate) fn number(books: &Books) -> u64 {
    books.cursors.first().map_or(0, |cursor| cursor.retried)
}

/// Blocks of these sizes from `at` on, filled with `fill`.
pub(crate) fn blocks(at: Totals, sizes: &[usize], fill: u8) -> Vec<Record> {
    let mut at = at;
    let mut blocks = Vec::new();
    for size in sizes {
        let mut payload = vec![fill; *size];
        payload[0] = at.seq as u8;
        let block = Record {
            seq: at.seq,
            items: 1 + (*size as u32 % 7),
            items_before: at.items,
            bytes_before: at.bytes,
            since_ns: at.seq,
            payload: Bytes::from(payload),
        };
        at = block.end();
        blocks.push(block);
    }
    blocks
}

/// Everything from `from` on.
pub(crate) fn read_all(segments: &Segments, from: Totals) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    let mut at = from;
    loop {
        let more = segments.read(at, 1500).expect("a readable disk");
        let Some(last) = more.last() else {
            return found;
        };
        at = end_of(last);
        found.extend(more);
    }
}

pub(crate) fn end_of(found: &Found) -> Totals {
    match found {
        Found::Block(block) => block.end(),
        Found::Lost(lost) => lost.end,
    }
}

pub(crate) fn of_blocks(blocks: &[Record]) -> Vec<Found> {
    blocks.iter().cloned().map(Found::Block).collect()
}

/// Every real loss.
pub(crate) fn losses(found: &[Found]) -> Vec<Lost> {
    let lost = found.iter().filter_map(|found| match found {
        Found::Lost(lost) if lost.why != Why::Skipped => Some(lost.clone()),
        Found::Lost(_) | Found::Block(_) => None,
    });
    lost.collect()
}

impl Rig {
    /// Appends blocks of these sizes.
    pub(crate) fn append(&mut self, sizes: &[usize]) -> Vec<Record> {
        let blocks = blocks(self.store.end(), sizes, 0xab);
        self.store.append(&blocks, None).expect("room");
        blocks
    }

    /// The process dies and another one opens the log.
    pub(crate) fn killed(self) -> Self {
        let Self { disk, limits, .. } = self;
        disk.kill();
        open(&disk, limits).expect("a log that can be opened")
    }

    /// All there is.
    pub(crate) fn all(&self) -> Vec<Found> {
        let from = self.segments.list().first().map(|segment| segment.first);
        read_all(&self.segments, from.unwrap_or_default())
    }

    /// The log's segment files in order.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut paths = self.disk.paths();
        paths.retain(|path| path.extension().is_some_and(|found| found == "seg"));
        paths.retain(|path| path.parent() == Some(Path::new("/log/0")));
        paths
    }

    pub(crate) fn quarantined(&self) -> Vec<PathBuf> {
        let mut paths = self.disk.paths();
        paths.retain(|path| path.starts_with("/log/0/quarantine"));
        paths
    }

    pub(crate) fn remove(&mut self) -> std::io::Result<()> {
        self.folder.take().map_or(Ok(()), Folder::remove)
    }
}
