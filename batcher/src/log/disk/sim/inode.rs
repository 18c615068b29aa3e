//! What the simulated disk has of a file or a folder: what is seen, what is durable, and what lies between.

use super::Leaves;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, Default)]
pub(super) struct Inode {
    pub(super) cache: Vec<u8>,
    pub(super) durable: Vec<u8>,
    pub(super) unsynced: Vec<Change>,
    /// Something was given up by a sync that failed.
    pub(super) forgotten: bool,
    /// So many syncs failed. Whoever has it open is told of each once.
    pub(super) failures: u64,
}

#[derive(Clone, Debug)]
pub(super) enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

#[derive(Clone, Debug)]
pub(super) enum NameChange {
    Set(PathBuf, u64),
    Unset(PathBuf),
    /// From, to: one change for the journal.
    Move(PathBuf, PathBuf, u64),
}

impl NameChange {
    /// The folder that it is in.
    pub(super) fn dir(&self) -> PathBuf {
        let (Self::Set(path, _) | Self::Unset(path) | Self::Move(path, ..)) = self;
        path.parent().map(Path::to_owned).unwrap_or_default()
    }

    /// The same with other paths.
    pub(super) fn map(self, with: impl Fn(PathBuf) -> PathBuf) -> Self {
        match self {
            Self::Set(path, inode) => Self::Set(with(path), inode),
            Self::Unset(path) => Self::Unset(with(path)),
            Self::Move(from, to, inode) => Self::Move(with(from), with(to), inode),
        }
    }

    pub(super) fn apply(&self, names: &mut BTreeMap<PathBuf, u64>) {
        match self {
            Self::Set(path, inode) => {
                names.insert(path.clone(), *inode);
            }
            Self::Unset(path) => {
                names.remove(path);
            }
            Self::Move(from, to, inode) => {
                names.remove(from);
                names.insert(to.clone(), *inode);
            }
        }
    }
}

impl Change {
    pub(super) fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Write(at, bytes) => {
                if to.len() < at + bytes.len() {
                    to.resize(at + bytes.len(), 0);
                }
                to[*at..at + bytes.len()].copy_from_slice(bytes);
            }
            Self::Truncate(len) => to.resize(*len, 0),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Write(_, bytes) => bytes.len(),
            Self::Truncate(_) => 1,
        }
    }

    /// The first `len` bytes of it.
    fn first(&self, len: usize) -> Self {
        match self {
            Self::Write(at, bytes) => Self::Write(*at, bytes[..len.min(bytes.len())].to_vec()),
            Self::Truncate(to) => Self::Truncate(*to),
        }
    }
}

impl Inode {
    pub(super) fn change(&mut self, change: Change) {
        change.apply(&mut self.cache);
        self.unsynced.push(change);
    }

    pub(super) fn sync(&mut self) {
        self.durable.clone_from(&self.cache);
        self.unsynced.clear();
        self.forgotten = false;
    }

    /// Nobody knows any more what was given up, so a sync covers all of it again.
    pub(super) fn remember(&mut self) {
        if std::mem::take(&mut self.forgotten) {
            self.unsynced = vec![
                Change::Write(0, self.cache.clone()),
                Change::Truncate(self.cache.len()),
            ];
        }
    }

    pub(super) fn stop(&mut self, leaves: Leaves, random: &mut dyn FnMut(usize) -> usize) {
        let unsynced = std::mem::take(&mut self.unsynced);
        self.forgotten = false;
        match leaves {
            Leaves::First => {
                let total: usize = unsynced.iter().map(Change::len).sum();
                let mut left = random(total + 1);
                for change in &unsynced {
                    if left == 0 {
                        break;
                    }
                    change.first(left).apply(&mut self.durable);
                    left -= left.min(change.len());
                }
            }
            Leaves::Any => {
                for change in &unsynced {
                    if random(2) == 0 {
                        change.apply(&mut self.durable);
                    }
                }
            }
        }
        self.cache.clone_from(&self.durable);
    }
}
