//! Sequences that the model test found to go wrong, each named after what it must not break.

use super::super::Removal;
use super::model::{Action, run};
use crate::log::disk::sim::{Faults, Leaves};
use Action::{
    Append, Books, Check, Corrupt, Crash, Fail, Full, Kill, RemoveOldest, Seal, Sync, SyncBegins,
};

fn append(sizes: &[usize]) -> Action {
    Append(sizes.to_vec(), false)
}

fn append_and_books(sizes: &[usize]) -> Action {
    Append(sizes.to_vec(), true)
}

fn none() -> Faults {
    Faults::default()
}

#[test]
fn a_second_stop_of_the_machine_does_not_bring_numbers_back() {
    let actions = [
        append(&[1]),
        Sync,
        Crash(Leaves::First, 0),
        append(&[1]),
        Crash(Leaves::First, 6_400_162_542_954_067_674),
    ];
    run(&actions, false);
}

#[test]
fn a_sync_covers_every_segment_that_the_process_before_left() {
    let actions = [
        append(&[1544, 111, 206]),
        append(&[1283, 21, 294]),
        append(&[5, 1919]),
        Kill,
        Sync,
        Crash(Leaves::First, 2_174_941_347_104),
    ];
    run(&actions, false);
}

#[test]
fn what_could_not_be_read_back_shows_in_the_segment_that_is_written_again() {
    let actions = [
        append(&[4]),
        Crash(Leaves::First, 2_762_450_344_676_992_034),
        append(&[1631, 23, 222]),
        append(&[104, 1336, 137]),
        Kill,
        append_and_books(&[182]),
        RemoveOldest(Removal::Synced),
        Fail(Faults {
            dir_syncs: 1,
            ..none()
        }),
        Corrupt {
            file: 3_885_475_720_304_197_631,
            at: 11_119_012_963_704_221_608,
            bit: 0,
        },
        Sync,
    ];
    run(&actions, false);
}

#[test]
fn a_durable_segment_is_replaced_only_by_a_durable_one() {
    let actions = [
        Books,
        Sync,
        Fail(Faults {
            writes: 1,
            ..none()
        }),
        append(&[1]),
        Check,
        append(&[10]),
        Crash(Leaves::First, 7_894_166_035_172_645_084),
    ];
    run(&actions, false);
}

#[test]
fn segments_go_at_once_only_when_the_newest_is_durable() {
    let actions = [
        append_and_books(&[109, 186]),
        Books,
        append_and_books(&[1]),
        append(&[417]),
        Sync,
        append_and_books(&[240, 479, 192, 16]),
        RemoveOldest(Removal::Now),
        Crash(Leaves::Any, 15_666_761_141_922_361_186),
    ];
    run(&actions, false);
    let actions = [
        append(&[1]),
        Full(0),
        append(&[1]),
        Seal,
        Sync,
        append(&[1]),
        append(&[1]),
        Fail(Faults { syncs: 2, ..none() }),
        append(&[1]),
        Sync,
        RemoveOldest(Removal::Now),
        Crash(Leaves::First, 9_427_318_382_971_388_600),
    ];
    run(&actions, false);
}

#[test]
fn an_unfinished_segment_does_not_hide_blocks_appended_elsewhere() {
    let actions = [
        Fail(Faults {
            stop_after: Some(1553),
            ..none()
        }),
        append(&[1]),
        Seal,
        append_and_books(&[149, 4]),
        Fail(Faults {
            dir_syncs: 1,
            ..none()
        }),
        Sync,
        append(&[1]),
        append(&[1]),
    ];
    run(&actions, false);
}

#[test]
fn what_is_left_of_a_failed_append_ends_where_the_next_segment_begins() {
    let actions = [
        append(&[266]),
        Full(0),
        Sync,
        Crash(Leaves::First, 0),
        Kill,
        append_and_books(&[1]),
        Fail(Faults {
            syncs: 1,
            stop_after: Some(1804),
            ..none()
        }),
        Sync,
        append_and_books(&[1, 18]),
        Check,
        append(&[2]),
    ];
    run(&actions, false);
}

#[test]
fn an_unfinished_segment_is_not_written_over() {
    let actions = [
        Fail(Faults {
            short_writes: 2,
            renames: 1,
            removes: 1,
            ..none()
        }),
        append(&[1, 1, 1]),
        append(&[2]),
        append(&[1]),
        append(&[1]),
        append(&[1]),
        Crash(Leaves::Any, 12_140_787_475_876_209_626),
    ];
    run(&actions, false);
}

#[test]
fn a_removal_does_not_take_a_failed_sync_from_the_job_beside_it() {
    let actions = [
        append(&[1]),
        Kill,
        Sync,
        append(&[1]),
        SyncBegins,
        Fail(Faults { syncs: 2, ..none() }),
        SyncBegins,
        RemoveOldest(Removal::Now),
        Sync,
        Crash(Leaves::First, 0),
    ];
    run(&actions, false);
}

#[test]
fn a_failed_sync_of_the_folder_covers_segments_begun_meanwhile() {
    let actions = [
        Fail(Faults {
            dir_syncs: 1,
            ..none()
        }),
        append(&[983, 654]),
        SyncBegins,
        append(&[125, 65]),
        append_and_books(&[133, 169, 896]),
        append(&[1]),
        Sync,
        Crash(Leaves::First, 0),
    ];
    run(&actions, false);
}

#[test]
fn a_failed_sync_of_a_removed_segment_is_told() {
    let actions = [
        append(&[1]),
        SyncBegins,
        append(&[1]),
        Seal,
        append(&[1]),
        RemoveOldest(Removal::Synced),
        Fail(Faults { syncs: 2, ..none() }),
        Sync,
        Crash(Leaves::First, 467_877_254_500_852),
    ];
    run(&actions, false);
}

#[test]
fn a_damaged_last_block_is_known_by_the_books_after_it_for_good() {
    let actions = [
        append(&[41, 135]),
        append_and_books(&[113, 261]),
        Corrupt {
            file: 0,
            at: 735,
            bit: 0,
        },
        Kill,
    ];
    run(&actions, false);
}
