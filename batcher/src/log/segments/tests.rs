//! Tests of reading.

use super::*;
use crate::log::disk::sim::Faults;
use crate::log::store::tests::rig::{Rig, losses, of_blocks, read_all, rig};

/// A log of `count` blocks of 100 bytes in segments of 4 KiB.
fn log(count: usize) -> (Rig, Vec<Record>) {
    let mut rig = rig();
    let mut blocks = Vec::new();
    for _ in 0..count {
        blocks.extend(rig.append(&[100]));
    }
    (rig, blocks)
}

/// Where a block's payload lies, in which file.
fn payload_at(rig: &Rig, block: &Record) -> (std::path::PathBuf, usize) {
    for path in rig.files() {
        let bytes = rig.disk.bytes(&path);
        let mut windows = bytes.windows(block.payload.len());
        let at = windows.position(|bytes| bytes == block.payload);
        if let Some(at) = at {
            return (path, at);
        }
    }
    panic!("block {} is in no segment", block.seq);
}

fn damage(rig: &Rig, block: &Record) {
    let (path, at) = payload_at(rig, block);
    rig.disk.tamper(&path, |bytes| bytes[at + 50] ^= 1);
}

#[test]
fn blocks_are_read_in_order_across_segments() {
    let (rig, blocks) = log(100);
    assert!(rig.segments.list().len() > 3);
    assert_eq!(rig.all(), of_blocks(&blocks));
    let from = blocks[70].begin();
    assert_eq!(read_all(&rig.segments, from), of_blocks(&blocks[70..]));
    assert_eq!(rig.segments.read(rig.store.end(), 1000).unwrap(), []);
}

#[test]
fn a_read_takes_as_many_blocks_as_fit_and_at_least_one() {
    let (rig, blocks) = log(10);
    let read = |max_bytes| rig.segments.read(blocks[2].begin(), max_bytes).unwrap();
    assert_eq!(read(0), of_blocks(&blocks[2..3]));
    assert_eq!(read(299), of_blocks(&blocks[2..4]));
    assert_eq!(read(300), of_blocks(&blocks[2..5]));
}

#[test]
fn reading_on_does_not_read_again_what_lies_before() {
    let (rig, blocks) = log(100);
    let before = rig.disk.bytes_read();
    let mut at = Totals::default();
    while at.seq < rig.store.end().seq {
        let found = rig.segments.read(at, 1).unwrap();
        assert_eq!(found, of_blocks(&blocks[at.seq as usize..][..1]));
        at = blocks[at.seq as usize].end();
    }
    let read = rig.disk.bytes_read() - before;
    assert!(read < 100 * (64 + 100 + 64 + 64) + 4000, "{read} bytes");
}

#[test]
fn a_damaged_block_is_lost_alone_and_a_copy_is_kept() {
    let (rig, blocks) = log(100);
    damage(&rig, &blocks[42]);
    for _ in 0..2 {
        let found = rig.all();
        assert_eq!(found[..42], of_blocks(&blocks[..42]));
        assert_eq!(found[43..], of_blocks(&blocks[43..]));
        let Found::Lost(lost) = &found[42] else {
            panic!("block 42 is damaged");
        };
        assert_eq!(lost.seqs, 42..=42);
        assert_eq!(lost.items, u64::from(blocks[42].items));
        assert_eq!((lost.bytes, lost.why), (100, Why::Damaged));
        let [copy] = &rig.quarantined()[..] else {
            panic!("one copy, however often it is read");
        };
        assert_eq!(rig.disk.bytes(copy).len(), 164);
    }
}

#[test]
fn a_damaged_header_costs_its_block_alone() {
    let (rig, blocks) = log(100);
    let (path, at) = payload_at(&rig, &blocks[42]);
    rig.disk.tamper(&path, |bytes| bytes[at - 40] ^= 1);
    let lost = losses(&rig.all());
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0].seqs, 42..=42);
    assert_eq!(lost[0].items, u64::from(blocks[42].items));
}

#[test]
fn the_quarantine_stays_small() {
    let (rig, blocks) = log(100);
    for block in &blocks[10..60] {
        damage(&rig, block);
    }
    let lost = losses(&rig.all());
    assert_eq!(lost.iter().map(|lost| lost.bytes).sum::<u64>(), 5000);
    assert_eq!(rig.quarantined().len(), 32);
}

#[test]
fn a_missing_segment_is_an_exact_loss() {
    let (mut rig, blocks) = log(100);
    // Else it is still open.
    rig.store.sync().unwrap();
    let segment = rig.segments.list()[1];
    let path = &rig.files()[1];
    rig.disk.remove_file(path).unwrap();
    let in_use = losses(&rig.all());
    let rig = rig.killed();
    let after_restart = losses(&rig.all());
    assert_eq!(rig.recovered.lost, after_restart);
    let range = segment.first.seq as usize..segment.end.seq as usize;
    let items: u64 = blocks[range].iter().map(|b| u64::from(b.items)).sum();
    for lost in [in_use, after_restart] {
        assert_eq!(lost.len(), 1);
        assert_eq!(lost[0].seqs, segment.first.seq..=segment.end.seq - 1);
        assert_eq!((lost[0].items, lost[0].why), (items, Why::Missing));
    }
}

#[test]
fn what_the_disk_does_not_give_is_lost_after_a_few_tries() {
    let (rig, blocks) = log(20);
    let (path, at) = payload_at(&rig, &blocks[3]);
    let at = at as u64;
    rig.disk.fail(Faults {
        unreadable: vec![(path, at..at + 1)],
        ..Faults::default()
    });
    let from = blocks[1].begin();
    assert_eq!(
        rig.segments.read(from, 5000).unwrap(),
        of_blocks(&blocks[1..3])
    );
    let from = blocks[3].begin();
    for _ in 0..TRIES {
        rig.segments.read(from, 5000).unwrap_err();
    }
    let found = rig.segments.read(from, 5000).unwrap();
    let Found::Lost(lost) = &found[0] else {
        panic!("block 3 cannot be read");
    };
    assert_eq!((lost.seqs.clone(), lost.why), (3..=3, Why::Unreadable));
    assert_eq!(found[1..], of_blocks(&blocks[4..]));
}

#[test]
fn a_passing_fault_of_the_disk_costs_nothing() {
    let (rig, blocks) = log(20);
    rig.disk.fail(Faults {
        reads: 1,
        ..Faults::default()
    });
    let from = Totals::default();
    rig.segments.read(from, 5000).unwrap_err();
    assert_eq!(rig.all(), of_blocks(&blocks));
}

#[test]
fn a_reader_behind_the_first_segment_is_told_what_it_missed() {
    let (mut rig, blocks) = log(100);
    let next = rig.segments.list()[1].first;
    let removal = crate::log::store::Removal::Now;
    rig.store.remove_segments(&[0], removal).unwrap();
    let from = blocks[5].begin();
    let found = rig.segments.read(from, 1).unwrap();
    assert_eq!(
        found,
        [Found::Lost(Lost {
            seqs: 5..=next.seq - 1,
            items: next.items - from.items,
            bytes: next.bytes - from.bytes,
            end: next,
            why: Why::Missing,
        })]
    );
}
