//! Credit is given exactly once, and nothing small pins or swells memory.

use super::*;

const STREAM: u32 = 1;

fn shared() -> Shared {
    let shared = Shared::new(1000, 100);
    shared.open(0, STREAM, false);
    shared
}

fn push(shared: &Shared, len: usize) {
    assert!(
        shared
            .push(0, Bytes::from(vec![7; len]), 0, false)
            .is_none()
    );
}

fn credit(shared: &Shared) -> (usize, Vec<(u32, usize)>) {
    let mut streams = Vec::new();
    let connection = shared.collect_credit(|slot, credit| streams.push((slot, credit)));
    (connection, streams)
}

fn take(shared: &Shared) -> usize {
    match shared.take(0, STREAM, None) {
        Poll::Ready(Some(Ok(bytes))) => bytes.len(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn taken_bytes_are_credited_when_released_and_never_more_than_taken() {
    let shared = shared();
    push(&shared, 80);
    assert_eq!(take(&shared), 80);
    assert_eq!(credit(&shared), (0, vec![]));
    shared.release(0, STREAM, 30);
    assert_eq!(credit(&shared), (30, vec![]));
    shared.release(0, STREAM, 1000);
    assert_eq!(credit(&shared), (50, vec![(0, 80)]));
}

#[test]
fn abandoned_and_closed_bodies_give_everything_back_once() {
    let shared = shared();
    push(&shared, 80);
    push(&shared, 70);
    assert_eq!(take(&shared), 80);
    shared.abandon(0, STREAM);
    assert_eq!(credit(&shared).0, 150);
    push(&shared, 60);
    assert_eq!(credit(&shared).0, 60, "what comes later is not kept");
    shared.close(0);
    assert_eq!(credit(&shared).0, 0);
    shared.open(0, 3, false);
    push(&shared, 40);
    shared.close(0);
    assert_eq!(credit(&shared).0, 40);
}

#[test]
fn handle_of_an_ended_stream_cannot_touch_the_next_in_its_slot() {
    let shared = shared();
    shared.close(0);
    shared.open(0, 3, false);
    push(&shared, 10);
    shared.abandon(0, STREAM);
    shared.release(0, STREAM, 10);
    assert_eq!(
        shared.take(0, STREAM, None),
        Poll::Ready(Some(Err(BodyError::Closed)))
    );
    assert_eq!(shared.waiting(0, 3), 10);
    assert_eq!(credit(&shared).0, 0);
}

#[test]
fn tiny_pieces_of_a_held_body_are_joined() {
    let shared = shared();
    for _ in 0..10_000 {
        push(&shared, 1);
    }
    assert_eq!(lock(&shared.bodies).slots[0].queue.len(), 1);
    push(&shared, 5000);
    assert_eq!(
        [take(&shared), take(&shared), take(&shared)],
        [1, 9999, 5000]
    );
    assert!(shared.take(0, STREAM, None).is_pending());
}

#[test]
fn held_pieces_let_go_of_the_read_buffer() {
    let shared = shared();
    let chunk = Bytes::from(vec![0; 64 << 10]);
    let (small, large) = (chunk.slice(..100), chunk.slice(100..20_000));
    for piece in [&small, &large] {
        shared.push(0, piece.clone(), 0, false);
    }
    shared.detach(0);
    let bodies = lock(&shared.bodies);
    let queue = &bodies.slots[0].queue;
    assert_ne!(queue[0].as_ptr(), small.as_ptr());
    assert_eq!(queue[0], small);
    assert_eq!(
        queue[1].as_ptr(),
        large.as_ptr(),
        "large pieces are worth their buffer"
    );
}

#[test]
fn end_is_seen_after_the_last_piece() {
    let shared = shared();
    shared.push(0, Bytes::from_static(b"x"), 0, true);
    assert!(shared.is_complete(0, STREAM));
    assert_eq!(take(&shared), 1);
    assert_eq!(shared.take(0, STREAM, None), Poll::Ready(None));
}
