//! The folders of one feed's logs: numbered slots, each locked by the one process that has it.
//!
//! *Invariant:* a folder is read as a log or written to only while its lock is held, and the lock goes with the process.

use super::disk::{Disk, Lock};
use std::any::Any;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tracing::warn;

#[cfg(test)]
mod tests;

/// The name of a folder's lock.
const LOCK: &str = "lock";

/// All slots of one feed.
#[derive(Clone, Debug)]
pub(crate) struct Folders {
    root: PathBuf,
    disk: Arc<dyn Disk>,
}

/// One log's folder; ours until dropped.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    disk: Arc<dyn Disk>,
    _lock: Box<dyn Any + Send + Sync>,
}

/// Why a folder could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FolderError {
    /// Another process has it.
    #[error(
        "log {} is in use by process {by}; stop that process, or give one of the two another directory",
        path.display()
    )]
    Held {
        /// The folder.
        path: PathBuf,
        /// The process, as it says itself.
        by: String,
    },
    /// The disk does not let us.
    #[error("log {} cannot be opened: {source}", path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// The name that an id has in a path.
pub(crate) fn escaped(id: &str) -> String {
    let mut name = String::with_capacity(id.len());
    for (at, byte) in id.bytes().enumerate() {
        let plain = byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if plain || byte == b'.' && at > 0 {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("%{byte:02X}"));
        }
    }
    name
}

/// The id that has this name in a path.
pub(crate) fn unescaped(name: &str) -> String {
    let mut id = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        let escape = (*byte == b'%').then(|| after.split_at_checked(2)).flatten();
        let coded = escape.and_then(|(digits, after)| {
            let code = u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
            Some((code, after))
        });
        match coded {
            Some((code, after)) => {
                id.push(code);
                rest = after;
            }
            None => id.push(*byte),
        }
    }
    String::from_utf8_lossy(&id).into_owned()
}

impl Folders {
    /// The slots below `root`, which need not be there.
    pub(crate) fn new(root: PathBuf, disk: Arc<dyn Disk>) -> Self {
        Self { root, disk }
    }

