//! `deadletter list` and `deadletter replay`.
//!
//! A replay sends a letter as other receivers send what they hand over: to its one exporter.
//!
//! *Invariant:* a letter counts as taken when a receiver has acked it, and is marked at once: a replay that is interrupted
//! sends at most one letter twice.

#[cfg(test)]
mod tests;

use super::{of, say};
use crate::outward::Towards;
use penstock_batcher::dead_letter::{DeadFile, Letter, Marks, files};
use penstock_hop::metadata::HandOver;
use penstock_hop::{Batch, Origin, Outcome, Receivers, Transport};
use penstock_otlp::Signal;
use penstock_otlp::check::check;
use penstock_otlp::json::from_proto;
use penstock_runtime::Tasks;
use penstock_settings::Hop;
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

/// A letter is sent up to this often, with a pause before each further try.
const ATTEMPTS: u32 = 5;
const PAUSE: Duration = Duration::from_secs(1);

/// A letter as `list --json` has it.
#[derive(Serialize)]
struct Listed<'a> {
    file: String,
    offset: u64,
    time: String,
    signal: &'a str,
    pipeline: &'a str,
    exporter: &'a str,
    reason: &'a str,
    error: &'a str,
    items: u64,
    bytes: usize,
    /// OTLP JSON; null if it cannot be read as what it should be.
    request: Option<Box<RawValue>>,
}

/// Lists; true when all could be read.
pub(super) fn list(directory: &Path, json: bool) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    let mut whole = true;
    let (mut letters, mut items) = (0_u64, 0);
    let files = found(directory)?;
    for file in &files {
        let contents = match file.read() {
            Ok(contents) => contents,
            Err(error) => {
                say(&of(file.path(), &error));
                whole = false;
                continue;
            }
        };
        for letter in &contents.letters {
            letters += 1;
            items += letter.items;
            let listed = listed(file.path(), letter, json);
            if json {
                serde_json::to_writer(&mut out, &listed)?;
                writeln!(out)?;
            } else {
                text(&mut out, &listed)?;
            }
        }
        for damage in &contents.damage {
            say(&format!("{}: {damage}", file.path().display()));
            whole = false;
        }
    }
    out.flush()?;
    let files = files.len();
    say(&format!(
        "{letters} letters with {items} items in {files} files"
    ));
    Ok(whole)
}

/// A folder that is not there is a mistake of the caller, as a receiver makes its own when it needs it.
fn found(directory: &Path) -> io::Result<Vec<DeadFile>> {
    std::fs::metadata(directory).map_err(|error| of(directory, &error))?;
    files(directory).map_err(|error| of(directory, &error))
}

fn text(out: &mut impl Write, listed: &Listed<'_>) -> io::Result<()> {
    let Listed {
        file,
        offset,
        time,
        signal,
        pipeline,
        exporter,
        reason,
        error,
        items,
        bytes,
        ..
    } = listed;
    writeln!(
        out,
        "{time} {signal} pipeline={pipeline} exporter={exporter} items={items} bytes={bytes} reason={reason} \
         at={file}:{offset} error={error:?}"
    )
}

fn listed<'a>(file: &Path, letter: &'a Letter, json: bool) -> Listed<'a> {
    let meta = &letter.meta;
    let time = jiff::Timestamp::from_nanosecond(i128::from(meta.time_unix_nano));
    let name = file.file_name().unwrap_or_default();
    Listed {
        file: name.to_string_lossy().into_owned(),
        offset: letter.offset,
        time: time.map_or_else(|_| meta.time_unix_nano.to_string(), |time| time.to_string()),
        signal: &meta.signal,
        pipeline: &meta.pipeline,
        exporter: &meta.exporter,
        reason: &meta.reason,
        error: &meta.error,
        items: letter.items,
        bytes: letter.request.len(),
        request: json.then(|| request(letter)).flatten(),
    }
}

fn request(letter: &Letter) -> Option<Box<RawValue>> {
    let signal = Signal::from_name(&letter.meta.signal)?;
    let checked = check(signal, letter.request.clone()).ok()?;
    let mut json = Vec::new();
    from_proto(signal, &checked.body, &mut json);
    RawValue::from_string(String::from_utf8(json).ok()?).ok()
}

/// Replays the letters of `only` one exporter, or of all; true when nothing is left of what was to be replayed.
pub(super) fn replay(
    directory: &Path,
    to: (&str, &Towards),
    only: Option<&str>,
) -> io::Result<bool> {
    let files = found(directory)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let replayed = runtime.block_on(async {
        let mut replay = Replay::new(to, only);
        for file in &files {
            replay.file(file).await?;
        }
        Ok::<_, io::Error>(replay)
    })?;
    let Replay {
        taken,
        left,
        others,
        ..
    } = &replayed;
    say(&format!(
        "replayed {} letters with {} items; left {} with {}{}",
        taken.letters,
        taken.items,
        left.letters,
        left.items,
        match others.letters {
            0 => String::new(),
            letters => format!(", and {letters} that were not asked for"),
        }
    ));
    Ok(replayed.complete && left.letters == 0)
}

/// Letters and the items in them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    letters: u64,
    items: u64,
}

impl Count {
    fn add(&mut self, letter: &Letter) {
        self.letters += 1;
        self.items += letter.items;
    }
}

/// Why a letter was not taken.
enum NotTaken {
    /// For what it is.
    Letter(String),
    /// For whom it is; others to the same will not be taken either.
    All(String),
}

