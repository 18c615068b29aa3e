//! Looks at what is in a log's folder, and changes nothing.
//!
//! *Invariant:* any bytes whatever give an answer, in bounded memory; only a log that this program must not touch is an error.

use super::books::Books;
use super::disk::{Disk, DiskFile, read_exact_at};
use super::format::{
    Index, Kind, LogId, Mark, Purpose, RECORD_HEADER, RecordHeader, SEGMENT_HEADER, SegmentHeader,
    TRAILER, Totals, VERSION,
};
use super::layout::{Entry, Layout};
use super::scan::{Records, Scan, parsed};
use super::store::{StoreError, io_error};
use super::walk::{Step, Unreadable, Walk};
use penstock_otlp::Signal;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// Attempts to read a segment before what cannot be read is skipped.
const TRIES: u32 = 3;
/// An index larger than this is none.
const MAX_INDEX: u64 = 16 << 20;

/// Which segments are read in full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Those that have no index: their headers, and of the last one the payloads too.
    Last,
    /// All of them.
    All,
}

/// What a folder holds.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// `None` if nothing in it says.
    pub(crate) log_id: Option<LogId>,
    /// The log's segments in order of their first block, each with another.
    pub(crate) parts: Vec<Part>,
    /// Files that belong to other logs or hold nothing.
    pub(crate) foreign: Vec<PathBuf>,
    /// Segments that were being begun.
    pub(crate) unfinished: Vec<PathBuf>,
    /// The newest that can be read.
    pub(crate) books: Option<Books>,
    /// The last place that is named.
    pub(crate) end: Totals,
}

/// One segment.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) path: PathBuf,
    /// `None` if it is damaged.
    pub(crate) header: Option<SegmentHeader>,
    pub(crate) len: u64,
    pub(crate) records: Records,
}

/// A file with a segment's name, and its header.
struct Candidate {
    path: PathBuf,
    name: u64,
    len: u64,
    header: Option<SegmentHeader>,
}

/// Looks at a folder.
///
/// # Errors
/// What is there must not be touched, or cannot be read at all.
pub(crate) fn load(
    dir: &Path,
    disk: &dyn Disk,
    signal: Option<Signal>,
    depth: Depth,
) -> Result<Loaded, StoreError> {
    let (candidates, unfinished) = candidates(dir, disk)?;
    for candidate in &candidates {
        check(candidate, signal)?;
    }
    let mut loaded = Loaded {
        log_id: log_id(&candidates, disk),
        parts: Vec::new(),
        foreign: Vec::new(),
        unfinished,
        books: None,
        end: Totals::default(),
    };
    let last = candidates.iter().map(|candidate| candidate.name).max();
    let mut parts: BTreeMap<u64, Part> = BTreeMap::new();
    for candidate in candidates {
        let whole = depth == Depth::All || last == Some(candidate.name);
        let path = candidate.path.clone();
        let part = loaded
            .log_id
            .map(|log_id| part(candidate, disk, log_id, depth, whole));
        let Some(part) = part.transpose()?.flatten() else {
            loaded.foreign.push(path);
            continue;
        };
        // Of two with the same first block one is a copy.
        let worse = match parts.remove(&part.records.first.seq) {
            Some(other) if other.records.end.seq >= part.records.end.seq => {
                parts.insert(other.records.first.seq, other);
                Some(part)
            }
            other => {
                parts.insert(part.records.first.seq, part);
                other
            }
        };
        loaded.foreign.extend(worse.map(|part| part.path));
    }
    loaded.parts = parts.into_values().collect();
    clip(&mut loaded.parts);
    let last = loaded.parts.last();
    loaded.end = last.map_or_else(Totals::default, |last| last.records.end);
    if let Some(log_id) = loaded.log_id {
        let newest_first = loaded.parts.iter().rev();
        loaded.books = newest_first
            .filter_map(|part| books(part, disk, log_id))
            .next();
    }
    Ok(loaded)
}

/// Ends each segment where the next begins: what an older one has beyond was written again, or was never acked.
fn clip(parts: &mut [Part]) {
    let firsts: Vec<_> = parts.iter().map(|part| part.records.first).collect();
    for (part, next) in parts.iter_mut().zip(firsts.into_iter().skip(1)) {
        if part.records.end.seq > next.seq {
            part.records.end = next;
        }
    }
}

impl Loaded {
    /// As the log reads it.
    pub(crate) fn layout(&self) -> Layout {
        let mut layout = Layout::default();
        layout.end = self.end;
        for part in &self.parts {
            layout.insert(part.entry());
        }
        layout
    }
}

