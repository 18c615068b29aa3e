//! What is in a log's folder, told to people. Changes nothing, and takes no lock: of a log in use it tells the state of a moment.

use super::books::CursorBook;
use super::disk::Files;
use super::format::{Lost, Totals, Why};
use super::load::{Depth, Loaded, Part, load};
use super::recover::losses;
use super::store::StoreError;
use penstock_otlp::Signal;
use serde::Serialize;
use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

#[cfg(test)]
mod tests;

/// Folders below one another that are searched for logs.
const MAX_DEPTH: usize = 8;

/// A log cannot be looked at.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct VerifyError(#[from] StoreError);

/// A log.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Its folder.
    pub path: PathBuf,
    /// 32 hex digits; none when nothing in the folder says.
    pub log_id: Option<String>,
    /// `traces`, `metrics`, `logs`.
    pub signal: Option<&'static str>,
    /// Number of the next block.
    pub next_seq: u64,
    /// Items accepted since the log exists.
    pub accepted: u64,
    /// In order.
    pub segments: Vec<Segment>,
    /// As the newest books have them; none when no books can be read.
    pub cursors: Option<Vec<CursorReport>>,
    /// Blocks that should be there and are not. `inspect` finds whole missing segments only, and what the last one lacks.
    pub lost: Vec<Loss>,
    /// Bytes after the last record: an append that was under way. The next start cuts them off.
    pub torn_bytes: u64,
    /// Files that are no part of this log. The next start moves them to quarantine.
    pub foreign: Vec<PathBuf>,
    /// Segments that were being begun. The next start removes them.
    pub unfinished: Vec<PathBuf>,
    /// Files in quarantine.
    pub quarantined: usize,
}

/// One segment of a log.
#[derive(Clone, Debug, Serialize)]
pub struct Segment {
    /// Its name in the folder.
    pub file: String,
    /// Format version; none when its header is damaged.
    pub version: Option<u16>,
    /// Nanoseconds since 1970.
    pub created_ns: Option<u64>,
    /// Number of its first block.
    pub first: u64,
    /// Number after its last block.
    pub end: u64,
    /// Items of its blocks, with those that are damaged.
    pub items: u64,
    /// Payload bytes of the same.
    pub payload_bytes: u64,
    /// Its size.
    pub bytes: u64,
    /// It ends with an index.
    pub sealed: bool,
    /// Bytes that are not what was written.
    pub damage: Vec<Damage>,
    /// The disk does not give all of it.
    pub unreadable: bool,
}

/// Bytes that are not what was written.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Damage {
    /// Where in the file.
    pub offset: u64,
    /// How many.
    pub bytes: u64,
}

/// One cursor.
#[derive(Clone, Debug, Serialize)]
pub struct CursorReport {
    /// Pipeline id.
    pub pipeline: String,
    /// Exporter id.
    pub exporter: String,
    /// Its exporter is gone from the configuration.
    pub retired: bool,
    /// First block that is not read.
    pub next: u64,
    /// Items accepted since the cursor exists.
    pub accepted: u64,
    /// The backend said yes.
    pub delivered: u64,
    /// The backend will never take them.
    pub rejected: u64,
    /// Lost on purpose or by damage.
    pub dropped: u64,
    /// Read and not at their end: sent again with the next start.
    pub in_flight: u64,
    /// Not read.
    pub unread: u64,
    /// Its counts agree with each other.
    pub balances: bool,
}

/// Blocks that are not there.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Loss {
    /// Number of the first.
    pub first: u64,
    /// Number of the last.
    pub last: u64,
    /// Their items.
    pub items: u64,
    /// Their payload bytes.
    pub bytes: u64,
    /// `damaged`, `unreadable`, `missing`.
    pub why: &'static str,
}

/// Looks at headers and books.
///
/// # Errors
/// The folder cannot be read, or holds what this version does not know.
pub fn inspect(dir: &Path) -> Result<Report, VerifyError> {
    report(dir, Depth::Last)
}

