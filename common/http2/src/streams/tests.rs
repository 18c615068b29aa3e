//! Slots are used again; ids are known for what they are.

use super::*;
use crate::head::HeadBuilder;

fn head() -> Head {
    let mut builder = HeadBuilder::new(1000);
    for (name, value) in [(":method", "POST"), (":scheme", "http"), (":path", "/")] {
        builder.push(name.as_bytes(), value.as_bytes());
    }
    builder.finish().unwrap()
}

fn open(streams: &mut Streams<()>, id: u32) -> u32 {
    streams.open(id, head(), (10, 20), Instant::now(), &Arc::default())
}

#[test]
fn ids_are_known_for_what_they_are() {
    let mut streams = Streams::new();
    let slot = open(&mut streams, 5);
    assert_eq!(streams.known(5), Known::Open(slot));
    assert_eq!(streams.known(3), Known::Past);
    assert_eq!(streams.known(7), Known::Idle);
    assert_eq!(streams.known(2), Known::Idle, "even ids are never used");
    assert_eq!(streams.close(slot, Ended::ByUs), 5);
    assert_eq!(streams.known(5), Known::Ended(Ended::ByUs));
    streams.skip(9, Ended::ForBoth);
    assert_eq!(streams.known(9), Known::Ended(Ended::ForBoth));
    assert_eq!((streams.highest(), streams.active()), (9, 0));
}

#[test]
fn memory_of_ended_streams_is_bounded() {
    let mut streams = Streams::<()>::new();
    for id in (1..10_000).step_by(2) {
        streams.skip(id, Ended::ForBoth);
    }
    assert_eq!(streams.known(1), Known::Past);
    assert_eq!(streams.known(9_999), Known::Ended(Ended::ForBoth));
    assert_eq!(streams.ended.len(), REMEMBERED);
}

#[test]
fn slots_are_used_again_and_given_back_at_rest() {
    let mut streams = Streams::new();
    let first = open(&mut streams, 1);
    let second = open(&mut streams, 3);
    streams.close(first, Ended::ForBoth);
    assert_eq!(open(&mut streams, 5), first);
    assert_eq!(streams.iter_mut().count(), 2);
    streams.shrink();
    assert_eq!(streams.active(), 2, "open streams stay");
    streams.close(first, Ended::ForBoth);
    streams.close(second, Ended::ForBoth);
    streams.shrink();
    assert!(streams.try_get(first).is_none());
    assert_eq!(streams.known(3), Known::Ended(Ended::ForBoth));
    assert_eq!(streams.highest(), 5);
}