impl Part {
    pub(crate) fn entry(&self) -> Entry {
        Entry {
            path: self.path.clone(),
            first: self.records.first,
            end: self.records.end,
            readable: self.records.readable,
            on_disk: self.len,
            sealed: true,
            books_at: self.records.books_at.unwrap_or(0),
            marks: self.records.marks.clone(),
            file: None,
        }
    }

    /// Bytes after the last valid record, if they can all be read.
    pub(crate) fn torn(&self) -> u64 {
        if self.records.sealed || self.records.unreadable {
            return 0;
        }
        self.len - self.records.readable
    }
}

/// Every segment, and what was being begun and is not one.
fn candidates(dir: &Path, disk: &dyn Disk) -> Result<(Vec<Candidate>, Vec<PathBuf>), StoreError> {
    let names = disk
        .list(dir)
        .map_err(|error| io_error("listed", dir, error))?;
    let mut found = Vec::new();
    let mut unfinished = Vec::new();
    for name in &names {
        let Some((stem, extension)) = name.rsplit_once('.') else {
            continue;
        };
        let number = u64::from_str_radix(stem, 16).ok();
        let Some(number) = number.filter(|number| format!("{number:016x}") == stem) else {
            continue;
        };
        let path = dir.join(name);
        match extension {
            "seg" => {
                let candidate = candidate(&path, number, disk);
                found.push(candidate.map_err(|error| io_error("opened", &path, error))?);
            }
            "new" => unfinished.push(path),
            _ => {}
        }
    }
    found.sort_by_key(|candidate| candidate.name);
    Ok((found, unfinished))
}

fn candidate(path: &Path, name: u64, disk: &dyn Disk) -> io::Result<Candidate> {
    let file = disk.open(path)?;
    let mut bytes = [0; SEGMENT_HEADER];
    // A header that cannot be read is as a damaged one.
    let read = read_exact_at(&*file, &mut bytes, 0).is_ok_and(|read| read);
    Ok(Candidate {
        path: path.to_owned(),
        name,
        len: file.len()?,
        header: SegmentHeader::decode(&bytes).filter(|_| read),
    })
}

/// Whether this program may go on with the log.
fn check(candidate: &Candidate, signal: Option<Signal>) -> Result<(), StoreError> {
    let Some(header) = &candidate.header else {
        return Ok(());
    };
    let path = candidate.path.clone();
    if header.version > VERSION {
        return Err(StoreError::Newer {
            path,
            found: header.version,
            known: VERSION,
        });
    }
    if header.purpose != Purpose::Log {
        return Err(StoreError::Foreign {
            path,
            found: header.purpose.to_string(),
            expected: Purpose::Log.to_string(),
        });
    }
    if signal.is_some() && header.signal != signal {
        let name = |signal: Option<Signal>| signal.map_or("no known signal", Signal::name);
        return Err(StoreError::Foreign {
            path,
            found: name(header.signal).to_owned(),
            expected: name(signal).to_owned(),
        });
    }
    Ok(())
}

/// The id of most segments; of the newest, if they are even; that of the books, if no header is whole.
fn log_id(candidates: &[Candidate], disk: &dyn Disk) -> Option<LogId> {
    let mut votes: BTreeMap<LogId, (usize, u64)> = BTreeMap::new();
    for candidate in candidates {
        if let Some(header) = &candidate.header {
            let (count, newest) = votes.entry(header.log_id).or_default();
            *count += 1;
            *newest = header.first.seq.max(*newest);
        }
    }
    let most = votes.into_iter().max_by_key(|(_, votes)| *votes);
    most.map(|(log_id, _)| log_id).or_else(|| {
        let mut newest_first = candidates.iter().rev();
        newest_first.find_map(|candidate| id_in_books(candidate, disk))
    })
}

fn id_in_books(candidate: &Candidate, disk: &dyn Disk) -> Option<LogId> {
    let file = disk.open(&candidate.path).ok()?;
    let range = SEGMENT_HEADER as u64..candidate.len;
    let mut walk = Walk::new(&*file, None, range, Unreadable::Skipped);
    while let Ok(Some(step)) = walk.step() {
        let Step::Record { header, .. } = step else {
            continue;
        };
        let books = parsed(&mut walk, &header);
        let log_id = books.and_then(|books| books.log.parse::<LogId>().ok());
        if let Some(log_id) = log_id.filter(|log_id| log_id.tag() == header.tag) {
            return Some(log_id);
        }
    }
    None
}

