//! That labels and counts agree.

use super::*;

#[test]
fn every_reason_of_the_check_has_its_label() {
    let reasons = [
        "truncated",
        "varint",
        "key",
        "wire_type",
        "length",
        "group",
        "depth",
    ];
    for reason in reasons {
        assert_eq!(RejectedFor::from_check(reason).label(), reason);
    }
}

#[test]
fn labels_are_distinct() {
    let mut labels: Vec<_> = RejectedFor::ALL.iter().map(|why| why.label()).collect();
    labels.sort_unstable();
    labels.dedup();
    assert_eq!(labels.len(), RejectedFor::ALL.len());
}
