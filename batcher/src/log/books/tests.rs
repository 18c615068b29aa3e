//! Tests of the books.

use super::*;

fn book() -> CursorBook {
    CursorBook {
        read_items: 100,
        since_items: 10,
        carried_accepted: 5,
        delivered: 80,
        rejected: 4,
        dropped: 1,
        in_flight: vec![InFlight {
            first: 3,
            last: 4,
            items: 10,
            ..InFlight::default()
        }],
        ..CursorBook::default()
    }
}

#[test]
fn books_balance_when_all_that_was_read_is_at_its_end_or_in_flight() {
    assert!(book().balances());
    let mut lost = book();
    lost.delivered -= 1;
    assert!(!lost.balances());
}

#[test]
fn absurd_counts_do_not_balance() {
    let mut absurd = book();
    absurd.rejected = u64::MAX;
    assert!(!absurd.balances());
    let mut absurd = book();
    absurd.since_items = u64::MAX;
    assert!(!absurd.balances());
}

#[test]
fn fields_of_other_versions_are_ignored_or_left_at_nothing() {
    let text = r#"{"next_seq": 7, "from_the_future": {}, "cursors": [{"next": 5, "other": 1}]}"#;
    let books: Books = serde_json::from_str(text).unwrap();
    assert_eq!(books.next_seq, 7);
    assert_eq!(books.cursors[0].next, 5);
    assert_eq!(books.cursors[0].delivered, 0);
}
