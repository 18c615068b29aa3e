//! What the simulated disk is told to do wrong.

use std::io;
use std::ops::Range;
use std::path::PathBuf;

/// What is to go wrong.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    /// Bytes of all files; what would go beyond fails as a full disk does, after a short write.
    pub(crate) capacity: Option<u64>,
    /// So many writes fail, each after the first half was written.
    pub(crate) writes: u32,
    /// So many writes write no more than a few bytes and say so.
    pub(crate) short_writes: u32,
    pub(crate) syncs: u32,
    pub(crate) dir_syncs: u32,
    pub(crate) truncates: u32,
    pub(crate) renames: u32,
    pub(crate) removes: u32,
    /// So many reads fail.
    pub(crate) reads: u32,
    /// Bytes of a file that can never be read.
    pub(crate) unreadable: Vec<(PathBuf, Range<u64>)>,
    /// After so many written bytes (any other change counts as one) nothing works any more.
    pub(crate) stop_after: Option<u64>,
}

pub(super) fn eio() -> io::Error {
    io::Error::from_raw_os_error(5)
}

pub(super) fn enospc() -> io::Error {
    io::Error::from_raw_os_error(28)
}

pub(super) fn not_found() -> io::Error {
    io::Error::from_raw_os_error(2)
}

pub(super) fn take(count: &mut u32) -> io::Result<()> {
    if *count > 0 {
        *count -= 1;
        return Err(eio());
    }
    Ok(())
}
