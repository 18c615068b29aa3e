//! A disk in memory that keeps apart what is in the system's cache and what is durable, and fails as it is told.
//!
//! A stop of the process keeps the cache. A stop of the machine keeps what was synced, and of each file and folder some of what
//! was done to it since: the first part, cut at any byte, or any of the parts. A sync that fails forgets what it could not
//! write and tells it once to each that has the file open, as Linux does: a later sync says that all is well.
//!
//! Folders are durable at once.

use super::{Disk, DiskFile, Lock};
use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

mod faults;
mod inode;

pub(crate) use faults::Faults;
use faults::{eio, enospc, not_found, take};
use inode::{Change, Inode, NameChange};

/// What a stop of the machine leaves of what was not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaves {
    /// The first part of what was done to each file, and to each folder.
    First,
    /// Any of it: parts of files that were not written are zeros.
    Any,
}

/// The disk. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct SimDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<u64, Inode>,
    names: BTreeMap<PathBuf, u64>,
    durable_names: BTreeMap<PathBuf, u64>,
    /// By folder.
    unsynced_names: BTreeMap<PathBuf, Vec<NameChange>>,
    /// A failed sync of a folder gave something up.
    forgotten_names: bool,
    dirs: BTreeSet<PathBuf>,
    locked: BTreeSet<PathBuf>,
    next: u64,
    boot: u64,
    /// Goes up with each stop; what was opened before fails.
    life: u64,
    faults: Faults,
    bytes_read: u64,
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    inode: u64,
    life: u64,
    /// Failures of syncs that are known here.
    told: AtomicU64,
}

#[derive(Debug)]
struct SimLock {
    disk: SimDisk,
    path: PathBuf,
    life: u64,
}

impl State {
    /// Counts towards the stop; how many of `bytes` may still happen.
    fn spend(&mut self, bytes: u64) -> io::Result<u64> {
        let Some(left) = &mut self.faults.stop_after else {
            return Ok(bytes);
        };
        let done = bytes.min(*left);
        *left -= done;
        if done == 0 {
            return Err(io::Error::other("stopped"));
        }
        Ok(done)
    }

    fn running(&self) -> io::Result<()> {
        if self.faults.stop_after == Some(0) {
            return Err(io::Error::other("stopped"));
        }
        Ok(())
    }

    fn change_name(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        let dir = change.dir();
        self.unsynced_names.entry(dir).or_default().push(change);
    }

    /// A folder with all that is in it, durably.
    fn move_folder(&mut self, from: &Path, to: &Path) {
        let moved = |path: PathBuf| match path.strip_prefix(from) {
            Ok(rest) if rest.as_os_str().is_empty() => to.to_owned(),
            Ok(rest) => to.join(rest),
            Err(_) => path,
        };
        for names in [&mut self.names, &mut self.durable_names] {
            let old = std::mem::take(names).into_iter();
            names.extend(old.map(|(path, inode)| (moved(path), inode)));
        }
        let old = std::mem::take(&mut self.unsynced_names).into_iter();
        self.unsynced_names.extend(old.map(|(dir, changes)| {
            let changes = changes.into_iter().map(|change| change.map(moved));
            (moved(dir), changes.collect())
        }));
        let dirs = std::mem::take(&mut self.dirs).into_iter();
        self.dirs = dirs.map(moved).collect();
    }

    /// Whatever the names differ in from what is durable.
    fn all_names_unsynced(&mut self) {
        self.unsynced_names.clear();
        let gone = self.durable_names.keys();
        let gone = gone.filter(|path| !self.names.contains_key(*path));
        let mut changes: Vec<_> = gone.cloned().map(NameChange::Unset).collect();
        for (path, inode) in &self.names {
            if self.durable_names.get(path) != Some(inode) {
                changes.push(NameChange::Set(path.clone(), *inode));
            }
        }
        for change in changes {
            let dir = change.dir();
            self.unsynced_names.entry(dir).or_default().push(change);
        }
    }

    fn used(&self) -> u64 {
        let there: BTreeSet<_> = self.names.values().collect();
        let files = there.iter().filter_map(|inode| self.files.get(inode));
        files.map(|file| file.cache.len() as u64).sum()
    }
}

impl SimDisk {
    pub(crate) fn shared(&self) -> Arc<dyn Disk> {
        Arc::new(self.clone())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets what is to go wrong from now on.
    pub(crate) fn fail(&self, faults: Faults) {
        self.state().faults = faults;
    }

    pub(crate) fn used(&self) -> u64 {
        self.state().used()
    }

    /// All that was ever read.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.state().bytes_read
    }

