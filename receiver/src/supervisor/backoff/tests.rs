//! How long it takes until there is another worker.

use super::*;

#[test]
fn the_first_death_costs_nothing_and_a_row_of_them_ever_more() {
    let mut backoff = Backoff::default();
    let pauses: Vec<_> = (0..10).map(|_| backoff.after(None).as_millis()).collect();
    let expected = [0, 100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000];
    assert_eq!(pauses, expected);
}

#[test]
fn a_worker_that_has_served_a_while_is_replaced_at_once() {
    let mut backoff = Backoff::default();
    let soon = Some(Duration::from_millis(999));
    for _ in 0..100 {
        backoff.after(soon);
    }
    assert_eq!(backoff.after(soon), LONGEST);
    for _ in 0..3 {
        assert_eq!(backoff.after(Some(STEADY)), Duration::ZERO);
    }
    assert_eq!(backoff.after(soon), FIRST);
}
