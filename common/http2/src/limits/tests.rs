//! Noise runs out; work and time pay.

use std::time::Duration;

use super::*;

#[test]
fn noise_runs_out() {
    let now = Instant::now();
    let mut budget = Budget::new(3, 2, now);
    for _ in 0..3 {
        budget.control(now).unwrap();
    }
    assert_eq!(budget.control(now), Err(Exhausted));
    budget.reset(now).unwrap();
    budget.reset(now).unwrap();
    assert_eq!(budget.reset(now), Err(Exhausted));
}

#[test]
fn finished_calls_pay() {
    let now = Instant::now();
    let mut budget = Budget::new(10, 10, now);
    for _ in 0..1000 {
        for _ in 0..CONTROL_PER_CALL {
            budget.control(now).unwrap();
        }
        budget.reset(now).unwrap();
        budget.call_done();
    }
}

#[test]
fn time_pays_up_to_the_maximum() {
    let start = Instant::now();
    let mut budget = Budget::new(1, 1, start);
    for second in 0..100 {
        budget.control(start + Duration::from_secs(second)).unwrap();
    }
    let late = start + Duration::from_secs(100_000);
    budget.control(late).unwrap();
    assert_eq!(budget.control(late), Err(Exhausted));
}