    /// A slot of our own: the lowest that is there and nobody has, else the lowest that is not there.
    ///
    /// # Errors
    /// The disk does not let us.
    pub(crate) fn claim(&self) -> Result<Folder, FolderError> {
        let slots = self.slots()?;
        for slot in &slots {
            match self.lock(*slot) {
                Ok(folder) => return Ok(folder),
                Err(error) if error.is_passing() => {}
                Err(error) => return Err(error),
            }
        }
        let mut free = (0..).filter(|slot| slots.binary_search(slot).is_err());
        loop {
            let slot = free.next().unwrap_or_default();
            let path = self.path(slot);
            let made = self.disk.create_dir_all(&path);
            made.map_err(|source| FolderError::Io { path, source })?;
            match self.lock(slot) {
                Ok(folder) => return Ok(folder),
                // Another process was faster.
                Err(error) if error.is_passing() => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The slots that hold a log, nobody has and `of` agrees to: to adopt. Faults of single slots are logged.
    pub(crate) fn unlocked(&self, of: impl Fn(u64) -> bool) -> Vec<Folder> {
        let slots = self.slots().unwrap_or_else(|error| {
            warn!(error = %error, "logs not looked for");
            Vec::new()
        });
        let mut unlocked = Vec::new();
        for slot in slots.into_iter().filter(|slot| of(*slot)) {
            match self.holds_log(slot).and_then(|holds| {
                if holds {
                    self.lock(slot).map(Some)
                } else {
                    Ok(None)
                }
            }) {
                Ok(folder) => unlocked.extend(folder),
                Err(error) if error.is_passing() => {}
                Err(error) => warn!(error = %error, "log not adopted"),
            }
        }
        unlocked
    }

    /// Makes a slot of a folder that lies elsewhere, for whoever adopts it.
    ///
    /// # Errors
    /// The disk does not let us; the folder stays where it was.
    pub(crate) fn put(&self, folder: Folder) -> Result<(), FolderError> {
        let slots = self.slots()?;
        let free = (0..).find(|slot| slots.binary_search(slot).is_err());
        let moved = folder.move_to(&self.path(free.unwrap_or_default()));
        moved.map_err(|source| FolderError::Io {
            path: folder.path.clone(),
            source,
        })
    }

    fn slots(&self) -> Result<Vec<u64>, FolderError> {
        let names = match self.disk.list(&self.root) {
            Ok(names) => names,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(source) => {
                let path = self.root.clone();
                return Err(FolderError::Io { path, source });
            }
        };
        let number = |name: &String| {
            let slot: u64 = name.parse().ok()?;
            (slot.to_string() == *name).then_some(slot)
        };
        let mut slots: Vec<_> = names.iter().filter_map(number).collect();
        slots.sort_unstable();
        Ok(slots)
    }

    /// Whether there is more than a lock and a quarantine.
    fn holds_log(&self, slot: u64) -> Result<bool, FolderError> {
        let path = self.path(slot);
        let names = self.disk.list(&path);
        let names = names.map_err(|source| FolderError::Io { path, source })?;
        Ok(names.iter().any(|name| is_segment(name)))
    }

    fn path(&self, slot: u64) -> PathBuf {
        self.root.join(slot.to_string())
    }

    fn lock(&self, slot: u64) -> Result<Folder, FolderError> {
        Folder::lock(self.path(slot), Arc::clone(&self.disk))
    }
}

impl Folder {
    /// Takes the lock of a folder that is there.
    ///
    /// # Errors
    /// Another process has it, or the disk does not let us.
    pub(crate) fn lock(path: PathBuf, disk: Arc<dyn Disk>) -> Result<Self, FolderError> {
        let who = std::process::id().to_string();
        match disk.try_lock(&path.join(LOCK), &who) {
            Ok(Lock::Ours(lock)) => Ok(Self {
                path,
                disk,
                _lock: lock,
            }),
            Ok(Lock::Held(by)) => Err(FolderError::Held { path, by }),
            Err(source) => Err(FolderError::Io { path, source }),
        }
    }

    /// Moves it, durably. The caller has to change `path`.
    ///
    /// # Errors
    /// It was not moved, or that may not be durable.
    pub(crate) fn move_to(&self, to: &Path) -> io::Result<()> {
        self.disk.rename(&self.path, to)?;
        let parents = [to.parent(), self.path.parent()];
        let mut parents = parents.into_iter().flatten();
        parents.try_for_each(|parent| self.disk.sync_dir(parent))
    }

    /// Removes the log, whose data is at its end. What is in quarantine stays.
    ///
    /// # Errors
    /// Something could not be removed; what is left is a log that may be opened.
    pub(crate) fn remove(self) -> io::Result<()> {
        let mut segments = self.disk.list(&self.path)?;
        segments.retain(|name| is_segment(name));
        // The newest has the books, so it goes last.
        segments.sort_unstable();
        for name in segments {
            self.disk.remove_file(&self.path.join(name))?;
        }
        let quarantine = self.path.join("quarantine");
        if matches!(self.disk.list(&quarantine), Ok(names) if names.is_empty()) {
            self.disk.remove_dir(&quarantine)?;
        }
        self.disk.remove_file(&self.path.join(LOCK))?;
        // It must not come back when the machine stops: its counts are elsewhere by now.
        self.disk.sync_dir(&self.path)?;
        match self.disk.remove_dir(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::DirectoryNotEmpty => return Err(error),
            Ok(()) | Err(_) => {}
        }
        self.path
            .parent()
            .map_or(Ok(()), |dir| self.disk.sync_dir(dir))
    }
}

impl FolderError {
    /// Whether the folder is another's, or has just gone.
    fn is_passing(&self) -> bool {
        match self {
            Self::Held { .. } => true,
            Self::Io { source, .. } => source.kind() == io::ErrorKind::NotFound,
        }
    }
}

fn is_segment(name: &str) -> bool {
    name.ends_with(".seg") || name.ends_with(".new")
}