/// Reads and checks every byte.
///
/// # Errors
/// The folder cannot be read, or holds what this version does not know.
pub fn verify(dir: &Path) -> Result<Report, VerifyError> {
    report(dir, Depth::All)
}

/// Every folder with segments at or below `root`, in order.
///
/// # Errors
/// What the system says.
pub fn folders(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = BTreeSet::new();
    let mut open = vec![(root.to_owned(), 0)];
    while let Some((dir, depth)) = open.pop() {
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            let name = entry.file_name();
            let is_dir = entry.file_type()?.is_dir();
            if is_dir && depth < MAX_DEPTH && name != "quarantine" && name != "dead-letter" {
                open.push((entry.path(), depth + 1));
            } else if Path::new(&name)
                .extension()
                .is_some_and(|found| found == "seg")
            {
                found.insert(dir.clone());
            }
        }
    }
    Ok(found.into_iter().collect())
}

impl Report {
    /// Whether all that was accepted is there or at its end, and the books agree.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        let whole = |segment: &Segment| {
            segment.version.is_some() && segment.damage.is_empty() && !segment.unreadable
        };
        self.lost.is_empty()
            && self.foreign.is_empty()
            && self.segments.iter().all(whole)
            && (self.segments.is_empty() || self.cursors.is_some())
            && self.cursors.iter().flatten().all(|cursor| cursor.balances)
    }
}

fn report(dir: &Path, depth: Depth) -> Result<Report, VerifyError> {
    let loaded = load(dir, &Files, None, depth)?;
    let signals = loaded.parts.iter().filter_map(|part| part.header?.signal);
    let signal = signals.map(Signal::name).next();
    let cursors = loaded.books.as_ref().map(|books| {
        let cursors = books.cursors.iter();
        cursors.map(|cursor| of_cursor(cursor, &loaded)).collect()
    });
    let layout = loaded.layout();
    let mut lost = losses(&layout, &loaded);
    let oldest = layout.entries.first_key_value();
    lost.extend(oldest.and_then(|(_, oldest)| unread(&loaded, oldest.first)));
    Ok(Report {
        path: dir.to_owned(),
        log_id: loaded.log_id.map(|log_id| log_id.to_string()),
        signal,
        next_seq: loaded.end.seq,
        accepted: loaded.end.items,
        segments: loaded.parts.iter().map(of_segment).collect(),
        cursors,
        lost: lost.iter().map(of_loss).collect(),
        torn_bytes: loaded.parts.last().map_or(0, Part::torn),
        quarantined: fs::read_dir(dir.join("quarantine")).map_or(0, Iterator::count),
        foreign: loaded.foreign,
        unfinished: loaded.unfinished,
    })
}

/// What is gone that some cursor has not read.
fn unread(loaded: &Loaded, oldest: Totals) -> Option<Lost> {
    let cursors = loaded.books.iter().flat_map(|books| &books.cursors);
    let behind = cursors.filter(|cursor| !cursor.retired && cursor.next < oldest.seq);
    let cursor = behind.min_by_key(|cursor| cursor.next)?;
    let from = Totals {
        seq: cursor.next,
        items: cursor.read_items,
        bytes: cursor.read_bytes,
    };
    Some(from.lost_to(oldest, Why::Missing)).filter(|lost| lost.why != Why::Skipped)
}

fn of_segment(part: &Part) -> Segment {
    let records = &part.records;
    let name = part.path.file_name().unwrap_or_default();
    let damage = records.bad.iter().map(|bad| Damage {
        offset: bad.start,
        bytes: bad.end - bad.start,
    });
    Segment {
        file: name.to_string_lossy().into_owned(),
        version: part.header.map(|header| header.version),
        created_ns: part.header.map(|header| header.created_ns),
        first: records.first.seq,
        end: records.end.seq,
        items: records.end.items.saturating_sub(records.first.items),
        payload_bytes: records.end.bytes.saturating_sub(records.first.bytes),
        bytes: part.len,
        sealed: records.sealed,
        damage: damage.collect(),
        unreadable: records.unreadable,
    }
}

