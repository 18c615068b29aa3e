//! The file: open, append, sync, rotate, repair.
//!
//! *Invariant:* `length` bytes of the current file are whole, synced records; while `dirty`, more may follow, and
//! nothing is written before that is cut off.
//!
//! Blocks: call it where that is allowed.

use crate::backups::{Backups, is_older};
use crate::tail::{self, Contents};
use jiff::Timestamp;
use penstock_settings::File as Settings;
use std::collections::VecDeque;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use tokio::sync::oneshot;
use tracing::{info, warn};

/// One record on its way to the disk.
#[derive(Debug)]
pub(crate) struct Write {
    /// As it goes into the file, with newline or length.
    pub(crate) record: Vec<u8>,
    /// Told once the record is synced, or why it is not.
    pub(crate) done: oneshot::Sender<Result<(), String>>,
}

/// Why the file cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}", path.display())]
pub struct OpenError {
    path: PathBuf,
    what: String,
}

/// The file of an exporter.
#[derive(Debug)]
pub(crate) struct Sink {
    settings: Settings,
    backups: Backups,
    /// `None` between the end of one file and the first record of the next.
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    file: File,
    length: u64,
    dirty: bool,
    born: Timestamp,
}

impl Sink {
    pub(crate) fn open(settings: Settings) -> Result<Self, OpenError> {
        let error = |what: String| OpenError {
            path: settings.path.clone(),
            what,
        };
        let localtime = settings
            .rotation
            .as_ref()
            .is_some_and(|rotation| rotation.localtime);
        let backups = Backups::of(&settings.path, localtime)
            .ok_or_else(|| error("`path` is not the name of a file".to_owned()))?;
        if !backups.folder().is_dir() {
            return Err(error(
                "the folder does not exist: create it, or mount a volume".to_owned(),
            ));
        }
        let path = settings.path.clone();
        let mut sink = Self {
            settings,
            backups,
            current: None,
        };
        sink.start().map_err(|what| OpenError {
            path,
            what: what.to_string(),
        })?;
        Ok(sink)
    }

    /// Opens what is there, unless this run is to begin with an empty file.
    fn start(&mut self) -> io::Result<()> {
        let keeps = self.settings.append || self.settings.rotation.is_some();
        if self.current()?.length > 0 && !keeps {
            self.retire()?;
            self.current()?;
        }
        Ok(())
    }

    /// The current file, opened if need be.
    fn current(&mut self) -> io::Result<&mut Current> {
        let current = match self.current.take() {
            Some(current) => current,
            None => self.open_current()?,
        };
        Ok(self.current.insert(current))
    }

    fn open_current(&self) -> io::Result<Current> {
        let zstd = self.settings.zstd;
        if let Some(current) = Current::open(&self.settings.path, zstd)? {
            return Ok(current);
        }
        warn!(path = %self.settings.path.display(), "file holds something else, set aside");
        self.set_aside()?;
        Current::open(&self.settings.path, zstd)?
            .ok_or_else(|| io::Error::other("another process writes something else to it"))
    }

    /// Gives the file at `path` a backup's name.
    fn set_aside(&self) -> io::Result<()> {
        let backup = self.backups.free_name(Timestamp::now())?;
        std::fs::rename(&self.settings.path, &backup)?;
        sync_folder(self.backups.folder())?;
        info!(backup = %backup.display(), "file set aside");
        Ok(())
    }

    /// Ends the current file and forgets backups that the settings do not want to keep.
    fn retire(&mut self) -> io::Result<()> {
        self.set_aside()?;
        self.current = None;
        if let Some(rotation) = &self.settings.rotation {
            let now = Timestamp::now();
            if let Err(error) = self
                .backups
                .prune(rotation.max_backups, rotation.max_days, now)
            {
                warn!(error = %error, "old backups not removed");
            }
        }
        Ok(())
    }