/// `None` if it is not one of this log's.
fn part(
    candidate: Candidate,
    disk: &dyn Disk,
    log_id: LogId,
    depth: Depth,
    payloads: bool,
) -> Result<Option<Part>, StoreError> {
    if candidate
        .header
        .as_ref()
        .is_some_and(|header| header.log_id != log_id)
    {
        return Ok(None);
    }
    let file = disk
        .open(&candidate.path)
        .map_err(|error| io_error("opened", &candidate.path, error))?;
    let records = match indexed(&candidate, &*file, log_id) {
        Some(records) if depth == Depth::Last => records,
        indexed => scanned(&candidate, &*file, log_id, payloads, indexed.as_ref()),
    };
    // Without its header only its records say that it is ours.
    let ours = candidate.header.is_some() || records.count > 0;
    Ok(ours.then_some(Part {
        path: candidate.path,
        header: candidate.header,
        len: candidate.len,
        records,
    }))
}

/// What the records say, one by one.
fn scanned(
    candidate: &Candidate,
    file: &dyn DiskFile,
    log_id: LogId,
    payloads: bool,
    indexed: Option<&Records>,
) -> Records {
    let scan = |unreadable| {
        Scan {
            file,
            tag: log_id.tag(),
            first: candidate.header.as_ref().map(|header| header.first),
            until: indexed.map_or(candidate.len, |indexed| indexed.readable),
            payloads,
        }
        .run(unreadable)
    };
    let mut records = (1..TRIES)
        .find_map(|_| scan(Unreadable::Fails).ok())
        .or_else(|| scan(Unreadable::Skipped).ok())
        .unwrap_or_default();
    if let Some(indexed) = indexed {
        records.sealed_as(indexed);
    }
    records
}

/// What the index says, if it is good.
fn indexed(candidate: &Candidate, file: &dyn DiskFile, log_id: LogId) -> Option<Records> {
    let (offset, header, index) = index(file, candidate.len, log_id)?;
    let marked = index.marks.first().map(|mark| mark.at);
    let first = match (&candidate.header, marked) {
        (Some(header), _) => header.first,
        (None, Some(marked)) => marked,
        (None, None) => header.at,
    };
    let within = |mark: &Mark| mark.offset < offset && mark.at.seq < header.at.seq;
    let good = first.seq <= header.at.seq && index.marks.iter().all(within);
    good.then(|| Records {
        first,
        end: header.at,
        readable: offset,
        sealed: true,
        count: 1,
        books_at: Some(index.books_at).filter(|at| *at < offset),
        marks: index.marks,
        ..Records::default()
    })
}

fn index(file: &dyn DiskFile, file_len: u64, log_id: LogId) -> Option<(u64, RecordHeader, Index)> {
    let least = (SEGMENT_HEADER + RECORD_HEADER + TRAILER) as u64;
    if file_len < least {
        return None;
    }
    let mut trailer = [0; TRAILER];
    let read = read_exact_at(file, &mut trailer, file_len - TRAILER as u64);
    let len = Index::record_len(&trailer).filter(|_| read.is_ok_and(|read| read))?;
    let offset = file_len.checked_sub(len)?;
    if offset < SEGMENT_HEADER as u64 || len > MAX_INDEX {
        return None;
    }
    let tag = Some(log_id.tag());
    let mut walk = Walk::new(file, tag, offset..file_len, Unreadable::Fails);
    let Ok(Some(Step::Record { header, .. })) = walk.step() else {
        return None;
    };
    if header.kind != Kind::Index || walk.offset() != file_len {
        return None;
    }
    let payload = walk.payload(&header).ok()?.ok()?;
    Some((offset, header, Index::decode(&payload)?))
}

/// The last books of a segment.
fn books(part: &Part, disk: &dyn Disk, log_id: LogId) -> Option<Books> {
    let tag = Some(log_id.tag());
    let file = &*disk.open(&part.path).ok()?;
    if let Some(at) = part.records.books_at {
        let mut walk = Walk::new(file, tag, at..part.len, Unreadable::Skipped);
        if let Ok(Some(Step::Record { header, .. })) = walk.step()
            && let Some(books) = parsed(&mut walk, &header)
        {
            return Some(books);
        }
    }
    let range = SEGMENT_HEADER as u64..part.len;
    let mut walk = Walk::new(file, tag, range, Unreadable::Skipped);
    let mut last = None;
    while let Ok(Some(step)) = walk.step() {
        if let Step::Record { header, .. } = step {
            last = parsed(&mut walk, &header).or(last);
        }
    }
    last
}
