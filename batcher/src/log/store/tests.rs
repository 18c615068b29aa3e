//! Tests of the store.

use super::*;
use crate::log::disk::sim::{Faults, Leaves};
use crate::log::segments::Found;
use rig::{SEGMENT_BYTES, blocks, books, limits, losses, number, of_blocks, open, rig};

mod found;
mod model;
pub(crate) mod rig;

fn writes_fail(writes: u32) -> Faults {
    Faults {
        writes,
        ..Faults::default()
    }
}

fn syncs_fail(syncs: u32) -> Faults {
    Faults {
        syncs,
        ..Faults::default()
    }
}

#[test]
fn segments_end_before_they_grow_too_large_and_begin_with_the_newest_books() {
    let mut rig = rig();
    let mut all = Vec::new();
    for count in 0..50 {
        let next = blocks(rig.store.end(), &[200, 50], 1);
        rig.store.append(&next, Some(&books(count))).unwrap();
        all.extend(next);
    }
    let segments = rig.segments.list();
    assert!(segments.len() > 4);
    let (newest, sealed) = segments.split_last().unwrap();
    assert!(!newest.sealed);
    for segment in sealed {
        // The index comes on top.
        assert!(segment.sealed && segment.bytes_on_disk < SEGMENT_BYTES + 200);
    }
    for (path, segment) in rig.files().iter().zip(&segments) {
        let bytes = rig.disk.bytes(path);
        assert_eq!(bytes.len() as u64, segment.bytes_on_disk);
        let count = all.iter().filter(|block| block.seq < segment.first.seq);
        let books = format!("\"retried\":{}", count.count() / 2);
        let text = String::from_utf8_lossy(&bytes[96..500]);
        assert!(text.contains(&books), "{books} in {text}");
    }
    assert_eq!(rig.all(), of_blocks(&all));
}

#[test]
fn an_append_larger_than_a_segment_has_one_of_its_own() {
    let mut rig = rig();
    let small = rig.append(&[10]);
    let large = rig.append(&[SEGMENT_BYTES as usize; 3]);
    let after = rig.append(&[10]);
    assert_eq!(rig.segments.list().len(), 3);
    assert_eq!(rig.all(), of_blocks(&[small, large, after].concat()));
}

#[test]
fn without_room_an_append_is_not_there_and_goes_on_in_the_same_segment_later() {
    let mut rig = rig();
    let before = rig.append(&[100]);
    rig.disk.fail(Faults {
        capacity: Some(rig.disk.used() + 300),
        ..Faults::default()
    });
    let next = blocks(rig.store.end(), &[200, 200], 1);
    for _ in 0..3 {
        let error = rig.store.append(&next, None).unwrap_err();
        assert!(matches!(error, StoreError::Full { .. }), "{error}");
        assert_eq!(rig.all(), of_blocks(&before));
    }
    rig.disk.fail(Faults::default());
    rig.store.append(&next, None).unwrap();
    assert_eq!(rig.segments.list().len(), 1);
    assert_eq!(rig.killed().all(), of_blocks(&[before, next].concat()));
}

#[test]
fn after_a_write_that_failed_the_append_goes_to_another_segment() {
    for truncates in [0, 1] {
        let mut rig = rig();
        let before = rig.append(&[100]);
        rig.disk.fail(Faults {
            truncates,
            ..writes_fail(1)
        });
        let next = blocks(rig.store.end(), &[200, 200], 1);
        let error = rig.store.append(&next, None).unwrap_err();
        assert!(matches!(error, StoreError::Io { .. }), "{error}");
        assert_eq!(rig.all(), of_blocks(&before));
        rig.store.append(&next, None).unwrap();
        assert_eq!(rig.segments.list().len(), 2);
        assert_eq!(rig.killed().all(), of_blocks(&[before, next].concat()));
    }
}

#[test]
fn what_is_left_of_a_failed_append_does_not_reach_into_the_next_segment() {
    let mut rig = rig();
    rig.append(&[100]);
    rig.disk.fail(Faults {
        truncates: 1,
        ..writes_fail(1)
    });
    let refused = blocks(rig.store.end(), &[10, 10, 1000], 1);
    rig.store.append(&refused, None).unwrap_err();
    rig.append(&[20]);
    let rig = rig.killed();
    let [old, new] = &rig.segments.list()[..] else {
        panic!("two segments");
    };
    assert_eq!(old.end, new.first);
    assert_eq!(rig.all().len(), 2);
}

#[test]
fn a_short_write_is_completed() {
    let mut rig = rig();
    rig.append(&[100]);
    rig.disk.fail(Faults {
        short_writes: 4,
        ..Faults::default()
    });
    rig.append(&[200, 200]);
    let rig = rig.killed();
    assert_eq!(rig.recovered.torn_bytes, 0);
    assert_eq!(rig.all().len(), 3);
}

