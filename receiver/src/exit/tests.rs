//! Which end is worth which code.

use super::*;
use std::os::unix::process::ExitStatusExt;

fn drained(dropped: u64, kept: u64) -> Drained {
    Drained {
        dropped,
        kept,
        ..Drained::default()
    }
}

#[test]
fn only_lost_items_are_a_failure_of_a_drain() {
    assert_eq!(of_drain(drained(0, 0)), WHOLE);
    assert_eq!(of_drain(drained(0, 7)), WHOLE);
    assert_eq!(of_drain(drained(1, 0)), FAILED);
}

#[test]
fn a_childs_code_is_passed_on_and_its_death_is_a_failure() {
    let exited = |code: i32| ExitStatus::from_raw(code << 8);
    for code in [WHOLE, FAILED, BAD_SETTINGS, 101] {
        assert_eq!(of_child(exited(code.into())), code);
    }
    assert_eq!(of_child(ExitStatus::from_raw(9)), FAILED);
}
