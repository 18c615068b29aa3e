//! Tests of recovery.

use super::*;
use crate::log::disk::sim::{Faults, Leaves, SimDisk};
use crate::log::format::{Purpose, SegmentHeader, VERSION};
use crate::log::segments::Found;
use crate::log::store::tests::rig::{
    Rig, blocks, books, limits, losses, number, of_blocks, open, read_all, rig,
};
use std::path::PathBuf;

mod mutation;

/// A log of three segments, the last with two blocks.
fn log() -> (Rig, Vec<crate::log::format::Record>) {
    let mut rig = rig();
    let mut all = Vec::new();
    for count in [6, 6, 2] {
        rig.store.seal();
        for _ in 0..count {
            all.extend(rig.append(&[100]));
        }
        rig.store.append(&[], Some(&books(count))).unwrap();
    }
    (rig, all)
}

fn change_header(rig: &Rig, path: &Path, change: impl FnOnce(&mut SegmentHeader)) {
    rig.disk.tamper(path, |bytes| {
        let header = bytes[..96].try_into().unwrap();
        let mut header = SegmentHeader::decode(header).unwrap();
        change(&mut header);
        bytes[..96].copy_from_slice(&header.encode());
    });
}

fn everything(disk: &SimDisk) -> Vec<(PathBuf, Vec<u8>)> {
    let paths = disk.paths().into_iter();
    let files = paths.filter(|path| !path.ends_with("lock"));
    files
        .map(|path| (path.clone(), disk.bytes(&path)))
        .collect()
}

#[test]
fn a_killed_process_loses_nothing() {
    let (rig, all) = log();
    let (id, end) = (rig.recovered.log_id.clone(), rig.store.end());
    let mut rig = rig.killed();
    assert_eq!(rig.recovered.log_id, id);
    assert_eq!(rig.recovered.end, end);
    assert_eq!(rig.recovered.first, Totals::default());
    assert_eq!(rig.recovered.torn_bytes, 0);
    assert_eq!(rig.recovered.books.as_ref().map(number), Some(2));
    assert_eq!(rig.all(), of_blocks(&all));
    let more = rig.append(&[5]);
    assert_eq!(rig.killed().all(), of_blocks(&[all, more].concat()));
}

#[test]
fn sealed_segments_are_not_read_through() {
    let (rig, _) = log();
    let rig = rig.killed();
    let bytes: usize = rig
        .files()
        .iter()
        .map(|path| rig.disk.bytes(path).len())
        .sum();
    let before = rig.disk.bytes_read();
    let rig = rig.killed();
    let read = rig.disk.bytes_read() - before;
    // For each of the three a header and the index; the books of the last.
    assert!(read < 3 * (96 + 8 + 64 + 64 + 52 + 64) + 500, "{read}");
    assert!((read as usize) < bytes / 2, "{read} of {bytes}");
}

#[test]
fn a_torn_tail_is_cut_off_wherever_it_is_torn() {
    let (mut rig, all) = log();
    let path = rig.files().pop().unwrap();
    let whole = rig.disk.bytes(&path).len();
    rig.append(&[100, 30]);
    let torn = rig.disk.bytes(&path);
    // The first of the two blocks may be there, as it was written.
    for cut in whole..torn.len() {
        let disk = SimDisk::default();
        for (path, bytes) in everything(&rig.disk) {
            disk.put(&path, &bytes);
        }
        disk.put(&path, &torn[..cut]);
        let mut rig = open(&disk, limits()).unwrap();
        let found = of_blocks(&blocks(all[13].end(), &[100], 0xab));
        let first_is_whole = cut >= whole + 164;
        let tail = if first_is_whole { &found[..] } else { &[] };
        let mut expected = of_blocks(&all);
        expected.extend(tail.iter().cloned());
        let kept = whole + if first_is_whole { 164 } else { 0 };
        assert_eq!(rig.recovered.torn_bytes, (cut - kept) as u64);
        let mut there = rig.all();
        there.retain(|found| matches!(found, Found::Block(_)));
        assert_eq!(there, expected);
        assert_eq!(losses(&rig.all()), []);
        let more = rig.append(&[7]);
        assert_eq!(read_all(&rig.segments, more[0].begin()), of_blocks(&more));
    }
}

#[test]
fn a_stop_anywhere_in_a_rotation_loses_nothing_that_was_appended() {
    for stop_after in 0.. {
        let (mut rig, mut all) = log();
        rig.disk.fail(Faults {
            stop_after: Some(stop_after),
            ..Faults::default()
        });
        rig.store.seal();
        let next = blocks(rig.store.end(), &[100], 1);
        let appended = rig.store.append(&next, Some(&books(9))).is_ok();
        if appended {
            all.extend(next);
        }
        let rig = rig.killed();
        assert_eq!(losses(&rig.all()), []);
        let mut there = rig.all();
        there.retain(|found| matches!(found, Found::Block(_)));
        assert_eq!(there, of_blocks(&all));
        let expected = if appended { 9 } else { 2 };
        assert_eq!(rig.recovered.books.as_ref().map(number), Some(expected));
        let leftovers = rig.disk.paths();
        assert!(
            leftovers
                .iter()
                .all(|path| path.extension() != Some("new".as_ref()))
        );
        if appended {
            break;
        }
    }
}

