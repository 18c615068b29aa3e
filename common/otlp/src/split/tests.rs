//! Cuts at each level by example; the law for all requests is tested against `prost` in tests/laws.rs.

use super::{Limits, split};
use crate::Signal;
use crate::check::check;
use crate::wire::{Fields, put_field};
use bytes::Bytes;

fn field(number: u32, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_field(&mut out, number, content);
    out
}

/// A span with a name of `length` bytes.
fn span(length: usize) -> Vec<u8> {
    field(2, &field(5, &vec![b's'; length]))
}

/// One ResourceSpans with a Resource, one Scope with these spans, and an unknown field on each level.
fn resource(name: &str, spans: &[Vec<u8>]) -> Vec<u8> {
    let attribute = field(
        1,
        &[field(1, b"name"), field(2, &field(1, name.as_bytes()))].concat(),
    );
    let scope = [
        field(1, &field(1, b"scope")),
        spans.concat(),
        field(90, b"in scope"),
    ]
    .concat();
    field(
        1,
        &[
            field(1, &attribute),
            field(2, &scope),
            field(91, b"in resource"),
        ]
        .concat(),
    )
}

const fn items(items: usize) -> Limits {
    Limits {
        items,
        bytes: usize::MAX,
    }
}

const fn bytes(bytes: usize) -> Limits {
    Limits {
        items: usize::MAX,
        bytes,
    }
}

#[test]
fn cuts_between_resources_are_slices_of_the_request() {
    let body: Bytes = ["a", "b", "c", "d"]
        .map(|name| resource(name, &[span(3), span(3)]))
        .concat()
        .into();
    let pieces = split(Signal::Traces, &body, items(5));
    assert_eq!(
        pieces.iter().map(|piece| piece.items).collect::<Vec<_>>(),
        [4, 4]
    );
    let mut at = body.as_ptr() as usize;
    for piece in &pieces {
        assert_eq!(piece.body.as_ptr() as usize, at);
        at += piece.body.len();
    }
    assert_eq!(at, body.as_ptr() as usize + body.len());
}

#[test]
fn a_scope_is_cut_with_everything_around_its_items_repeated() {
    let spans = [span(1), span(2), span(3)];
    let body: Bytes = resource("a", &spans).into();
    let pieces = split(Signal::Traces, &body, items(2));
    let found: Vec<_> = pieces
        .iter()
        .map(|piece| (piece.items, piece.body.len()))
        .collect();
    // Fields that do not lead to items come first; their order among others has no meaning.
    let length = |spans: &[Vec<u8>]| resource("a", spans).len();
    assert_eq!(found, [(2, length(&spans[..2])), (1, length(&spans[2..]))]);
    for piece in pieces {
        assert!(piece.body.windows(8).any(|window| window == b"in scope"));
        assert!(
            piece
                .body
                .windows(11)
                .any(|window| window == b"in resource")
        );
        assert_eq!(
            check(Signal::Traces, piece.body).unwrap().items,
            piece.items
        );
    }
}

#[test]
fn an_item_beyond_the_byte_limit_goes_alone() {
    let body: Bytes = resource("a", &[span(10), span(900), span(10), span(10)]).into();
    let pieces = split(Signal::Traces, &body, bytes(300));
    assert_eq!(
        pieces.iter().map(|piece| piece.items).collect::<Vec<_>>(),
        [1, 1, 2]
    );
}

#[test]
fn every_scope_of_a_resource_is_cut_at_the_same_limit() {
    let scope = field(2, &vec![span(20); 30].concat());
    let body: Bytes = field(1, &vec![scope; 6].concat()).into();
    let pieces = split(Signal::Traces, &body, bytes(300));
    let found: Vec<_> = pieces.iter().map(|piece| piece.items).collect();
    assert_eq!(found, [[12, 12, 6]; 6].concat());
}

#[test]
fn a_metric_is_cut_with_its_head_and_merged_data() {
    let points = |times: &[u8]| -> Vec<u8> {
        times
            .iter()
            .flat_map(|time| field(1, &[0x19, *time, 0, 0, 0, 0, 0, 0, 0]))
            .collect()
    };
    // Data of one kind may come in several fields; what another kind overrides is no item.
    let metric = [
        field(1, b"requests"),
        field(5, &points(&[9])),
        field(7, &[points(&[1, 2]), vec![0x10, 0x02]].concat()),
        field(7, &[points(&[3]), vec![0x18, 0x01]].concat()),
        field(3, b"1"),
    ]
    .concat();
    let body: Bytes = field(1, &field(2, &field(2, &metric))).into();
    let pieces = split(Signal::Metrics, &body, items(1));
    assert_eq!(pieces.len(), 3);
    for (piece, time) in pieces.iter().zip([1, 2, 3]) {
        let sum = [vec![0x10, 0x02, 0x18, 0x01], points(&[time])].concat();
        let metric = [field(1, b"requests"), field(3, b"1"), field(7, &sum)].concat();
        assert_eq!(piece.body, field(1, &field(2, &field(2, &metric))));
    }
}

#[test]
fn containers_without_items_are_kept() {
    let empty = resource("empty", &[]);
    let body: Bytes = [empty.clone(), resource("a", &[span(3)]), empty]
        .concat()
        .into();
    let whole: usize = Fields::of(&body).count();
    for limits in [items(1), bytes(40), bytes(1)] {
        let pieces = split(Signal::Traces, &body, limits);
        let kept: usize = pieces
            .iter()
            .map(|piece| Fields::of(&piece.body).count())
            .sum();
        assert_eq!(kept, whole);
    }
}

#[test]
fn nothing_gives_no_piece_and_no_items_still_gives_one() {
    assert!(split(Signal::Logs, &Bytes::new(), items(1)).is_empty());
    let pieces = split(Signal::Logs, &Bytes::from_static(&[0x0a, 0x00]), items(0));
    assert_eq!(pieces.len(), 1);
    assert_eq!(pieces[0].items, 0);
}

#[test]
fn a_large_head_is_not_multiplied_for_the_byte_limit() {
    let body: Bytes = resource(&"x".repeat(50_000), &vec![span(20); 1000]).into();
    let pieces = split(Signal::Traces, &body, bytes(51_000));
    let total: usize = pieces.iter().map(|piece| piece.body.len()).sum();
    assert!(
        total < 2 * body.len(),
        "{total} bytes in {} pieces",
        pieces.len()
    );
    // By items it is cut all the same.
    assert_eq!(split(Signal::Traces, &body, items(500)).len(), 2);
}
