//! Copies of bad bytes, for somebody to look at.
//!
//! *Invariant:* bounded in number and bytes, and never in the way: what cannot be kept is only told.

use super::disk::{Disk, DiskFile, write_all_at};
use std::io::{self, IoSlice};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tracing::warn;

/// Copies in a folder.
const MAX_FILES: usize = 32;
/// Their bytes.
const MAX_BYTES: u64 = 16 << 20;
/// Bytes copied at once.
const CHUNK: usize = 64 << 10;

/// A log's quarantine; its folder is made at first need.
#[derive(Clone, Debug)]
pub(crate) struct Quarantine {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
}

impl Quarantine {
    pub(crate) fn new(log: &Path, disk: Arc<dyn Disk>) -> Self {
        Self {
            dir: log.join("quarantine"),
            disk,
        }
    }

    /// Copies a bad range of a segment. What was copied before is not copied again.
    pub(crate) fn keep(&self, segment: &Path, file: &dyn DiskFile, range: Range<u64>) {
        let bytes = range.end - range.start;
        let name = format!("{}-{:08x}.bad", stem(segment), range.start);
        match self.copy(&name, file, range.clone()) {
            Ok(true) => warn!(
                segment = %segment.display(),
                offset = range.start,
                bytes,
                copy = %self.dir.join(name).display(),
                "log has bad bytes"
            ),
            Ok(false) => {}
            Err(error) => warn!(
                segment = %segment.display(),
                offset = range.start,
                bytes,
                error = %error,
                "log has bad bytes, of which no copy is kept"
            ),
        }
    }

    /// Moves a whole segment here.
    pub(crate) fn take(&self, segment: &Path) -> io::Result<PathBuf> {
        self.disk.create_dir_all(&self.dir)?;
        let taken = self.disk.list(&self.dir)?;
        let stem = stem(segment);
        let free = (0_u32..)
            .map(|number| format!("{stem}.{number}.foreign"))
            .find(|name| !taken.contains(name))
            .unwrap_or_default();
        let to = self.dir.join(free);
        self.disk.rename(segment, &to)?;
        Ok(to)
    }

    /// `false` if it is there.
    fn copy(&self, name: &str, from: &dyn DiskFile, range: Range<u64>) -> io::Result<bool> {
        self.disk.create_dir_all(&self.dir)?;
        let there = self.disk.list(&self.dir)?;
        if there.iter().any(|found| found == name) {
            return Ok(false);
        }
        let copies = there.iter().filter(|name| name.ends_with(".bad"));
        let mut used = 0;
        let mut count = 0;
        for copy in copies {
            count += 1;
            used += self.disk.open(&self.dir.join(copy))?.len()?;
        }
        if count >= MAX_FILES || used + (range.end - range.start) > MAX_BYTES {
            return Err(io::Error::other("the quarantine is full"));
        }
        let path = self.dir.join(name);
        let to = self.disk.create(&path)?;
        let copied = copy(from, &*to, range);
        if copied.is_err() {
            // A part would pass for the whole.
            let _gone = self.disk.remove_file(&path).is_ok();
        }
        copied.map(|()| true)
    }
}

fn copy(from: &dyn DiskFile, to: &dyn DiskFile, range: Range<u64>) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    let mut at = range.start;
    while at < range.end {
        let len = (range.end - at).min(CHUNK as u64) as usize;
        let read = from.read_at(&mut chunk[..len], at)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut bytes = [IoSlice::new(&chunk[..read])];
        write_all_at(to, &mut bytes, at - range.start)?;
        at += read as u64;
    }
    Ok(())
}

fn stem(segment: &Path) -> String {
    segment.file_stem().map_or_else(
        || "segment".to_owned(),
        |stem| stem.to_string_lossy().into_owned(),
    )
}
