//! Who gets a place, and who is read.

use super::*;
use std::sync::Mutex;
use std::task::{Wake, Waker};
use std::time::Duration;
use tokio::time::advance;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// A pool of 16 MiB a signal: marks at 1 and 14 MiB.
fn pool() -> Arc<Pool> {
    let pool = Pool::beside([64 * MIB; 3]);
    let traces = &pool.signals[Signal::Traces.index()];
    let marks = [Lane::Alone, Lane::Mixed].map(|lane| traces.mark(lane));
    assert_eq!((marks, traces.limit), ([MIB, 14 * MIB], 16 * MIB));
    pool
}

/// A connection that has brought these signals.
fn connection(pool: &Arc<Pool>, signals: &[Signal]) -> Arc<Parking> {
    let parking = Parking::new(pool, 1024);
    for signal in signals {
        parking.carries(*signal);
    }
    parking
}

/// Fills a signal's places to so many bytes, by connections of which nobody knows more.
fn fill(pool: &Arc<Pool>, signal: Signal, bytes: usize) -> Vec<Parked> {
    let parts = bytes / MIB;
    let one = || Parking::new(pool, 1024).park(signal, MIB - CALL_BYTES);
    (0..parts).map(|_| one().unwrap()).collect()
}

/// Who was woken, in order.
#[derive(Clone, Default)]
struct Woken(Arc<Mutex<Vec<usize>>>);

struct Connection(Woken, usize);

impl Wake for Connection {
    fn wake(self: Arc<Self>) {
        self.0.0.lock().unwrap().push(self.1);
    }
}

impl Woken {
    fn reads(&self, parking: &Parking, number: usize) -> bool {
        let waker = Waker::from(Arc::new(Connection(self.clone(), number)));
        parking.poll_read(&Context::from_waker(&waker)).is_ready()
    }

