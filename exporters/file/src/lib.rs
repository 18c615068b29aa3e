//! Batches into a file, as the Collector's `file` exporter writes them: one line of OTLP JSON per batch, or, with
//! `compression: zstd`, each batch as four bytes of length (big-endian) and so many bytes of zstd over that JSON.
//!
//! *Invariant:* a batch is answered with yes only after it is synced to the disk, whole; what is in the file beyond
//! that is cut off before anything else is written.
//!
//! Unlike the Collector's, it never destroys what it has said yes to: without `append` and `rotation`, what a former
//! run wrote is set aside under a backup's name instead of being truncated. Does not make folders.

mod backups;
mod sink;
mod tail;

pub use sink::OpenError;

use bytes::Bytes;
use penstock_exporter_harness::{ExportBatch, ExportError, Exported, Exporter};
use penstock_otlp::compress::{Encoding, compress};
use penstock_otlp::json;
use penstock_settings::File;
use sink::{Sink, Write};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;
use tokio::task::{JoinError, spawn_blocking};

/// Writes batches of all signals to one file.
///
/// Concurrent batches share a sync: each leaves its record in `waiting`, and whoever gets the file next writes all
/// that wait there.
#[derive(Debug)]
pub struct FileExporter {
    zstd: bool,
    waiting: Arc<Mutex<Vec<Write>>>,
    sink: Arc<tokio::sync::Mutex<Sink>>,
}

impl FileExporter {
    /// Opens the file and cuts off what a crash has left half written.
    ///
    /// # Errors
    /// [`OpenError`] when the file cannot be had.
    pub fn open(settings: &File) -> Result<Self, OpenError> {
        let sink = Sink::open(settings.clone())?;
        Ok(Self {
            zstd: settings.zstd,
            waiting: Arc::default(),
            sink: Arc::new(tokio::sync::Mutex::new(sink)),
        })
    }

    async fn record(&self, batch: &ExportBatch) -> Result<Vec<u8>, ExportError> {
        let (zstd, signal, body) = (self.zstd, batch.signal, batch.body());
        let record = spawn_blocking(move || {
            let mut line = Vec::with_capacity(body.len() * 2);
            json::from_proto(signal, &body, &mut line);
            if zstd {
                framed(line)
            } else {
                line.push(b'\n');
                Some(line)
            }
        });
        record
            .await
            .map_err(interrupted)?
            .ok_or_else(|| ExportError::TooLarge {
                reason: "a record of the file is at most 4 GiB".to_owned(),
            })
    }
}

impl Exporter for FileExporter {
    async fn export(&self, batch: &ExportBatch) -> Result<Exported, ExportError> {
        let record = self.record(batch).await?;
        let (done, mut answer) = oneshot::channel();
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Write { record, done });
        let answer = tokio::select! {
            biased;
            answer = &mut answer => answer,
            mut sink = Arc::clone(&self.sink).lock_owned() => {
                let waiting = Arc::clone(&self.waiting);
                // The lock goes along, so that nobody else writes even if this future is dropped meanwhile.
                let commit = spawn_blocking(move || {
                    let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
                    let writes = std::mem::take(&mut *waiting);
                    drop(waiting);
                    sink.commit(writes);
                });
                commit.await.map_err(interrupted)?;
                answer.await
            }
        };
        match answer {
            Ok(Ok(())) => Ok(Exported::default()),
            Ok(Err(reason)) => Err(ExportError::Retry {
                after: None,
                reason,
            }),
            Err(_) => Err(retry("the write was interrupted")),
        }
    }
}

fn retry(reason: &str) -> ExportError {
    ExportError::Retry {
        after: None,
        reason: reason.to_owned(),
    }
}

fn interrupted(error: JoinError) -> ExportError {
    retry(&format!("the write was interrupted: {error}"))
}

/// The Collector's form of a compressed message; `None` when its length does not fit.
fn framed(line: Vec<u8>) -> Option<Vec<u8>> {
    let compressed = compress(Encoding::Zstd, &[Bytes::from(line)]);
    let length = u32::try_from(compressed.len()).ok()?;
    Some([&length.to_be_bytes(), &compressed[..]].concat())
}

#[cfg(test)]
mod tests;