    /// Stops the process: nothing of the cache is lost, locks are gone.
    ///
    /// What a failed sync gave up may be synced again, as the next process cannot know of it.
    pub(crate) fn kill(&self) {
        let mut state = self.state();
        state.files.values_mut().for_each(Inode::remember);
        if std::mem::take(&mut state.forgotten_names) {
            state.all_names_unsynced();
        }
        state.life += 1;
        state.locked.clear();
        state.faults = Faults::default();
    }

    /// Stops the machine. `random(n)` gives a number below `n`.
    pub(crate) fn crash(&self, leaves: Leaves, random: &mut dyn FnMut(usize) -> usize) {
        let mut state = self.state();
        state.forgotten_names = false;
        for file in state.files.values_mut() {
            file.stop(leaves, random);
        }
        drop(state);
        self.kill();
        let mut state = self.state();
        state.boot += 1;
        for changes in std::mem::take(&mut state.unsynced_names).into_values() {
            // Folders have a journal: never any but the first changes.
            let kept = random(changes.len() + 1);
            for change in changes.into_iter().take(kept) {
                change.apply(&mut state.durable_names);
            }
        }
        state.names = state.durable_names.clone();
    }

    /// The names of files, in order.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        self.state().names.keys().cloned().collect()
    }

    /// A file's bytes.
    pub(crate) fn bytes(&self, path: &Path) -> Vec<u8> {
        let state = self.state();
        let file = state
            .names
            .get(path)
            .and_then(|inode| state.files.get(inode));
        file.map(|file| file.cache.clone()).unwrap_or_default()
    }

    /// Changes a file behind everybody's back, durably.
    pub(crate) fn tamper(&self, path: &Path, with: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let inode = state.names[path];
        let file = state.files.get_mut(&inode).expect("a name has a file");
        let len = file.cache.len();
        with(&mut file.cache);
        let keeps = file.cache.len() == len && file.durable.len() == len;
        if keeps {
            file.sync();
        }
    }

    /// Puts a file there, durably.
    pub(crate) fn put(&self, path: &Path, bytes: &[u8]) {
        let mut state = self.state();
        state.next += 1;
        let inode = state.next;
        let file = Inode {
            cache: bytes.to_vec(),
            durable: bytes.to_vec(),
            ..Inode::default()
        };
        state.files.insert(inode, file);
        state.names.insert(path.to_owned(), inode);
        state.durable_names.insert(path.to_owned(), inode);
        let dirs: Vec<_> = path.ancestors().skip(1).map(Path::to_owned).collect();
        state.dirs.extend(dirs);
    }

    fn opened(&self, inode: u64, state: &State) -> Arc<dyn DiskFile> {
        Arc::new(SimFile {
            disk: self.clone(),
            inode,
            life: state.life,
            told: AtomicU64::new(state.files.get(&inode).map_or(0, |file| file.failures)),
        })
    }
}

