//! Dead letters: rejected items, kept in files for a look and for another try.
//!
//! *Invariant:* a piece is written before its items are settled, so what a killed process had rejected is in a file, maybe
//! twice. All files together stay below their bound: the oldest goes first, counted. A disk that does not write costs the
//! letter (counted), never more.
//!
//! Does not decide what is rejected, and sends nothing: `penstock-receiver deadletter replay` does, with what [`files`]
//! gives.

mod file;
mod letter;
mod metrics;
mod writer;

#[cfg(test)]
mod tests;

pub use file::{Contents, DeadFile, Marks, files};
pub use letter::{Letter, Meta};

use crate::log::disk::is_full;
use bytes::Bytes;
pub use metrics::METRICS;
use metrics::{DeadLetterMetrics, WriteFault};
use penstock_hop::Batch;
use penstock_settings::DeadLetter;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use writer::Writer;

/// A file ends at this size, or at this part of all files, so that making room never costs much of what is kept.
const FILE_BYTES: u64 = 32 << 20;
const FILE_PART: u64 = 8;

/// The dead letters of one process. Other processes may have theirs in the same folder.
#[derive(Debug)]
pub struct DeadLetters {
    directory: PathBuf,
    max_bytes: u64,
    durable: bool,
    writer: Mutex<Option<Writer>>,
    metrics: DeadLetterMetrics,
}

/// Why a letter is not in a file.
#[derive(Debug, thiserror::Error)]
enum PutError {
    #[error("larger than all dead letters together may be")]
    TooLarge,
    #[error("no dead-letter file may be removed to make room")]
    NoRoom,
    #[error("the new file was taken by a replay at once")]
    Taken,
    #[error(transparent)]
    Disk(#[from] io::Error),
}

impl PutError {
    fn fault(&self) -> WriteFault {
        match self {
            Self::TooLarge => WriteFault::TooLarge,
            Self::NoRoom => WriteFault::Full,
            Self::Disk(error) if is_full(error) => WriteFault::Full,
            Self::Taken | Self::Disk(_) => WriteFault::Io,
        }
    }
}

impl DeadLetters {
    /// For a folder that is made when it is needed. With `durable`, a letter is synced before its items are settled.
    ///
    /// Install the metrics recorder before.
    #[must_use]
    pub fn open(settings: &DeadLetter, durable: bool) -> Arc<Self> {
        Arc::new(Self {
            directory: settings.directory.clone(),
            max_bytes: settings.max_bytes,
            durable,
            writer: Mutex::default(),
            metrics: DeadLetterMetrics::new(),
        })
    }

    /// Writes a rejected piece of a batch; resolves when it is written, or known not to be.
    ///
    /// # Cancel safety
    /// The letter is written all the same.
    pub async fn put(self: &Arc<Self>, meta: Meta, batch: &Batch) {
        let (signal, items) = (batch.signal, batch.items as u64);
        let written = match letter::encode(&meta, batch) {
            Ok(payload) => {
                let letters = Arc::clone(self);
                let write = move || letters.write(&payload, items, meta.time_unix_nano);
                let done = tokio::task::spawn_blocking(write).await;
                done.unwrap_or_else(|panic| Err(io::Error::other(panic).into()))
            }
            Err(error) => Err(io::Error::from(error).into()),
        };
        match written {
            Ok(()) => self.metrics.written(signal, items),
            Err(error) => {
                let why = error.fault();
                self.metrics.failed(why, items);
                tracing::warn!(%signal, items, reason = why.name(), %error, directory = %self.directory.display(),
                    "rejected items not kept as dead letter");
            }
        }
    }

    fn write(&self, payload: &Bytes, items: u64, time: u64) -> Result<(), PutError> {
        let mut slot = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let need = Writer::room_for(payload);
        if need > self.max_bytes {
            return Err(PutError::TooLarge);
        }
        let held = self.make_room(need)?;
        let limit = FILE_BYTES.min(self.max_bytes / FILE_PART);
        // After an error the next letter goes to another file.
        let current = slot.take().filter(|writer| writer.takes(payload, limit));
        let appended = match current {
            Some(mut writer) => writer.append(payload, items, time)?.then_some(writer),
            None => None,
        };
        let mut writer = match appended {
            Some(writer) => writer,
            None => {
                let mut writer = Writer::create(&self.directory)?;
                // Nobody else knows of the file yet; if somebody was that quick, there is another try.
                if !writer.append(payload, items, time)? {
                    return Err(PutError::Taken);
                }
                writer
            }
        };
        if self.durable {
            writer.sync()?;
        }
        *slot = Some(writer);
        self.metrics.held(held + need);
        Ok(())
    }

    /// Removes the oldest files until there is room; gives the bytes that are left.
    fn make_room(&self, need: u64) -> Result<u64, PutError> {
        let files = files(&self.directory)?;
        let aside = file::aside(&self.directory)?;
        let mut held: u64 = files.iter().chain(&aside).map(DeadFile::bytes).sum();
        for file in aside {
            // Nothing in it is known to be a letter that nobody has.
            if held + need > self.max_bytes && fs::remove_file(file.path()).is_ok() {
                held -= file.bytes();
            }
        }
        for file in files {
            if held + need <= self.max_bytes {
                break;
            }
            match file.discard() {
                Ok(Some(items)) => {
                    held -= file.bytes();
                    self.metrics.discarded.increment(items);
                    tracing::warn!(items, file = %file.path().display(), "dead letters discarded to make room");
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(%error, file = %file.path().display(), "dead letters not discarded");
                }
            }
        }
        if held + need > self.max_bytes {
            return Err(PutError::NoRoom);
        }
        Ok(held)
    }
}