#[test]
fn a_segment_without_its_index_is_walked() {
    let (rig, all) = log();
    for path in rig.files() {
        let len = rig.disk.bytes(&path).len();
        rig.disk.tamper(&path, |bytes| bytes[len - 1] ^= 1);
    }
    // The last one has no index yet, so it is its books that are damaged.
    let rig = rig.killed();
    assert_eq!(rig.all(), of_blocks(&all));
}

#[test]
fn a_later_version_is_refused_and_left_as_it_is() {
    let (rig, _) = log();
    let path = rig.files()[1].clone();
    change_header(&rig, &path, |header| header.version = VERSION + 1);
    // Even beside what would be cleared away.
    rig.disk.put(Path::new("/log/0/00000000000000ff.new"), b"");
    let before = everything(&rig.disk);
    rig.disk.kill();
    let error = open(&rig.disk, limits()).unwrap_err();
    assert!(matches!(
        error,
        StoreError::Newer {
            found: 2,
            known: 1,
            ..
        }
    ));
    let text = error.to_string();
    assert!(text.contains(&path.display().to_string()), "{text}");
    assert!(text.contains("format 2"), "{text}");
    assert_eq!(everything(&rig.disk), before);
}

#[test]
fn a_log_of_another_signal_or_purpose_is_refused_and_left_as_it_is() {
    let changes: [fn(&mut SegmentHeader); 2] = [
        |header| header.signal = Some(Signal::Traces),
        |header| header.purpose = Purpose::DeadLetters,
    ];
    for change in changes {
        let (rig, _) = log();
        change_header(&rig, &rig.files()[1].clone(), change);
        let before = everything(&rig.disk);
        rig.disk.kill();
        let error = open(&rig.disk, limits()).unwrap_err();
        assert!(matches!(error, StoreError::Foreign { .. }), "{error}");
        assert_eq!(everything(&rig.disk), before);
    }
}

#[test]
fn a_segment_of_another_log_goes_to_quarantine_and_the_rest_goes_on() {
    let (rig, all) = log();
    let (other, _) = log();
    let stranger = other.disk.bytes(&other.files()[2]);
    let path = Path::new("/log/0/0000000000000063.seg");
    rig.disk.put(path, &stranger);
    let rig = rig.killed();
    assert_eq!(rig.all(), of_blocks(&all));
    let [taken] = &rig.quarantined()[..] else {
        panic!("it is kept");
    };
    assert_eq!(rig.disk.bytes(taken), stranger);
    assert!(!rig.files().contains(&path.to_owned()));
}

#[test]
fn damaged_segment_headers_cost_nothing() {
    let (rig, all) = log();
    let id = rig.recovered.log_id.clone();
    for path in rig.files() {
        rig.disk.tamper(&path, |bytes| bytes[20] ^= 1);
    }
    let rig = rig.killed();
    assert_eq!(rig.recovered.log_id, id);
    let mut there = rig.all();
    there.retain(|found| matches!(found, Found::Block(_)));
    assert_eq!(there, of_blocks(&all));
    assert_eq!(losses(&rig.all()), []);
}

#[test]
fn damaged_books_give_way_to_the_ones_before() {
    let (rig, _) = log();
    let path = rig.files()[2].clone();
    let len = rig.disk.bytes(&path).len();
    rig.disk.tamper(&path, |bytes| bytes[len - 10] ^= 1);
    let rig = rig.killed();
    assert_eq!(rig.recovered.books.as_ref().map(number), Some(6));
}

#[test]
fn numbers_are_left_out_when_the_machine_was_started_since() {
    let (mut rig, all) = log();
    rig.store.sync().unwrap();
    let end = rig.store.end();
    let lost = rig.append(&[100]);
    rig.disk.crash(Leaves::First, &mut |_| 0);
    let mut rig = open(&rig.disk, limits()).unwrap();
    assert_eq!(rig.recovered.end.seq, end.seq + SKIPPED_SEQS);
    assert_eq!(rig.recovered.end.items, end.items);
    let more = rig.append(&[100]);
    assert_ne!(more[0].seq, lost[0].seq);
    let found = rig.all();
    assert_eq!(losses(&found), []);
    assert_eq!(found[..14], of_blocks(&all));
    let Found::Lost(skipped) = &found[14] else {
        panic!("numbers are left out");
    };
    assert_eq!((skipped.why, skipped.items), (Why::Skipped, 0));
    assert_eq!(found[15..], of_blocks(&more));
}

#[test]
fn a_segment_that_cannot_be_read_is_neither_cut_nor_written() {
    let (rig, _) = log();
    let path = rig.files()[2].clone();
    let before = rig.disk.bytes(&path);
    rig.disk.kill();
    rig.disk.fail(Faults {
        unreadable: vec![(path.clone(), 500..501)],
        ..Faults::default()
    });
    let rig = open(&rig.disk, limits()).unwrap();
    assert!(rig.disk.bytes(&path) == before);
    assert_eq!(rig.recovered.torn_bytes, 0);
    assert!(rig.recovered.end.seq > SKIPPED_SEQS);
}