/// A replay under way.
struct Replay<'a> {
    receivers: Receivers,
    /// The one exporter whose letters are to be replayed, if not all are.
    only: Option<&'a str>,
    /// Tells this replay's letters from any other's: a receiver must never take one for a second try of another.
    id: String,
    sent: u64,
    /// To whom nothing can be sent: not tried again.
    unserved: BTreeSet<HandOver>,
    taken: Count,
    left: Count,
    others: Count,
    /// Every file could be had and read whole.
    complete: bool,
}

impl<'a> Replay<'a> {
    fn new((to, towards): (&str, &Towards), only: Option<&'a str>) -> Self {
        Self {
            receivers: towards.receivers(to, &Hop::default(), &Tasks::new()),
            only,
            id: format!("deadletter-{:016x}", fastrand::u64(..)),
            sent: 0,
            unserved: BTreeSet::new(),
            taken: Count::default(),
            left: Count::default(),
            others: Count::default(),
            complete: true,
        }
    }

    async fn file(&mut self, file: &DeadFile) -> io::Result<()> {
        let path = file.path();
        let marks = match file.take() {
            Ok(Some(marks)) => marks,
            Ok(None) => {
                self.incomplete(path, "in use, try again");
                return Ok(());
            }
            Err(error) => {
                self.incomplete(path, &error.to_string());
                return Ok(());
            }
        };
        let marks = self
            .letters(marks)
            .await
            .map_err(|error| of(path, &error))?;
        if marks.left().next().is_some() {
            return Ok(());
        }
        if !marks.contents.damage.is_empty() {
            for damage in &marks.contents.damage {
                self.incomplete(path, damage);
            }
            self.incomplete(
                path,
                "all else is replayed: remove it when it was looked at",
            );
            return Ok(());
        }
        if let Some(aside) = marks.remove().map_err(|error| of(path, &error))? {
            let aside = aside.display();
            say(&format!(
                "{aside}: its end is no letter, all else is replayed"
            ));
        }
        Ok(())
    }

    async fn letters(&mut self, mut marks: Marks) -> io::Result<Marks> {
        let letters: Vec<_> = marks.left().cloned().collect();
        for letter in letters {
            if self.only.is_some_and(|only| only != letter.meta.exporter) {
                self.others.add(&letter);
            } else if self.letter(&letter).await {
                marks.mark(letter.offset)?;
                self.taken.add(&letter);
            } else {
                self.left.add(&letter);
            }
        }
        Ok(marks)
    }

    /// Sends one letter; whether it was taken.
    async fn letter(&mut self, letter: &Letter) -> bool {
        let meta = &letter.meta;
        let cursor = HandOver {
            pipeline: meta.pipeline.clone(),
            exporter: meta.exporter.clone(),
        };
        if self.unserved.contains(&cursor) {
            return false;
        }
        let Some(signal) = Signal::from_name(&meta.signal) else {
            say(&format!("unknown signal {:?}", meta.signal));
            return false;
        };
        self.sent += 1;
        let batch = Batch {
            signal,
            chunks: vec![letter.request.clone()],
            items: usize::try_from(letter.items).unwrap_or(usize::MAX),
            origin: Origin {
                log_id: self.id.clone(),
                first_block: self.sent,
                last_block: self.sent,
                part: 0,
                parts: 1,
                share: None,
            },
        };
        let (why, for_all) = match self.send(&batch, &cursor).await {
            Ok(()) => return true,
            Err(NotTaken::Letter(why)) => (why, false),
            Err(NotTaken::All(why)) => (why, true),
        };
        let HandOver { pipeline, exporter } = &cursor;
        say(&format!(
            "not taken for {exporter} of pipeline {pipeline}: {why}"
        ));
        if for_all {
            self.unserved.insert(cursor);
        }
        false
    }

    async fn send(&self, batch: &Batch, cursor: &HandOver) -> Result<(), NotTaken> {
        let client = self.receivers.cursor(cursor.clone());
        let mut failure = NotTaken::Letter(String::new());
        for attempt in 1..=ATTEMPTS {
            let outcome = client.send(batch, attempt).await;
            let unserved = outcome.is_unserved();
            let (after, not_taken) = match outcome {
                Outcome::Delivered { rejected: 0, .. } => return Ok(()),
                Outcome::Delivered { rejected, message } => {
                    let why = format!("{rejected} items rejected: {message}");
                    return Err(NotTaken::Letter(why));
                }
                Outcome::TooLarge { reason } | Outcome::Rejected { reason } => {
                    return Err(NotTaken::Letter(reason));
                }
                Outcome::Retry { after, reason } if unserved => {
                    (after.unwrap_or(PAUSE), NotTaken::All(reason))
                }
                Outcome::Retry { after, reason } => {
                    (after.unwrap_or(PAUSE), NotTaken::Letter(reason))
                }
                Outcome::Unreached { after, reason } => {
                    // Who failed a moment ago is not asked again at once: why it did was said then.
                    let reason = match failure {
                        NotTaken::All(earlier) => earlier,
                        NotTaken::Letter(_) => reason,
                    };
                    (after, NotTaken::All(reason))
                }
            };
            failure = not_taken;
            if attempt < ATTEMPTS {
                tokio::time::sleep(after.clamp(PAUSE / 4, 4 * PAUSE)).await;
            }
        }
        Err(failure)
    }

    fn incomplete(&mut self, path: &Path, what: &str) {
        say(&format!("{}: {what}", path.display()));
        self.complete = false;
    }
}
