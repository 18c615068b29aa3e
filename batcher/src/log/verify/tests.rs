//! Tests of what is told to people, on real files.

use super::*;
use crate::log::disk::Files;
use crate::log::folders::Folders;
use crate::log::store::tests::rig::{blocks, books};
use crate::log::store::{Store, StoreLimits};
use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use tempfile::TempDir;

/// A log of three segments of two blocks each, in `log/otlp%2Fa/logs/0`.
fn log() -> (TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let folders = Folders::new(root.path().join("log/otlp%2Fa/logs"), Files::shared());
    let folder = folders.claim().unwrap();
    let limits = StoreLimits {
        segment_bytes: 1700,
        keep_unsynced: false,
    };
    let (mut store, ..) = Store::open(&folder, Files::shared(), limits, Signal::Logs).unwrap();
    let mut books = books(0);
    for _ in 0..3 {
        let next = blocks(store.end(), &[300, 300], 1);
        let first = store.end().seq == 0;
        store.append(&next, first.then_some(&books)).unwrap();
    }
    let cursor = &mut books.cursors[0];
    let end = store.end();
    (cursor.next, cursor.read_items, cursor.delivered) = (end.seq, end.items, end.items);
    store.append(&[], Some(&books)).unwrap();
    (root, folder.path.clone())
}

fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(dir).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .map(|path| (path.clone(), fs::read(&path).unwrap()))
        .collect()
}

fn flip(dir: &Path, file: &str, at: u64) {
    let file = fs::File::options()
        .read(true)
        .write(true)
        .open(dir.join(file))
        .unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

const SECOND: &str = "0000000000000002.seg";

#[test]
fn a_whole_log_is_sound_and_nothing_is_changed() {
    let (root, dir) = log();
    assert_eq!(folders(root.path()).unwrap(), std::slice::from_ref(&dir));
    let before = contents(&dir);
    for report in [inspect(&dir).unwrap(), verify(&dir).unwrap()] {
        assert!(report.is_sound(), "{report}");
        assert_eq!(report.signal, Some("logs"));
        assert_eq!(report.next_seq, 6);
        assert_eq!(report.segments.len(), 3);
        assert!(report.segments[0].sealed && !report.segments[2].sealed);
        let cursors = report.cursors.as_deref().unwrap();
        assert_eq!(cursors[0].accepted, report.accepted);
        assert_eq!(cursors[0].unread, 0);
        let text = report.to_string();
        assert!(text.contains("logs -> otlp: next block 6"), "{text}");
        assert!(text.ends_with("sound") && !text.contains("NOT"), "{text}");
        serde_json::to_string(&report).unwrap();
    }
    assert_eq!(contents(&dir), before);
}

#[test]
fn damage_is_found_where_it_is() {
    let (_root, dir) = log();
    flip(&dir, SECOND, 700);
    let before = contents(&dir);
    let report = verify(&dir).unwrap();
    assert!(!report.is_sound(), "{report}");
    let [lost] = &report.lost[..] else {
        panic!("one block is damaged: {report}");
    };
    assert_eq!((lost.first, lost.last, lost.bytes), (2, 2, 300));
    assert_eq!((lost.items, lost.why), (1 + 300 % 7, "damaged"));
    assert_eq!(report.segments[1].damage.len(), 1);
    assert_eq!(contents(&dir), before);
}

#[test]
fn a_missing_segment_and_an_append_under_way_are_found() {
    let (_root, dir) = log();
    fs::remove_file(dir.join(SECOND)).unwrap();
    let last = dir.join("0000000000000004.seg");
    let len = fs::metadata(&last).unwrap().len();
    let file = fs::File::options().write(true).open(&last).unwrap();
    file.write_all_at(b"PREC and so on", len).unwrap();
    let report = inspect(&dir).unwrap();
    assert!(!report.is_sound(), "{report}");
    assert_eq!(report.torn_bytes, 14);
    assert_eq!(report.lost.len(), 1);
    assert_eq!((report.lost[0].first, report.lost[0].last), (2, 3));
    assert_eq!(report.lost[0].why, "missing");
}

#[test]
fn blocks_that_went_before_a_cursor_had_read_them_are_lost() {
    let (_root, dir) = log();
    fs::remove_file(dir.join("0000000000000000.seg")).unwrap();
    // The cursor is past them.
    assert!(verify(&dir).unwrap().is_sound());
    // The books before say that it has read nothing.
    let last = dir.join("0000000000000004.seg");
    let len = fs::metadata(&last).unwrap().len();
    flip(&dir, "0000000000000004.seg", len - 5);
    let report = verify(&dir).unwrap();
    assert_eq!(report.segments[1].damage.len(), 1);
    let [lost] = &report.lost[..] else {
        panic!("the first segment is gone: {report}");
    };
    assert_eq!((lost.first, lost.last, lost.why), (0, 1, "missing"));
}

#[test]
fn a_folder_that_is_not_there_is_told() {
    let error = inspect(Path::new("/nowhere/at/all")).unwrap_err();
    assert!(error.to_string().contains("/nowhere/at/all"), "{error}");
}
