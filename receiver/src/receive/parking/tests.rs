//! Who gets a place.

use super::*;

#[test]
fn one_signal_leaves_the_others_their_part() {
    let pool = Pool::beside(1 << 30);
    let parking = Parking::new(&pool, 4);
    let traces: Vec<_> = (0..4)
        .map(|_| parking.park(Signal::Traces, 1).unwrap())
        .collect();
    assert!(parking.park(Signal::Traces, 1).is_none(), "four are all");
    let metrics = parking.park(Signal::Metrics, SIGNAL_BYTES).unwrap();
    assert_eq!(pool.used(), 2 * SIGNAL_BYTES);
    drop((traces, metrics));
    assert_eq!(pool.used(), 0);
    let _all = parking.park(Signal::Traces, SIGNAL_BYTES).unwrap();
    assert!(parking.park(Signal::Traces, 0).is_none());
}

#[test]
fn connections_share_the_pool() {
    let pool = Pool::beside(0);
    let held: Vec<_> = (0..2)
        .map(|_| Parking::new(&pool, 1).park(Signal::Logs, 1).unwrap())
        .collect();
    let late = Parking::new(&pool, 1);
    assert!(late.park(Signal::Logs, 1).is_none());
    drop(held);
    assert!(late.park(Signal::Logs, 1).is_some());
}
