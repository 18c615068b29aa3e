//! What is kept and where: the log, the dead letters, and where a receiver that ends sends the rest.

use super::extensions::{Extensions, FileStorage};
use super::findings::{At, Findings};
use super::penstock::{size, time};
use super::{checks, client_auth, tls};
use crate::model::{
    DeadLetter, DiskLog, HandOver, LogSettings, OnFull, StartAt, Storage, SyncPolicy,
};
use crate::raw::penstock as raw;
use crate::units::{ByteSize, GoDuration};
use std::path::PathBuf;
use std::time::Duration;

/// Segments that one log should have room for, where the file does not give their size.
const USUAL_SEGMENTS: u64 = 4;
/// Segments that one log must have room for: one is written while the other is delivered and goes.
const LEAST_SEGMENTS: u64 = 2;
/// Longer, and what is meant is something else: every sender waits for it.
const MAX_LINGER: Duration = Duration::from_secs(1);

/// Reads `log`. A single log has the `part` of `max_bytes`.
pub(crate) fn read(
    at: &At<'_>,
    raw: raw::Log,
    part: f64,
    extension: Option<&FileStorage>,
    findings: &mut Findings,
) -> LogSettings {
    let mut log = LogSettings::default();
    size(
        at,
        "log.block_size",
        raw.block_size,
        4096,
        &mut log.block_bytes,
        findings,
    );
    if raw.storage == Some(raw::Storage::Memory) {
        warn_idle(at, &raw, extension, findings);
        log.storage = Storage::Memory;
        return log;
    }
    if raw.new_exporter == Some(raw::NewExporter::Oldest) {
        log.new_exporter = StartAt::Oldest;
    }
    log.storage = Storage::Disk(disk(at, raw, part, log.block_bytes, extension, findings));
    log
}

/// Keys of the disk that a log in memory does not use.
fn warn_idle(
    at: &At<'_>,
    raw: &raw::Log,
    extension: Option<&FileStorage>,
    findings: &mut Findings,
) {
    let given = [
        ("directory", raw.directory.is_some()),
        ("max_bytes", raw.max_bytes.is_some()),
        ("segment_size", raw.segment_size.is_some()),
        ("sync", raw.sync.is_some()),
        ("sync_interval", raw.sync_interval.is_some()),
        ("linger", raw.linger.is_some()),
        ("on_full", raw.on_full.is_some()),
        ("new_exporter", raw.new_exporter.is_some()),
    ];
    for (key, _) in given.into_iter().filter(|(_, given)| *given) {
        let message = "has no effect here: penstock.log.storage is memory";
        findings.warn(at, &format!("log.{key}"), message);
    }
    if extension.is_some() {
        let message = "an exporter's sending_queue names a storage, but with a log in memory what is held is lost when the process ends";
        findings.warn(at, "log.storage", message);
    }
}

fn disk(
    at: &At<'_>,
    mut raw: raw::Log,
    part: f64,
    block_bytes: usize,
    extension: Option<&FileStorage>,
    findings: &mut Findings,
) -> DiskLog {
    let mut disk = DiskLog::default();
    if let Some(directory) = directory(at, "log.directory", raw.directory.take(), findings) {
        disk.directory = directory;
    } else if let Some(extension) = extension {
        disk.directory.clone_from(&extension.directory);
    }
    if let Some(ByteSize(bytes)) = raw.max_bytes {
        disk.max_bytes = bytes;
    }
    room(
        at,
        raw.segment_size,
        part,
        block_bytes as u64,
        &mut disk,
        findings,
    );
    disk.sync = sync(at, &raw, extension, findings);
    if let Some(GoDuration(linger)) = raw.linger {
        if linger > MAX_LINGER {
            findings.error(
                at,
                "log.linger",
                "must be at most 1s; every sender waits for it",
            );
        }
        disk.linger = linger;
    }
    if raw.on_full == Some(raw::OnFull::DropOldest) {
        disk.on_full = OnFull::DropOldest;
    }
    disk
}