fn of_cursor(cursor: &CursorBook, loaded: &Loaded) -> CursorReport {
    let since = |items: u64| items.saturating_sub(cursor.since_items);
    CursorReport {
        pipeline: cursor.pipeline.clone(),
        exporter: cursor.exporter.clone(),
        retired: cursor.retired,
        next: cursor.next,
        accepted: since(loaded.end.items).saturating_add(cursor.carried_accepted),
        delivered: cursor.delivered,
        rejected: cursor.rejected,
        dropped: cursor.dropped,
        in_flight: cursor
            .in_flight
            .iter()
            .fold(0, |sum, batch| batch.items.saturating_add(sum)),
        unread: loaded.end.items.saturating_sub(cursor.read_items),
        balances: cursor.balances(),
    }
}

fn of_loss(lost: &Lost) -> Loss {
    Loss {
        first: *lost.seqs.start(),
        last: *lost.seqs.end(),
        items: lost.items,
        bytes: lost.bytes,
        why: match lost.why {
            Why::Damaged => "damaged",
            Why::Unreadable => "unreadable",
            Why::Missing => "missing",
            Why::Skipped => "left out",
        },
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.log_id.as_deref().unwrap_or("of no known id");
        let signal = self.signal.unwrap_or("no known signal");
        writeln!(f, "{}: log {id}, {signal}", self.path.display())?;
        writeln!(
            f,
            "  {} items accepted, next block {}",
            self.accepted, self.next_seq
        )?;
        for segment in &self.segments {
            writeln!(f, "  {segment}")?;
        }
        match &self.cursors {
            None => writeln!(f, "  no books can be read")?,
            Some(cursors) => {
                for cursor in cursors {
                    writeln!(f, "  {cursor}")?;
                }
            }
        }
        for lost in &self.lost {
            writeln!(
                f,
                "  LOST blocks {} to {}: {} items, {} bytes, {}",
                lost.first, lost.last, lost.items, lost.bytes, lost.why
            )?;
        }
        for path in &self.foreign {
            writeln!(f, "  {} is no part of this log", path.display())?;
        }
        for path in &self.unfinished {
            writeln!(f, "  {} was being begun", path.display())?;
        }
        if self.torn_bytes > 0 {
            writeln!(f, "  {} bytes of an append under way", self.torn_bytes)?;
        }
        if self.quarantined > 0 {
            writeln!(f, "  {} files in quarantine", self.quarantined)?;
        }
        let verdict = if self.is_sound() {
            "sound"
        } else {
            "NOT SOUND"
        };
        write!(f, "  {verdict}")
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: blocks {} to before {}, {} items, {} bytes{}",
            self.file,
            self.first,
            self.end,
            self.items,
            self.bytes,
            if self.sealed { "" } else { ", not sealed" }
        )?;
        if self.version.is_none() {
            write!(f, ", header DAMAGED")?;
        }
        for damage in &self.damage {
            write!(f, ", DAMAGED {} bytes at {}", damage.bytes, damage.offset)?;
        }
        if self.unreadable {
            write!(f, ", UNREADABLE in parts")?;
        }
        Ok(())
    }
}

impl fmt::Display for CursorReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} -> {}{}: next block {}, accepted {} = delivered {} + rejected {} + dropped {} + in flight {} + unread {}{}",
            self.pipeline,
            self.exporter,
            if self.retired { " (retired)" } else { "" },
            self.next,
            self.accepted,
            self.delivered,
            self.rejected,
            self.dropped,
            self.in_flight,
            self.unread,
            if self.balances {
                ""
            } else {
                ", DOES NOT BALANCE"
            }
        )
    }
}
