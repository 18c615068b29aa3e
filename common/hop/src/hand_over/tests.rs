//! What another receiver's answer may do.

use super::*;

fn reason() -> String {
    "INVALID_ARGUMENT: no".to_owned()
}

#[test]
fn a_receiver_that_will_never_take_a_batch_leaves_it_to_us() {
    let rejected = Outcome::Rejected { reason: reason() };
    assert!(matches!(outcome(rejected, 7), Outcome::Retry { .. }));
}

#[test]
fn one_item_alone_is_never_too_large_to_be_kept() {
    let too_large = || Outcome::TooLarge { reason: reason() };
    assert!(matches!(outcome(too_large(), 2), Outcome::TooLarge { .. }));
    assert!(matches!(outcome(too_large(), 1), Outcome::Retry { .. }));
}

#[test]
fn what_a_receiver_has_taken_is_delivered() {
    let delivered = Outcome::Delivered {
        rejected: 0,
        message: String::new(),
    };
    assert!(matches!(outcome(delivered, 2), Outcome::Delivered { .. }));
}
