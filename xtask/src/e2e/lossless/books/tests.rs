//! The judge finds what it is there to find.

use super::{Arrived, Call, Run, Sent, Verdict};

fn call(first: u64, acked: bool) -> Call {
    Call {
        signal: 0,
        first,
        items: 10,
        begun: 0,
        acked,
        fate: if acked { "acked" } else { "refused" }.to_owned(),
    }
}

fn run(signal: usize, first: u64, items: u64) -> Run {
    Run {
        signal,
        first,
        items,
        arrived: 7,
    }
}

fn sent() -> Sent {
    Sent {
        calls: vec![call(0, true), call(10, false), call(20, true)],
        ..Sent::default()
    }
}

#[test]
fn acked_item_that_did_not_arrive_is_missing() {
    let arrived = Arrived(vec![run(0, 0, 10), run(0, 20, 9)]);
    let verdict = Verdict::of("x", &sent(), &arrived).expect("nothing foreign");
    assert_eq!(verdict.missing(), 1);
    assert!(verdict.nothing_lost("x").is_err());
    assert_eq!(arrived.at(30)[29], None);
    assert_eq!(arrived.at(30)[28], Some(7));
}

#[test]
fn unacked_item_may_arrive_or_not() {
    for ids in [10, 15] {
        let arrived = Arrived(vec![run(0, 0, ids), run(0, 20, 10)]);
        let verdict = Verdict::of("x", &sent(), &arrived).expect("nothing foreign");
        let tally = verdict.of_signal("traces").expect("a signal");
        assert_eq!((tally.missing, tally.unacked_arrived), (0, ids - 10));
        assert!(verdict.nothing_lost("x").is_ok());
    }
}

#[test]
fn second_arrival_is_a_duplicate() {
    let arrived = Arrived(vec![run(0, 0, 10), run(0, 20, 10), run(0, 25, 5)]);
    let verdict = Verdict::of("x", &sent(), &arrived).expect("nothing foreign");
    let tally = verdict.of_signal("traces").expect("a signal");
    assert_eq!((tally.arrived, tally.duplicates, tally.missing), (20, 5, 0));
}

#[test]
fn item_that_nobody_sent_is_a_fault() {
    for foreign in [run(0, 30, 1), run(1, 0, 1)] {
        assert!(Verdict::of("x", &sent(), &Arrived(vec![foreign])).is_err());
    }
}

#[test]
fn what_is_lost_is_told_by_what_the_sender_was_told() {
    let arrived = Arrived(vec![run(0, 0, 10), run(0, 12, 8), run(0, 20, 10)]);
    let verdict = Verdict::of("b", &sent(), &arrived).unwrap();
    let lost = &verdict.of_signal("traces").unwrap().lost;
    assert_eq!(
        lost.iter().collect::<Vec<_>>(),
        [(&"refused".to_owned(), &2)]
    );
}

#[test]
fn an_id_that_came_again_counts_once() {
    let arrived = Arrived(vec![run(0, 5, 3), run(0, 7, 2), run(2, 5, 3)]);
    assert_eq!(arrived.count("traces").unwrap(), (4, 1));
    assert_eq!(arrived.count("metrics").unwrap(), (0, 0));
}
