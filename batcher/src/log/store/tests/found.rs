//! Sequences that the model test found to go wrong, each named after what it must not break.

use super::super::Removal;
use super::model::{Action, run};
use crate::log::disk::sim::{Faults, Leaves};

#[test]
fn dbg() {
    use Action::*;
    run(
        &[
            Append(vec![41, 135], false),
            Append(vec![113, 261], true),
            Corrupt { file: 0, at: 11161277649734354305, bit: 0 },
            Kill,
        ],
        false,
    );
}
