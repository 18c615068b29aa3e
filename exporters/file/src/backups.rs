//! Names and lifetime of the files that rotation leaves behind, as lumberjack has them:
//! `traces.json` becomes `traces-2006-01-02T15-04-05.000.json`.
//!
//! *Invariant:* never takes a name that is in use, and removes only files whose name it could have given.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, civil};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

const FORMAT: &str = "%Y-%m-%dT%H-%M-%S%.3f";

/// The backups of one file.
#[derive(Debug)]
pub(crate) struct Backups {
    folder: PathBuf,
    /// What stands before the time.
    prefix: String,
    /// What stands behind it, with the dot.
    suffix: String,
    zone: TimeZone,
}

impl Backups {
    /// Those of the file at `path`; `None` when it has no name or one that is not UTF-8.
    pub(crate) fn of(path: &Path, localtime: bool) -> Option<Self> {
        let stem = path.file_stem()?.to_str()?;
        let suffix = match path.extension() {
            Some(extension) => format!(".{}", extension.to_str()?),
            None => String::new(),
        };
        let folder = match path.parent() {
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let zone = if localtime {
            TimeZone::system()
        } else {
            TimeZone::UTC
        };
        Some(Self {
            folder,
            prefix: format!("{stem}-"),
            suffix,
            zone,
        })
    }

    /// The folder that holds the file and its backups.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A name for now that nothing has yet.
    pub(crate) fn free_name(&self, now: Timestamp) -> io::Result<PathBuf> {
        let mut time = now;
        loop {
            let name = self.path(time);
            if !name.try_exists()? {
                return Ok(name);
            }
            time = time
                .saturating_add(SignedDuration::from_millis(1))
                .map_err(io::Error::other)?;
        }
    }

    fn path(&self, time: Timestamp) -> PathBuf {
        let time = time.to_zoned(self.zone.clone()).strftime(FORMAT);
        self.folder
            .join(format!("{}{time}{}", self.prefix, self.suffix))
    }

    fn time(&self, name: &str) -> Option<Timestamp> {
        let time = name
            .strip_prefix(&self.prefix)?
            .strip_suffix(&self.suffix)?;
        let time = civil::DateTime::strptime(FORMAT, time).ok()?;
        Some(time.to_zoned(self.zone.clone()).ok()?.timestamp())
    }

    /// Removes all but the newest `keep` (0: no limit), and those that are older than `max_days` (0: no limit).
    pub(crate) fn prune(&self, keep: usize, max_days: u32, now: Timestamp) -> io::Result<()> {
        let mut backups = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            if let Some(time) = entry.file_name().to_str().and_then(|name| self.time(name)) {
                backups.push((time, entry.path()));
            }
        }
        backups.sort_by(|one, other| other.cmp(one));
        for (place, (time, path)) in backups.into_iter().enumerate() {
            if (keep > 0 && place >= keep) || is_older(time, max_days, now) {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }
}

/// Whether `time` is more than `days` ago; never for 0 days.
pub(crate) fn is_older(time: Timestamp, days: u32, now: Timestamp) -> bool {
    days > 0 && now.duration_since(time) > SignedDuration::from_hours(24 * i64::from(days))
}