#[test]
fn only_the_next_blocks_are_taken() {
    let mut rig = rig();
    rig.append(&[10, 10]);
    let mut wrong = blocks(rig.store.end(), &[10, 10], 1);
    wrong[1].items_before += 1;
    let error = rig.store.append(&wrong, None).unwrap_err();
    assert!(matches!(error, StoreError::OutOfOrder { .. }), "{error}");
    assert_eq!(rig.all().len(), 2);
}

#[test]
fn what_a_failed_sync_may_have_lost_is_durable_after_the_next() {
    for keep_unsynced in [false, true] {
        let mut rig = rig();
        let mut all = rig.append(&[100]);
        rig.store.sync().unwrap();
        rig.store.limits.keep_unsynced = keep_unsynced;
        all.extend(rig.append(&[100, 30]));
        rig.disk.fail(syncs_fail(1));
        assert!(rig.store.sync().is_err());
        assert_eq!(rig.all(), of_blocks(&all));
        all.extend(rig.append(&[100]));
        rig.store.sync().unwrap();
        rig.disk.crash(Leaves::First, &mut |_| 0);
        let rig = open(&rig.disk, limits()).unwrap();
        assert_eq!(losses(&rig.all()), []);
        assert_eq!(rig.all()[..4], of_blocks(&all));
    }
}

#[test]
fn kept_blocks_survive_a_system_that_forgets_what_it_could_not_write() {
    let mut rig = rig();
    rig.store.limits.keep_unsynced = true;
    let all = rig.append(&[100, 30]);
    let path = rig.files()[0].clone();
    rig.disk.tamper(&path, |bytes| bytes[96..].fill(0));
    rig.disk.fail(syncs_fail(1));
    assert!(rig.store.sync().is_err());
    rig.store.sync().unwrap();
    assert_eq!(rig.killed().all(), of_blocks(&all));
}

#[test]
fn a_sync_runs_beside_appends_and_rotations() {
    let mut rig = rig();
    let mut all = rig.append(&[1000; 3]);
    let job = rig.store.sync_job().unwrap();
    all.extend(rig.append(&[1000; 3]));
    all.extend(rig.append(&[1000; 3]));
    let done = job.run();
    rig.store.synced(done).unwrap();
    assert_eq!(rig.all(), of_blocks(&all));
    rig.store.sync().unwrap();
    rig.disk.crash(Leaves::First, &mut |_| 0);
    let rig = open(&rig.disk, limits()).unwrap();
    assert_eq!(rig.all()[..9], of_blocks(&all));
}

#[test]
fn removed_segments_leave_the_disk_with_the_sync_of_the_books_but_the_newest_stays() {
    let mut rig = rig();
    for _ in 0..4 {
        rig.append(&[3000]);
    }
    let all: Vec<_> = rig.segments.list();
    let firsts: Vec<_> = all.iter().map(|segment| segment.first.seq).collect();
    rig.store.append(&[], Some(&books(5))).unwrap();
    let freed = rig.store.remove_segments(&firsts, Removal::Synced).unwrap();
    let sizes = all[..3].iter().map(|segment| segment.bytes_on_disk);
    assert_eq!(freed, sizes.sum::<u64>());
    assert_eq!(rig.segments.list().len(), 1);
    assert_eq!(rig.files().len(), 4);
    rig.disk.fail(syncs_fail(1));
    assert!(rig.store.sync().is_err());
    assert_eq!(rig.files().len(), 4);
    rig.store.sync().unwrap();
    assert_eq!(rig.files().len(), 1);
    let rig = rig.killed();
    assert_eq!(rig.recovered.books.as_ref().map(number), Some(5));
    assert_eq!(rig.recovered.first.seq, 3);
}

#[test]
fn segments_may_go_at_once_to_make_room() {
    let mut rig = rig();
    for _ in 0..3 {
        rig.append(&[3500]);
    }
    rig.store.remove_segments(&[0], Removal::Now).unwrap();
    assert_eq!(rig.files().len(), 2);
    let Found::Block(first) = &rig.all()[0] else {
        panic!("the second is there");
    };
    assert_eq!(first.seq, 1);
}

#[test]
fn a_log_without_blocks_does_not_grow_without_end() {
    let mut rig = rig();
    for count in 0..200 {
        rig.store.append(&[], Some(&books(count))).unwrap();
    }
    assert_eq!(rig.segments.list().len(), 1);
    assert!(rig.disk.used() < 2 * SEGMENT_BYTES);
    let rig = rig.killed();
    assert_eq!(rig.recovered.books.as_ref().map(number), Some(199));
}

#[test]
fn a_drained_log_leaves_no_file_behind() {
    let mut rig = rig();
    rig.append(&[100]);
    rig.remove().unwrap();
    assert!(rig.disk.paths().is_empty());
}
