//! `e2e damage`: a log that is not as it was left. Bytes flipped, a segment gone, files as a crash in the middle of a rotation
//! leaves them: what can be read is delivered, and what cannot is counted to the item.
//!
//! All cases begin with the same real log, made while the backend was away.

use super::Options;
use super::books::{Arrived, Sent};
use super::parts::Part;
use super::rig::{Plan, Rig, SETTLE};
use crate::fail::{Outcome, bail};
use crate::process::pause;
use crate::sh;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Of a segment's header.
const HEADER: u64 = 96;
/// Of a record's header; the first record holds the books.
const RECORD: u64 = 64;

/// What is done to the segments, oldest first.
enum Harm {
    /// Bytes in the middle of one turn over: what is lost is counted.
    Flip,
    /// One from the middle is gone: counted too.
    Gone,
    /// The last one under its first name, as far as it had been written when the process was killed; its items had not been
    /// acked then.
    New(u64),
    /// The same under its own name: the machine lost power after the renaming.
    Begun(u64),
    /// The last one does not exist yet, and the one before misses the end of its footer.
    Footer,
}

const CASES: [(&str, Harm); 10] = [
    ("bytes flipped in a segment", Harm::Flip),
    ("segment gone", Harm::Gone),
    ("rotation: new segment empty", Harm::New(0)),
    (
        "rotation: new segment half written",
        Harm::New(HEADER + RECORD + 10),
    ),
    ("power: new segment empty", Harm::Begun(0)),
    ("power: new segment cut in its header", Harm::Begun(20)),
    (
        "power: new segment with its header only",
        Harm::Begun(HEADER),
    ),
    (
        "power: new segment cut in a record's header",
        Harm::Begun(HEADER + 30),
    ),
    (
        "power: new segment cut in its books",
        Harm::Begun(HEADER + RECORD + 10),
    ),
    ("rotation: old segment's footer cut", Harm::Footer),
];

/// See the module.
pub(crate) fn damage(_options: &Options) -> Outcome {
    let mut rig = Rig::start(&Plan {
        name: "damage",
        profile: "debug",
        signals: &["logs"],
        log: "max_bytes: 64MiB, segment_size: 256KiB, block_size: 16KiB",
        penstock: "  shards: 1\n  drain: {deadline: 1s}\n",
        exporters: &["otlp"],
        wrapper: Vec::new(),
    })?;
    rig.backend.kill()?;
    let oracle = rig.oracle(4000, 20)?;
    pause(Duration::from_secs(2));
    rig.silence(oracle)?;
    rig.receiver.down()?;
    let sound = rig.folder.join("sound");
    copy(&rig.data(), &sound)?;
    for (name, harm) in &CASES {
        fs::remove_dir_all(rig.data())?;
        copy(&sound, &rig.data())?;
        if !verified(&rig.data())? {
            bail!("`log verify` finds fault with a sound log");
        }
        let what = harm.inflict(&segments(&rig.data())?)?;
        if matches!(harm, Harm::Flip | Harm::Gone) && verified(&rig.data())? {
            bail!("{name}: `log verify` finds nothing");
        }
        let told = case(&mut rig, harm, &what).map_err(|error| format!("{name}: {error}"))?;
        println!("{name}: {told}");
    }
    for exporter in rig.exporters {
        exporter.stop()?;
    }
    Ok(())
}

fn case(rig: &mut Rig, harm: &Harm, never: &BTreeSet<u64>) -> Outcome<String> {
    rig.forget_arrived()?;
    rig.backend.up()?;
    // It remembers what it delivered in the case before, and all logs are the same one.
    for exporter in &mut rig.exporters {
        exporter.kill()?;
        exporter.up()?;
    }
    rig.receiver.up()?;
    let ledger = rig.settled(SETTLE)?;
    rig.receiver.down()?;
    rig.backend.kill()?;
    let (sent, arrived) = (rig.sent()?, rig.arrived()?);
    let missing = missing(&sent, &arrived);
    let (dropped, accepted) = (
        ledger.sum("dropped", |_| true),
        ledger.sum("accepted", |_| true),
    );
    let all: u64 = sent.calls.iter().map(|call| call.items).sum();
    match harm {
        Harm::Flip | Harm::Gone => {
            if accepted != all || missing.len() as u64 != dropped || dropped == 0 {
                bail!(
                    "{} items missing, {dropped} counted: {:?}",
                    missing.len(),
                    ledger.lines()
                );
            }
            // What was destroyed is what is missing, but for neighbours in the same block.
            if !missing.is_subset(never) {
                bail!("items are missing of segments that were not touched");
            }
        }
        Harm::New(_) | Harm::Begun(_) | Harm::Footer => {
            if missing != *never || dropped > 0 || accepted != all - never.len() as u64 {
                bail!(
                    "{} items were not written yet, {} are missing: {:?}",
                    never.len(),
                    missing.len(),
                    ledger.lines()
                );
            }
        }
    }
    Ok(format!(
        "{all} items sent, {accepted} accepted, {} missing, {dropped} dropped",
        missing.len()
    ))
}

