//! The files as readers see them: one segment each, of the log's own format, with dead letters for records.
//!
//! *Invariant:* whoever writes to a file or takes it away holds its lock meanwhile, so a writer and a replay never meet in
//! one. A file that is not of dead letters is never touched.

use super::letter::{self, Letter};
use crate::log::disk::{DiskFile, read_exact_at};
use crate::log::format::{Kind, Purpose, SEGMENT_HEADER, SegmentHeader, VERSION};
use crate::log::walk::{Step, Unreadable, Walk};
use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

pub(super) const EXTENSION: &str = "seg";
/// Beside a file that was replayed in part: the offsets of the letters that were taken, a line each.
const MARKS: &str = "acked";
/// What a file with a torn end is called once all its letters are taken.
const ASIDE: &str = "torn";
/// Digits of a mark. One that is shorter was torn, and may be the beginning of another offset.
const MARK_LEN: usize = 20;
/// A bound for what is read of the marks: more than any file has letters.
const MAX_MARKS: u64 = 64 << 20;

/// A file of dead letters.
#[derive(Clone, Debug)]
pub struct DeadFile {
    path: PathBuf,
    bytes: u64,
}

/// What a file holds.
#[derive(Debug, Default)]
pub struct Contents {
    /// In the order of writing.
    pub letters: Vec<Letter>,
    /// Ranges of bytes that are no letters and should be, for people.
    pub damage: Vec<String>,
    /// The file does not end with a letter: one was being written when its process was killed, and was written again to
    /// another file; or its end is damaged.
    torn: bool,
}

/// The files in a folder, oldest first. A folder that is not there has none.
///
/// # Errors
/// The folder cannot be read.
pub fn files(directory: &Path) -> io::Result<Vec<DeadFile>> {
    with_extension(directory, EXTENSION)
}

/// The files that were put aside, likewise.
pub(super) fn aside(directory: &Path) -> io::Result<Vec<DeadFile>> {
    with_extension(directory, ASIDE)
}

fn with_extension(directory: &Path, wanted: &str) -> io::Result<Vec<DeadFile>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != wanted) {
            continue;
        }
        match fs::metadata(&path) {
            Ok(metadata) => files.push(DeadFile {
                path,
                bytes: metadata.len(),
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    // Names begin with the time.
    files.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(files)
}

impl DeadFile {
    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its size.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reads it, whoever may be writing to it.
    ///
    /// # Errors
    /// The file cannot be read, or holds no dead letters.
    pub fn read(&self) -> io::Result<Contents> {
        contents(&File::open(&self.path)?)
    }

    /// Takes the file for replaying it: nobody writes to it any more. `None` while another process has it, or when it
    /// has gone.
    ///
    /// # Errors
    /// The file cannot be read, or holds no dead letters.
    pub fn take(&self) -> io::Result<Option<Marks>> {
        let file = match OpenOptions::new().read(true).write(true).open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        if !locked(&file)? || !is_at(&file, &self.path) {
            return Ok(None);
        }
        Ok(Some(Marks {
            contents: contents(&file)?,
            acked: acked(&self.path.with_extension(MARKS))?,
            path: self.path.clone(),
            _locked: file,
        }))
    }

    /// Removes the file to make room, and tells how many items go with it; `None` while another process has it.
    pub(super) fn discard(&self) -> io::Result<Option<u64>> {
        let Some(marks) = self.take()? else {
            return Ok(None);
        };
        let items = marks.left().map(|letter| letter.items).sum();
        marks.discard()?;
        Ok(Some(items))
    }
}

/// A file that is being replayed, with the letters that somebody has taken already. It survives the process.
#[derive(Debug)]
pub struct Marks {
    /// What the file holds.
    pub contents: Contents,
    acked: BTreeSet<u64>,
    path: PathBuf,
    _locked: File,
}

impl Marks {
    /// The letters that nobody has taken yet.
    pub fn left(&self) -> impl Iterator<Item = &Letter> {
        let letters = self.contents.letters.iter();
        letters.filter(|letter| !self.acked.contains(&letter.offset))
    }

    /// Somebody has taken the letter at `offset`.
    ///
    /// # Errors
    /// The mark cannot be written; the letter will be sent again.
    pub fn mark(&mut self, offset: u64) -> io::Result<()> {
        self.acked.insert(offset);
        let marks = self.path.with_extension(MARKS);
        let mut marks = OpenOptions::new().append(true).create(true).open(marks)?;
        // A line of its own, whatever was torn before it.
        marks.write_all(format!("\n{offset:0MARK_LEN$}\n").as_bytes())
    }

    /// Removes the file and its marks, as all is taken. One with a torn end is put aside under the name that it gives.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn remove(self) -> io::Result<Option<PathBuf>> {
        if !self.contents.torn {
            self.discard()?;
            return Ok(None);
        }
        let aside = self.path.with_extension(ASIDE);
        fs::rename(&self.path, &aside)?;
        self.forget();
        Ok(Some(aside))
    }

    fn discard(&self) -> io::Result<()> {
        fs::remove_file(&self.path)?;
        self.forget();
        Ok(())
    }

    fn forget(&self) {
        // Without the file they mean nothing.
        _ = fs::remove_file(self.path.with_extension(MARKS));
    }
}

/// A line that was not written whole names no letter.
fn acked(marks: &Path) -> io::Result<BTreeSet<u64>> {
    let file = match File::open(marks) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        file => file?,
    };
    let mut text = String::new();
    file.take(MAX_MARKS).read_to_string(&mut text)?;
    let whole = text.lines().filter(|line| line.len() == MARK_LEN);
    Ok(whole.filter_map(|line| line.parse().ok()).collect())
}

