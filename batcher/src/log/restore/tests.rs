//! What a start makes of the books.

use super::*;
use crate::batch::Rule;
use crate::log::books::InFlight;
use penstock_otlp::Signal;

fn reader(exporter: &str) -> Reader {
    let rule = Rule::new(&penstock_settings::Batch::default());
    Reader::new(Signal::Logs, "logs", exporter, rule, None)
}

/// Of a cursor that has read 50 of 80 items, from the 10th on, and has 5 in flight.
fn book(exporter: &str) -> CursorBook {
    CursorBook {
        pipeline: "logs".to_owned(),
        exporter: exporter.to_owned(),
        next: 5,
        read_items: 50,
        since_items: 10,
        carried_accepted: 3,
        delivered: 30,
        rejected: 6,
        dropped: 2,
        in_flight: vec![InFlight {
            first: 4,
            last: 4,
            items: 5,
            ..InFlight::default()
        }],
        ..CursorBook::default()
    }
}

fn totals(seq: u64, items: u64) -> Totals {
    Totals {
        seq,
        items,
        bytes: 0,
    }
}

fn recovered(books: Option<Vec<CursorBook>>) -> Recovered {
    Recovered {
        log_id: "log".to_owned(),
        books: books.map(|cursors| Books {
            cursors,
            ..Books::default()
        }),
        first: totals(2, 20),
        end: totals(8, 80),
        lost: Vec::new(),
        torn_bytes: 0,
    }
}

/// Accepted, held.
fn counts(position: &Position) -> (u64, u64) {
    let end = totals(8, 80);
    let (accepted, held) = (position.accepted(end), position.held(end));
    let fates = position.fates;
    let ends = fates.delivered + fates.rejected + fates.dropped;
    assert_eq!(accepted, ends + held, "the law");
    (accepted, held)
}

#[test]
fn a_cursor_goes_on_where_its_books_are() {
    let readers = [reader("debug")];
    let restored = Restored::new(
        &recovered(Some(vec![book("debug")])),
        &readers,
        StartAt::Tail,
    );
    assert_eq!(counts(&restored.positions[0]), (73, 35));
    assert_eq!(restored.positions[0].book("logs", "debug"), book("debug"));
    assert!(restored.unlawful.is_empty());
}

#[test]
fn books_that_do_not_add_up_are_made_to_and_told() {
    let readers = [reader("debug")];
    for (delivered, held) in [(0, 35), (25, 35), (31, 35), (500, 35)] {
        let wrong = CursorBook {
            delivered,
            ..book("debug")
        };
        let restored = Restored::new(&recovered(Some(vec![wrong])), &readers, StartAt::Tail);
        assert_eq!(restored.unlawful.len(), 1);
        assert_eq!(counts(&restored.positions[0]).1, held);
    }
}

#[test]
fn without_books_everybody_gets_all_there_is() {
    let readers = [reader("debug")];
    let restored = Restored::new(&recovered(None), &readers, StartAt::Tail);
    assert_eq!(counts(&restored.positions[0]), (60, 60));
}

#[test]
fn a_new_cursor_begins_at_the_tail_or_at_the_oldest() {
    let readers = [reader("new")];
    for (start, expected) in [(StartAt::Tail, (0, 0)), (StartAt::Oldest, (60, 60))] {
        let restored = Restored::new(&recovered(Some(Vec::new())), &readers, start);
        assert_eq!(counts(&restored.positions[0]), expected);
    }
}

#[test]
fn a_cursor_without_exporter_is_retired_once_and_its_counts_go_on() {
    let there = recovered(Some(vec![book("gone")]));
    let restored = Restored::new(&there, &[], StartAt::Tail);
    let [(retired, 35)] = restored.removed.as_slice() else {
        panic!("{:?}", restored.removed)
    };
    assert!(retired.retired && retired.balances() && retired.in_flight.is_empty());
    assert_eq!((retired.delivered, retired.dropped), (30, 37));
    let again = recovered(Some(restored.retired));
    let restored = Restored::new(&again, &[], StartAt::Tail);
    assert!(restored.removed.is_empty());
    let back = Restored::new(&again, &[reader("gone")], StartAt::Tail);
    assert_eq!(counts(&back.positions[0]), (73, 0));
}

#[test]
fn counts_of_an_emptied_log_are_added_to_whoever_they_are_of() {
    let done = |exporter: &str| CursorBook {
        read_items: 100,
        since_items: 0,
        carried_accepted: 0,
        delivered: 90,
        rejected: 6,
        dropped: 4,
        in_flight: Vec::new(),
        ..book(exporter)
    };
    let readers = [reader("debug")];
    let mut restored = Restored::new(
        &recovered(Some(vec![book("debug"), book("gone")])),
        &readers,
        StartAt::Tail,
    );
    let books = Books {
        cursors: vec![done("debug"), done("gone"), done("never seen")],
        ..Books::default()
    };
    restored.carry(&books, &readers);
    assert_eq!(counts(&restored.positions[0]), (173, 35));
    let accepted: Vec<_> = restored
        .retired
        .iter()
        .map(|book| {
            assert!(book.retired && book.balances(), "{book:?}");
            (book.exporter.as_str(), book.delivered)
        })
        .collect();
    assert_eq!(accepted, [("gone", 120), ("never seen", 90)]);
}