    fn take(&self) -> Vec<usize> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn reads(parking: &Parking) -> bool {
    Woken::default().reads(parking, 0)
}

#[tokio::test(start_paused = true)]
async fn one_signal_leaves_the_others_their_places() {
    let pool = pool();
    let parking = connection(&pool, &[Signal::Traces]);
    let traces = fill(&pool, Signal::Traces, 16 * MIB);
    assert!(parking.park(Signal::Traces, 0).is_none(), "that was all");
    let metrics = parking.park(Signal::Metrics, SIGNAL_BYTES).unwrap();
    assert_eq!(pool.used(), 16 * MIB + SIGNAL_BYTES + CALL_BYTES);
    drop((traces, metrics));
    assert_eq!(pool.used(), 0);
    let _all = parking.park(Signal::Traces, SIGNAL_BYTES).unwrap();
    assert!(parking.park(Signal::Traces, 1).is_none(), "of a connection");
}

#[tokio::test(start_paused = true)]
async fn a_connection_with_one_signal_stops_early_and_one_with_several_late() {
    let pool = pool();
    let alone = connection(&pool, &[Signal::Traces]);
    let mixed = connection(&pool, &[Signal::Traces, Signal::Metrics]);
    let other = connection(&pool, &[Signal::Metrics]);
    let mut held = fill(&pool, Signal::Traces, 2 * MIB);
    held.pop();
    assert!(
        !reads(&alone),
        "a place was given back, so held calls get on"
    );
    assert!(reads(&mixed));
    held.extend(fill(&pool, Signal::Traces, 13 * MIB));
    assert!(!reads(&mixed));
    assert!(reads(&other), "brings nothing of that signal");
    held.truncate(13);
    assert!(reads(&mixed));
    assert!(!reads(&alone));
    held.clear();
    assert!(reads(&alone));
}

#[tokio::test(start_paused = true)]
async fn a_connection_with_one_signal_goes_on_when_held_calls_do_not() {
    let pool = pool();
    let alone = connection(&pool, &[Signal::Traces]);
    let mut held = fill(&pool, Signal::Traces, 14 * MIB);
    held.pop();
    assert!(!reads(&alone));
    advance(Duration::from_millis(249)).await;
    assert!(!reads(&alone));
    advance(Duration::from_millis(1)).await;
    assert!(reads(&alone), "it may be about to bring another signal");
    held.extend(fill(&pool, Signal::Traces, MIB));
    assert!(!reads(&alone), "but not beyond the high mark");
}

#[tokio::test(start_paused = true)]
async fn connections_take_turns_when_there_is_room_again() {
    let (pool, woken) = (pool(), Woken::default());
    let [a, b, c] = [(); 3].map(|()| connection(&pool, &[Signal::Logs]));
    let mut held = fill(&pool, Signal::Logs, 2 * MIB);
    held.pop();
    for (number, parking) in [&a, &b, &c].into_iter().enumerate() {
        assert!(!woken.reads(parking, number));
    }
    assert!(!woken.reads(&a, 0), "asked again, it keeps its place");
    held.clear();
    assert_eq!(woken.take(), [0]);
    assert!(!woken.reads(&c, 2), "not its turn");
    assert!(woken.reads(&a, 0));
    assert_eq!(woken.take(), [1, 2], "who may be read calls the next");
    // What the first one brought leaves no room.
    held = fill(&pool, Signal::Logs, MIB);
    assert!(!woken.reads(&b, 1));
    assert!(!woken.reads(&a, 0));
    held.clear();
    assert_eq!(woken.take(), [1], "it was called before, so it is first");
    drop(b);
    assert_eq!(woken.take(), [0], "who goes away passes its turn on");
    assert!(woken.reads(&a, 0) && woken.reads(&c, 2));
    assert!(woken.reads(&a, 0), "nobody waits");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_pulled_is_read_whatever_is_held() {
    let pool = pool();
    let parking = connection(&pool, &[Signal::Metrics]);
    let _held = fill(&pool, Signal::Metrics, 15 * MIB);
    assert!(!reads(&parking));
    let pulling = parking.pull();
    assert!(reads(&parking));
    drop(pulling);
    assert!(!reads(&parking));
}

#[tokio::test(start_paused = true)]
async fn after_the_longest_hold_connections_are_read_until_there_is_room_again() {
    let (pool, woken) = (pool(), Woken::default());
    let parking = connection(&pool, &[Signal::Traces, Signal::Metrics]);
    let mut held = fill(&pool, Signal::Traces, 15 * MIB);
    assert!(!woken.reads(&parking, 0));
    parking.overdue(Signal::Traces);
    assert_eq!(woken.take(), [0]);
    assert!(woken.reads(&parking, 0));
    held.extend(fill(&pool, Signal::Traces, MIB));
    assert!(
        parking.park(Signal::Traces, 1).is_none(),
        "what it brings is refused"
    );
    held.truncate(1);
    assert!(woken.reads(&parking, 0));
    held.clear();
    let _full = fill(&pool, Signal::Traces, 15 * MIB);
    assert!(!woken.reads(&parking, 0), "there was room meanwhile");
}

#[tokio::test(start_paused = true)]
async fn a_full_part_stops_its_connection_alone() {
    let pool = Pool::beside([1 << 30; 3]);
    let signals = [Signal::Traces, Signal::Metrics];
    let (parking, other) = (connection(&pool, &signals), connection(&pool, &signals));
    let mut held = vec![parking.park(Signal::Traces, 7 * MIB).unwrap()];
    assert!(reads(&parking));
    held.push(parking.park(Signal::Traces, KIB).unwrap());
    assert!(!reads(&parking) && reads(&other));
    parking.overdue(Signal::Traces);
    assert!(reads(&parking), "its calls were held for the longest time");
    held.remove(0);
    let _rest = parking.park(Signal::Traces, 7 * MIB).unwrap();
    assert!(!reads(&parking), "there was room meanwhile");

    let few = Parking::new(&pool, 2);
    few.carries(Signal::Logs);
    let mut held: Vec<_> = (0..2).map(|_| few.park(Signal::Logs, 1)).collect();
    assert!(reads(&few));
    held.push(few.park(Signal::Logs, 1));
    assert!(!reads(&few), "more calls are held than it may have");
}