fn contents(file: &File) -> io::Result<Contents> {
    let foreign = |what: String| io::Error::new(io::ErrorKind::InvalidData, what);
    let mut bytes = [0; SEGMENT_HEADER];
    let whole = read_exact_at(file, &mut bytes, 0)?;
    let header = SegmentHeader::decode(&bytes).filter(|_| whole);
    let header = header.ok_or_else(|| foreign("not a file of dead letters".to_owned()))?;
    if header.version > VERSION {
        let found = header.version;
        return Err(foreign(format!(
            "has format {found}, this program knows up to {VERSION}: use the version that wrote it"
        )));
    }
    if header.purpose != Purpose::DeadLetters {
        return Err(foreign(format!(
            "holds {}, not dead letters",
            header.purpose
        )));
    }
    let mut contents = Contents::default();
    let end = file.len()?;
    let tag = Some(header.log_id.tag());
    let mut walk = Walk::new(file, tag, SEGMENT_HEADER as u64..end, Unreadable::Skipped);
    while let Some(step) = walk.step()? {
        let (offset, header) = match step {
            Step::Record { offset, header } => (offset, header),
            Step::Bad { range, .. } if range.end == end => {
                contents.torn = true;
                continue;
            }
            Step::Bad { range, .. } => {
                contents.damage(range.start, range.end);
                continue;
            }
        };
        let payload = walk.payload(&header)?;
        let letter = payload.ok().filter(|_| header.kind == Kind::DeadLetter);
        match letter.as_ref().and_then(letter::decode) {
            Some((meta, request)) => contents.letters.push(Letter {
                offset,
                items: u64::from(header.items),
                meta,
                request,
            }),
            None => contents.damage(offset, walk.offset()),
        }
    }
    Ok(contents)
}

impl Contents {
    fn damage(&mut self, from: u64, to: u64) {
        self.damage
            .push(format!("bytes {from} to {to} are no dead letter"));
    }
}

/// Whether the lock could be had.
pub(super) fn locked(file: &File) -> io::Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether the file is still what its path names.
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    let identity = |metadata: fs::Metadata| (metadata.dev(), metadata.ino());
    match (file.metadata(), fs::metadata(path)) {
        (Ok(ours), Ok(there)) => identity(ours) == identity(there),
        _ => false,
    }
}