/// Whether `log verify` finds nothing to look at.
fn verified(data: &Path) -> Outcome<bool> {
    let mut verify = Part::command("debug", &[], "penstock-receiver");
    let told = verify.args(["log", "verify"]).arg(data).output()?;
    match told.status.code() {
        Some(0) => Ok(true),
        Some(1) => Ok(false),
        _ => bail!("`log verify`: {}", String::from_utf8_lossy(&told.stderr)),
    }
}

/// Ids of acked items that are not there.
fn missing(sent: &Sent, arrived: &Arrived) -> BTreeSet<u64> {
    let end = sent.calls.last().map_or(0, |call| call.first + call.items);
    let at = arrived.at(end);
    let acked = sent.calls.iter().filter(|call| call.acked);
    let ids = acked.flat_map(|call| call.first..call.first + call.items);
    ids.filter(|id| at.get(*id as usize).is_none_or(Option::is_none))
        .collect()
}

impl Harm {
    /// Gives the ids of the items that were in what is no longer as it was.
    fn inflict(&self, segments: &[PathBuf]) -> Outcome<BTreeSet<u64>> {
        // Segments without items, if the last ones are such, are as good as not there.
        let full: Vec<_> = segments
            .iter()
            .filter(|path| ids(path).is_ok_and(|ids| !ids.is_empty()))
            .collect();
        let [.., before, last] = full.as_slice() else {
            bail!("the log has {} segments, too few", full.len())
        };
        let middle = full[full.len() / 2];
        match self {
            Self::Flip => {
                let (hit, mut bytes) = (ids(middle)?, fs::read(middle)?);
                let place = bytes.len() / 2;
                for byte in &mut bytes[place..place + 32] {
                    *byte ^= 0xff;
                }
                fs::write(middle, bytes)?;
                Ok(hit)
            }
            Self::Gone => {
                let hit = ids(middle)?;
                fs::remove_file(middle)?;
                Ok(hit)
            }
            Self::New(length) | Self::Begun(length) => {
                let hit = ids(last)?;
                remove_behind(segments, last)?;
                cut(last, *length)?;
                if matches!(self, Self::New(_)) {
                    fs::rename(last, last.with_extension("new"))?;
                }
                Ok(hit)
            }
            Self::Footer => {
                let hit = ids(last)?;
                remove_behind(segments, last)?;
                fs::remove_file(last)?;
                cut(before, fs::metadata(before)?.len() - 10)?;
                Ok(hit)
            }
        }
    }
}

fn cut(path: &Path, length: u64) -> Outcome {
    Ok(fs::File::options()
        .write(true)
        .open(path)?
        .set_len(length)?)
}

fn remove_behind(segments: &[PathBuf], last: &Path) -> Outcome {
    for path in segments.iter().filter(|path| path.as_path() > last) {
        fs::remove_file(path)?;
    }
    Ok(())
}

/// Segments of the one log that there is, oldest first.
fn segments(data: &Path) -> Outcome<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![data.join("log")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "seg") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Ids of the items in a file, found by their look.
fn ids(path: &Path) -> Outcome<BTreeSet<u64>> {
    let bytes = fs::read(path)?;
    let marks = bytes.windows(20).filter(|bytes| bytes.starts_with(b"oid-"));
    let id = |bytes: &[u8]| std::str::from_utf8(&bytes[4..]).ok()?.parse().ok();
    Ok(marks.filter_map(id).collect())
}

fn copy(from: &Path, to: &Path) -> Outcome {
    sh::run("cp", ["-a".as_ref(), from.as_os_str(), to.as_os_str()])
}
