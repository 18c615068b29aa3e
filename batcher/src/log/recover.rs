//! Brings the folder of a log into order, whatever the process or the machine that wrote to it died of.
//!
//! *Invariant:* nothing is changed before all of it was looked at, and nothing but a torn tail, an unfinished segment and an
//! empty file goes away. A step that the disk refuses is left out; the next start takes it again.

use super::disk::{Disk, DiskFile, write_all_at};
use super::format::{LogId, Lost, SKIPPED_SEQS, Totals, Why};
use super::layout::{Layout, Place};
use super::load::{Depth, Loaded, Part, load};
use super::quarantine::Quarantine;
use super::store::{Recovered, StoreError, Unsynced, index_record, io_error};
use penstock_otlp::Signal;
use std::io::IoSlice;
use std::path::Path;
use std::sync::Arc;
use tracing::{info, warn};

#[cfg(test)]
mod tests;

/// Segments that a process may have left unsynced: more than the system would let it.
const UNSYNCED: usize = 64;

/// A log that is in order.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) log_id: LogId,
    pub(crate) layout: Layout,
    pub(crate) recovered: Recovered,
    pub(crate) unsynced: Unsynced,
    /// Numbers were left out before the end.
    pub(crate) skipped: bool,
}

/// Opens the log in a folder.
///
/// # Errors
/// It must not be touched, or cannot be read at all. Nothing was changed.
pub(crate) fn open(dir: &Path, disk: &Arc<dyn Disk>, signal: Signal) -> Result<Opened, StoreError> {
    let mut loaded = load(dir, &**disk, Some(signal), Depth::Last)?;
    let log_id = loaded.log_id.unwrap_or_else(LogId::new);
    tidy(dir, disk, &loaded)?;
    let torn_bytes = loaded.parts.last().map_or(0, Part::torn);
    let mut layout = loaded.layout();
    let mut unsynced = Unsynced::default();
    if let Some(last) = loaded.parts.last() {
        let file = seal(last, &**disk, log_id, &mut layout);
        // All that the process before may have left unsynced.
        for part in loaded.parts.iter().rev().take(UNSYNCED) {
            let file = match &file {
                Some(file) if part.path == last.path => Arc::clone(file),
                _ => disk
                    .open(&part.path)
                    .map_err(|error| io_error("opened", &part.path, error))?,
            };
            let first = part.records.first;
            if let Some(entry) = layout.entries.get_mut(&first.seq) {
                entry.file = Some(Arc::clone(&file));
                unsynced.begun(first, entry.end, file, entry.on_disk);
            }
        }
    }
    let same_boot = |part: &Part| {
        let boot = part.header.as_ref().map(|header| header.boot);
        boot.is_some_and(|boot| boot != 0 && boot == disk.boot()) && !part.records.unreadable
    };
    let skipped = loaded
        .parts
        .last()
        .is_some_and(|last| torn_bytes > 0 || !same_boot(last));
    if skipped {
        layout.end.seq = layout.end.seq.saturating_add(SKIPPED_SEQS);
    }
    let first = layout
        .entries
        .first_key_value()
        .map(|(_, entry)| entry.first);
    let recovered = Recovered {
        log_id: log_id.to_string(),
        books: loaded.books.take(),
        first: first.unwrap_or(layout.end),
        end: layout.end,
        lost: losses(&layout, &loaded),
        torn_bytes,
    };
    Ok(Opened {
        log_id,
        layout,
        recovered,
        unsynced,
        skipped,
    })
}

/// Every known loss between the first block and the end.
pub(crate) fn losses(layout: &Layout, loaded: &Loaded) -> Vec<Lost> {
    let Some((_, first)) = layout.entries.first_key_value() else {
        return Vec::new();
    };
    let mut lost = Vec::new();
    let mut at: Totals = first.first;
    loop {
        match layout.place(at) {
            Place::End => break,
            Place::Gap(gap) => {
                at = gap.end;
                lost.push(gap);
            }
            Place::In(span) => {
                let mut parts = loaded.parts.iter();
                let part = parts.find(|part| part.records.first.seq == span.segment);
                let known = part.map_or(&[][..], |part| &part.records.lost);
                let here =
                    |lost: &&Lost| *lost.seqs.start() >= at.seq && *lost.seqs.end() < span.end.seq;
                lost.extend(known.iter().filter(here).cloned());
                at = span.end;
            }
        }
    }
    lost.retain(|lost| lost.why != Why::Skipped);
    lost
}

/// Clears away what is no part of the log.
fn tidy(dir: &Path, disk: &Arc<dyn Disk>, loaded: &Loaded) -> Result<(), StoreError> {
    let quarantine = Quarantine::new(dir, Arc::clone(disk));
    for path in &loaded.unfinished {
        info!(segment = %path.display(), "unfinished log segment removed");
        if let Err(error) = disk.remove_file(path) {
            warn!(segment = %path.display(), error = %error, "unfinished log segment stays");
        }
    }
    for path in &loaded.foreign {
        // Else its name would be in the way of a segment to come.
        let to = quarantine
            .take(path)
            .map_err(|error| io_error("moved to quarantine", path, error))?;
        warn!(
            segment = %path.display(),
            quarantine = %to.display(),
            "segment is no part of this log, moved to quarantine"
        );
    }
    for part in &loaded.parts {
        if !part.records.bad.is_empty()
            && let Ok(file) = disk.open(&part.path)
        {
            for range in &part.records.bad {
                quarantine.keep(&part.path, &*file, range.clone());
            }
        }
    }
    Ok(())
}

/// Cuts the torn tail off the last segment and gives it an index, so that it is not read through once more.
fn seal(
    last: &Part,
    disk: &dyn Disk,
    log_id: LogId,
    layout: &mut Layout,
) -> Option<Arc<dyn DiskFile>> {
    let records = &last.records;
    if records.sealed || records.unreadable {
        return None;
    }
    let entry = layout.entries.get_mut(&records.first.seq)?;
    let sealed = disk.open_to_write(&last.path).and_then(|file| {
        if last.torn() > 0 {
            file.truncate(records.readable)?;
        }
        entry.on_disk = records.readable;
        // An empty one is replaced.
        if records.end.seq > records.first.seq {
            let index = index_record(entry, log_id);
            write_all_at(&*file, &mut [IoSlice::new(&index)], records.readable).inspect_err(
                |_| {
                    let _cut = file.truncate(records.readable).is_ok();
                },
            )?;
            entry.on_disk += index.len() as u64;
        }
        Ok(file)
    });
    match sealed {
        Ok(file) => Some(file),
        Err(error) => {
            warn!(
                segment = %last.path.display(),
                error = %error,
                "log segment not sealed, so the next start reads all of it again"
            );
            None
        }
    }
}