impl Disk for SimDisk {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.running()?;
        let dirs = dir.ancestors().map(Path::to_owned);
        state.dirs.extend(dirs);
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        state.running()?;
        if !state.dirs.contains(dir) {
            return Err(not_found());
        }
        let there = state.names.keys().chain(&state.dirs);
        let names = there.filter(|path| path.parent() == Some(dir));
        let names = names.filter_map(|path| Some(path.file_name()?.to_str()?.to_owned()));
        Ok(names.collect())
    }

    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut state = self.state();
        state.spend(1)?;
        if path.parent().is_none_or(|dir| !state.dirs.contains(dir)) {
            return Err(not_found());
        }
        if state.names.contains_key(path) {
            state.change_name(NameChange::Unset(path.to_owned()));
        }
        state.next += 1;
        let inode = state.next;
        state.files.insert(inode, Inode::default());
        state.change_name(NameChange::Set(path.to_owned(), inode));
        Ok(self.opened(inode, &state))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let state = self.state();
        state.running()?;
        let inode = state.names.get(path).copied().ok_or_else(not_found)?;
        Ok(self.opened(inode, &state))
    }

    fn open_to_write(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.spend(1)?;
        take(&mut state.faults.renames)?;
        if state.dirs.contains(from) {
            state.move_folder(from, to);
            return Ok(());
        }
        let inode = state.names.get(from).copied().ok_or_else(not_found)?;
        state.change_name(NameChange::Move(from.to_owned(), to.to_owned(), inode));
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.spend(1)?;
        take(&mut state.faults.removes)?;
        state.names.get(path).ok_or_else(not_found)?;
        state.change_name(NameChange::Unset(path.to_owned()));
        Ok(())
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        if !self.list(dir)?.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        self.state().dirs.remove(dir);
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.running()?;
        let changes = state.unsynced_names.remove(dir).unwrap_or_default();
        if let Err(error) = take(&mut state.faults.dir_syncs) {
            state.forgotten_names |= !changes.is_empty();
            return Err(error);
        }
        for change in changes {
            change.apply(&mut state.durable_names);
        }
        Ok(())
    }

    fn try_lock(&self, path: &Path, who: &str) -> io::Result<Lock> {
        if self.state().locked.contains(path) {
            let by = String::from_utf8_lossy(&self.bytes(path)).into_owned();
            return Ok(Lock::Held(by));
        }
        let dir = path.parent().unwrap_or(Path::new(""));
        if !self.state().dirs.contains(dir) {
            return Err(not_found());
        }
        self.put(path, who.as_bytes());
        let mut state = self.state();
        state.locked.insert(path.to_owned());
        Ok(Lock::Ours(Box::new(SimLock {
            disk: self.clone(),
            path: path.to_owned(),
            life: state.life,
        }) as Box<dyn Any + Send + Sync>))
    }

    fn boot(&self) -> u64 {
        self.state().boot + 1
    }
}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.disk.state();
        if state.life == self.life {
            state.locked.remove(&self.path);
        }
    }
}

impl SimFile {
    fn with<T>(&self, act: impl FnOnce(&mut State, &mut Inode) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.disk.state();
        if state.life != self.life {
            return Err(io::Error::other("opened before the stop"));
        }
        let Some(mut file) = state.files.remove(&self.inode) else {
            return Err(not_found());
        };
        let done = act(&mut state, &mut file);
        state.files.insert(self.inode, file);
        done
    }
}

impl DiskFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        self.with(|_, file| Ok(file.cache.len() as u64))
    }

    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.with(|state, file| {
            state.running()?;
            take(&mut state.faults.reads)?;
            let start = file.cache.len().min(offset as usize);
            let len = buf.len().min(file.cache.len() - start);
            let range = start as u64..(start + len) as u64;
            let unreadable = state.faults.unreadable.iter().any(|(path, bad)| {
                state.names.get(path) == Some(&self.inode)
                    && bad.start < range.end
                    && range.start < bad.end
            });
            if unreadable {
                return Err(eio());
            }
            state.bytes_read += len as u64;
            buf[..len].copy_from_slice(&file.cache[start..start + len]);
            Ok(len)
        })
    }

    fn write_at(&self, bufs: &[IoSlice<'_>], offset: u64) -> io::Result<usize> {
        let used = self.disk.used();
        let mut bytes: Vec<u8> = bufs.iter().flat_map(|buf| buf.iter().copied()).collect();
        self.with(|state, file| {
            let failed = take(&mut state.faults.writes);
            if failed.is_err() {
                bytes.truncate(bytes.len() / 2);
            }
            if take(&mut state.faults.short_writes).is_err() {
                bytes.truncate(7);
            }
            let grown = (offset + bytes.len() as u64).saturating_sub(file.cache.len() as u64);
            let over = state
                .faults
                .capacity
                .map_or(0, |capacity| (used + grown).saturating_sub(capacity));
            if over > 0 && over >= bytes.len() as u64 {
                return Err(enospc());
            }
            bytes.truncate(bytes.len() - over as usize);
            let done = state.spend(bytes.len() as u64)? as usize;
            bytes.truncate(done);
            file.change(Change::Write(offset as usize, bytes));
            failed.and(Ok(done))
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.with(|state, file| {
            state.running()?;
            if take(&mut state.faults.syncs).is_err() {
                file.forgotten |= !std::mem::take(&mut file.unsynced).is_empty();
                file.failures += 1;
            }
            for change in std::mem::take(&mut file.unsynced) {
                change.apply(&mut file.durable);
            }
            if self.told.swap(file.failures, Ordering::Relaxed) < file.failures {
                return Err(eio());
            }
            Ok(())
        })
    }

    fn truncate(&self, len: u64) -> io::Result<()> {
        self.with(|state, file| {
            state.spend(1)?;
            take(&mut state.faults.truncates)?;
            file.change(Change::Truncate(len as usize));
            Ok(())
        })
    }
}