    /// Writes all records, syncs them and tells each writer. A record whose writer is gone is left out.
    pub(crate) fn commit(&mut self, writes: Vec<Write>) {
        let mut writes: VecDeque<Write> = writes
            .into_iter()
            .filter(|write| !write.done.is_closed())
            .collect();
        while !writes.is_empty() {
            let (run, outcome) = match self.next_file(&writes[0].record) {
                Ok(current) => {
                    let length = current.length;
                    let run = self.take_fitting(length, &mut writes);
                    let outcome = self.append(&run);
                    (run, outcome)
                }
                Err(error) => (std::mem::take(&mut writes).into(), Err(error)),
            };
            let outcome =
                outcome.map_err(|error| format!("{}: {error}", self.settings.path.display()));
            for write in run {
                // The writer may have gone away meanwhile: its batch comes again.
                drop(write.done.send(outcome.clone()));
            }
        }
    }

    /// The file that takes `record`, repaired; rotates if need be.
    fn next_file(&mut self, record: &[u8]) -> io::Result<&mut Current> {
        let rotation = self.settings.rotation.clone();
        let current = self.current()?;
        current.repair()?;
        let is_over = rotation.is_some_and(|rotation| {
            let full = current.length + record.len() as u64 > rotation.max_bytes;
            current.length > 0
                && (full || is_older(current.born, rotation.max_days, Timestamp::now()))
        });
        if is_over {
            self.retire()?;
        }
        self.current()
    }

    /// The records that go into a file of `length` bytes: always the first, however large.
    fn take_fitting(&self, length: u64, writes: &mut VecDeque<Write>) -> Vec<Write> {
        let most = self
            .settings
            .rotation
            .as_ref()
            .map_or(u64::MAX, |rotation| rotation.max_bytes);
        let (mut run, mut length) = (Vec::new(), length);
        while let Some(write) = writes.pop_front() {
            length += write.record.len() as u64;
            if length > most && !run.is_empty() {
                writes.push_front(write);
                break;
            }
            run.push(write);
        }
        run
    }

    fn append(&mut self, run: &[Write]) -> io::Result<()> {
        let current = self.current()?;
        current.dirty = true;
        for write in run {
            current.file.write_all(&write.record)?;
        }
        current.file.sync_data()?;
        current.length += run
            .iter()
            .map(|write| write.record.len() as u64)
            .sum::<u64>();
        current.dirty = false;
        if current.is_removed()? {
            self.current = None;
            return Err(io::Error::other("the file was removed while in use"));
        }
        Ok(())
    }
}

impl Current {
    /// Opens or creates the file and cuts off a torn record; `None` when it holds something else.
    fn open(path: &Path, zstd: bool) -> io::Result<Option<Self>> {
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("not a regular file"));
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::other("another process writes to it"));
            }
            Err(TryLockError::Error(error)) => {
                warn!(error = %error, "file cannot be locked, two exporters on it would go unnoticed");
            }
        }
        if let Some(folder) = path.parent() {
            sync_folder(folder)?;
        }
        let Contents::Records(length) = tail::contents(&file, metadata.len(), zstd)? else {
            return Ok(None);
        };
        let torn_bytes = metadata.len() - length;
        let born = metadata.created().or_else(|_| metadata.modified())?;
        let born = Timestamp::try_from(born).map_err(io::Error::other)?;
        let mut current = Self {
            file,
            length,
            dirty: torn_bytes > 0,
            born,
        };
        if torn_bytes > 0 {
            warn!(
                torn_bytes,
                "torn record cut off, its batch was never answered with yes"
            );
            current.repair()?;
        }
        Ok(Some(current))
    }

    /// Whether nobody can read it any more, as it has lost its name.
    fn is_removed(&self) -> io::Result<bool> {
        Ok(self.file.metadata()?.nlink() == 0)
    }

    /// Cuts off what a failed write has left.
    fn repair(&mut self) -> io::Result<()> {
        // Never longer: somebody else may have truncated the file.
        if self.dirty && self.file.metadata()?.len() > self.length {
            self.file.set_len(self.length)?;
            self.file.sync_data()?;
        }
        self.dirty = false;
        Ok(())
    }
}

/// Makes a new or renamed file survive a power loss.
fn sync_folder(folder: &Path) -> io::Result<()> {
    let folder = if folder == Path::new("") {
        Path::new(".")
    } else {
        folder
    };
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests;
