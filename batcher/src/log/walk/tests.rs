//! Tests of the walk over records.

use super::*;
use crate::log::disk::Disk;
use crate::log::disk::sim::{Faults, SimDisk};
use crate::log::format::{Kind, Totals};
use std::path::Path;
use std::sync::Arc;

const TAG: u32 = 42;

fn record(seq: u64, payload: &[u8]) -> Vec<u8> {
    let at = Totals {
        seq,
        items: seq,
        bytes: seq,
    };
    let header = RecordHeader {
        kind: Kind::Block,
        payload_len: payload.len() as u32,
        items: 1,
        at,
        since_ns: 0,
        tag: TAG,
        payload_crc: crc32fast::hash(payload),
    };
    [header.encode().as_slice(), payload].concat()
}

fn file(bytes: &[u8]) -> (SimDisk, Arc<dyn DiskFile>) {
    let disk = SimDisk::default();
    disk.put(Path::new("/file"), bytes);
    let file = disk.open(Path::new("/file")).unwrap();
    (disk, file)
}

/// Numbers of the records, and the bad ranges.
fn walked(file: &dyn DiskFile, len: usize, unreadable: Unreadable) -> (Vec<u64>, Vec<Range<u64>>) {
    let mut walk = Walk::new(file, Some(TAG), 0..len as u64, unreadable);
    let (mut records, mut bad) = (Vec::new(), Vec::new());
    while let Some(step) = walk.step().unwrap() {
        match step {
            Step::Record { header, .. } => records.push(header.at.seq),
            Step::Bad { range, .. } => bad.push(range),
        }
    }
    (records, bad)
}

#[test]
fn records_follow_each_other_and_payloads_are_theirs() {
    let bytes = [record(1, b"one"), record(2, b""), record(3, b"three")].concat();
    let (_disk, file) = file(&bytes);
    let mut walk = Walk::new(&*file, Some(TAG), 0..bytes.len() as u64, Unreadable::Fails);
    for expected in [&b"one"[..], b"", b"three"] {
        let Some(Step::Record { header, .. }) = walk.step().unwrap() else {
            panic!("a record");
        };
        assert_eq!(walk.check(&header).unwrap(), None);
        let payload = walk.payload(&header).unwrap().unwrap();
        assert_eq!(payload, expected);
    }
    assert_eq!(walk.step().unwrap(), None);
}

#[test]
fn the_walk_goes_on_at_the_next_record_after_bad_bytes() {
    // With what looks like the beginning of a record among them, and across the end of a chunk.
    let junk = [b"PREC".repeat(20), vec![7; CHUNK - 300], b"PRE".to_vec()].concat();
    let bytes = [record(1, b"one"), junk.clone(), record(2, b"two")].concat();
    let (_disk, file) = file(&bytes);
    let (records, bad) = walked(&*file, bytes.len(), Unreadable::Fails);
    assert_eq!(records, [1, 2]);
    let begin = RECORD_HEADER as u64 + 3;
    let end = begin + junk.len() as u64;
    assert_eq!(bad, vec![begin..end; 1]);
}

#[test]
fn a_record_of_another_log_or_beyond_the_end_is_none() {
    let mut other = record(1, b"one");
    other[48] ^= 1;
    let crc = crc32fast::hash(&other[..60]);
    other[60..64].copy_from_slice(&crc.to_le_bytes());
    let cut = record(3, b"three");
    let bytes = [other, record(2, b"two"), cut[..66].to_vec()].concat();
    let (_disk, file) = file(&bytes);
    let (records, bad) = walked(&*file, bytes.len(), Unreadable::Fails);
    assert_eq!(records, [2]);
    assert_eq!(bad, [0..67, 134..200]);
}

#[test]
fn a_changed_payload_is_damaged() {
    let mut bytes = record(1, b"one");
    bytes[64] ^= 1;
    let (_disk, file) = file(&bytes);
    let mut walk = Walk::new(&*file, Some(TAG), 0..bytes.len() as u64, Unreadable::Fails);
    let Some(Step::Record { header, .. }) = walk.step().unwrap() else {
        panic!("a record");
    };
    assert_eq!(walk.payload(&header).unwrap(), Err(Why::Damaged));
    assert_eq!(walk.check(&header).unwrap(), Some(Why::Damaged));
}

#[test]
fn what_cannot_be_read_fails_or_is_skipped() {
    let large = vec![1; 3 * SECTOR as usize];
    let bytes = [record(1, b"one"), record(2, &large), record(3, b"three")].concat();
    let (disk, file) = file(&bytes);
    // The header of the second one.
    let unreadable = vec![("/file".into(), 70..71)];
    disk.fail(Faults {
        unreadable,
        ..Faults::default()
    });
    let mut walk = Walk::new(&*file, Some(TAG), 0..bytes.len() as u64, Unreadable::Fails);
    assert!(walk.step().unwrap().is_some());
    assert!(walk.step().is_err());
    let (records, bad) = walked(&*file, bytes.len(), Unreadable::Skipped);
    assert_eq!(records, [1, 3]);
    assert_eq!(bad.len(), 1);
}

#[test]
fn a_payload_is_read_though_the_record_after_it_cannot_be() {
    let bytes = [record(1, b"one"), record(2, b"two")].concat();
    let (disk, file) = file(&bytes);
    disk.fail(Faults {
        unreadable: vec![("/file".into(), 80..81)],
        ..Faults::default()
    });
    let mut walk = Walk::new(&*file, Some(TAG), 0..bytes.len() as u64, Unreadable::Fails);
    let Some(Step::Record { header, .. }) = walk.step().unwrap() else {
        panic!("a record");
    };
    assert_eq!(walk.payload(&header).unwrap().unwrap(), "one");
    assert!(walk.step().is_err());
}