/// A block must fit into a segment, and some segments into what a log may have.
fn room(
    at: &At<'_>,
    segment_size: Option<ByteSize>,
    part: f64,
    block_bytes: u64,
    disk: &mut DiskLog,
    findings: &mut Findings,
) {
    let room = (disk.max_bytes as f64 * part) as u64;
    disk.segment_bytes = match segment_size {
        Some(ByteSize(bytes)) => bytes,
        None => disk
            .segment_bytes
            .min(room / USUAL_SEGMENTS)
            .max(block_bytes),
    };
    if disk.segment_bytes < block_bytes {
        let message =
            format!("must be at least a block, penstock.log.block_size: {block_bytes} bytes");
        findings.error(at, "log.segment_size", message);
    }
    if room / LEAST_SEGMENTS < disk.segment_bytes {
        let least = disk.segment_bytes.saturating_mul(LEAST_SEGMENTS) as f64 / part;
        let message = format!(
            "leaves {room} bytes for a log (there is one for each signal of each receiver in each shard), which needs \
             {LEAST_SEGMENTS} segments of {} bytes: at least {least:.0} bytes in all",
            disk.segment_bytes
        );
        findings.error(at, "log.max_bytes", message);
    }
}

fn sync(
    at: &At<'_>,
    raw: &raw::Log,
    extension: Option<&FileStorage>,
    findings: &mut Findings,
) -> SyncPolicy {
    let policy = match (raw.sync, extension) {
        (Some(raw::Sync::None), _) => SyncPolicy::None,
        (Some(raw::Sync::Commit), _) => SyncPolicy::Commit,
        (None, Some(extension)) if extension.fsync => SyncPolicy::Commit,
        (Some(raw::Sync::Interval) | None, _) => DiskLog::default().sync,
    };
    let SyncPolicy::Interval(mut interval) = policy else {
        if raw.sync_interval.is_some() {
            let message = "has no effect here: penstock.log.sync is not `interval`";
            findings.warn(at, "log.sync_interval", message);
        }
        return policy;
    };
    time(
        at,
        "log.sync_interval",
        raw.sync_interval,
        &mut interval,
        findings,
    );
    SyncPolicy::Interval(interval)
}

/// Reads `dead_letter`.
pub(crate) fn dead_letter(
    at: &At<'_>,
    raw: raw::DeadLetter,
    log: &LogSettings,
    max_batch_bytes: usize,
    findings: &mut Findings,
) -> Option<DeadLetter> {
    let given = directory(at, "dead_letter.directory", raw.directory, findings);
    let directory = given.or_else(|| match &log.storage {
        Storage::Disk(disk) => Some(disk.directory.join("dead-letter")),
        Storage::Memory => None,
    });
    let max_bytes = raw.max_bytes.map(|ByteSize(bytes)| bytes);
    let Some(directory) = directory else {
        if max_bytes.is_some_and(|bytes| bytes > 0) {
            let message = "has no effect here: penstock.log.storage is memory, and there is no dead_letter.directory";
            findings.warn(at, "dead_letter.max_bytes", message);
        }
        return None;
    };
    let max_bytes = max_bytes.unwrap_or(256 << 20);
    if max_bytes == 0 {
        return None;
    }
    if max_bytes < max_batch_bytes as u64 {
        let message = format!(
            "must be at least a batch, penstock.batch.max_bytes: {max_batch_bytes} bytes; 0 keeps none"
        );
        findings.error(at, "dead_letter.max_bytes", message);
    }
    Some(DeadLetter {
        directory,
        max_bytes,
    })
}

/// Reads `drain.hand_over`.
pub(crate) fn hand_over(
    at: &At<'_>,
    raw: Option<raw::HandOver>,
    deadline: Duration,
    connect_timeout: Duration,
    extensions: &mut Extensions,
    findings: &mut Findings,
) -> Option<HandOver> {
    const KEY: &str = "drain.hand_over.endpoint";
    let raw = raw?;
    let endpoint = raw.endpoint.unwrap_or_default();
    if let Err(message) = checks::replica(&endpoint) {
        findings.error(at, KEY, message);
    }
    // What exporters do not take in two thirds of the time is for the other receiver.
    if deadline / 3 <= connect_timeout {
        let message = format!(
            "what is still held is handed over in the last third of penstock.drain.deadline ({deadline:?}), which is not \
             more than penstock.hop.connect_timeout ({connect_timeout:?}): make the deadline longer"
        );
        findings.warn(at, KEY, message);
    }
    let tls = raw
        .tls
        .map(|raw| tls::client(at, "drain.hand_over.tls", Some(raw), findings));
    Some(HandOver {
        endpoint,
        tls: tls.filter(|tls| !tls.insecure),
        credentials: client_auth::of_hand_over(
            at,
            "drain.hand_over.auth",
            raw.auth,
            extensions,
            findings,
        ),
    })
}

fn directory(
    at: &At<'_>,
    key: &str,
    given: Option<String>,
    findings: &mut Findings,
) -> Option<PathBuf> {
    let given = given?;
    if given.is_empty() {
        findings.error(at, key, "is empty; leave it out for the default");
    }
    Some(PathBuf::from(given))
}
