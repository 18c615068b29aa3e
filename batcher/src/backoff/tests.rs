//! What waiting after failures guarantees.

use super::*;
use futures_util::FutureExt;

fn backoff(jitter: f64) -> Backoff {
    Backoff::new(&Retry {
        enabled: true,
        initial_interval: Duration::from_secs(1),
        max_interval: Duration::from_secs(10),
        multiplier: 2.0,
        randomization_factor: jitter,
        max_elapsed_time: None,
    })
}

#[test]
fn waits_double_up_to_the_maximum() {
    let backoff = backoff(0.0);
    let waits: Vec<_> = [1, 2, 3, 4, 5, u32::MAX]
        .map(|n| backoff.delay(n).as_secs())
        .into();
    assert_eq!(waits, [1, 2, 4, 8, 10, 10]);
}

#[test]
fn jitter_stays_within_its_factor() {
    let backoff = backoff(0.5);
    for _ in 0..1000 {
        let wait = backoff.delay(2).as_secs_f64();
        assert!((1.0..=3.0).contains(&wait), "{wait}");
    }
}

#[tokio::test(start_paused = true)]
async fn while_closed_one_probes_and_the_others_wait_for_it() {
    let gate = Gate::new(backoff(0.0));
    let (_, closed) = gate.enter(None).await.failed(1, None);
    assert!(closed);
    assert!(gate.enter(None).now_or_never().is_none());
    let probe = gate.enter(None).await;
    let mut other = Box::pin(gate.enter(None));
    assert!(other.as_mut().now_or_never().is_none());
    tokio::time::advance(Duration::from_secs(60)).await;
    assert!(other.as_mut().now_or_never().is_none());
    assert!(probe.succeeded());
    assert!(other.now_or_never().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_abandoned_leaves_its_turn() {
    let gate = Gate::new(backoff(0.0));
    let _ = gate.enter(None).await.failed(1, None);
    drop(gate.enter(None).await);
    assert!(gate.enter(None).now_or_never().is_some());
}

#[tokio::test(start_paused = true)]
async fn failures_of_attempts_made_together_count_once() {
    let gate = Gate::new(backoff(0.0));
    let (one, two) = (gate.enter(None).await, gate.enter(None).await);
    assert!(one.failed(1, None).1);
    assert!(!two.failed(1, None).1);
    let start = Instant::now();
    let _probe = gate.enter(None).await;
    assert_eq!(start.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_fails_alone_waits_alone() {
    let gate = Gate::new(backoff(0.0));
    let (wait, closed) = gate.enter(None).await.failed(4, None);
    assert!(!closed);
    assert!(gate.enter(None).now_or_never().is_some(), "others go");
    let start = Instant::now();
    let _pass = gate.enter(Some(wait)).await;
    assert_eq!(start.elapsed(), Duration::from_secs(8));
}

#[tokio::test(start_paused = true)]
async fn a_success_lets_the_failed_go_after_the_shortest_wait() {
    let gate = Gate::new(backoff(0.0));
    let (good, bad) = (gate.enter(None).await, gate.enter(None).await);
    let start = Instant::now();
    let _closed = bad.failed(1, None);
    let (wait, _) = gate.enter(None).await.failed(4, None);
    good.succeeded();
    let _pass = gate.enter(Some(wait)).await;
    assert_eq!(
        start.elapsed(),
        Duration::from_secs(2),
        "not the whole 8 of the fourth failure"
    );
}

#[tokio::test(start_paused = true)]
async fn in_a_hurry_nobody_waits_long_but_the_peer_is_heard() {
    let gate = Gate::new(backoff(0.0));
    let (wait, _) = gate.enter(None).await.failed(9, None);
    gate.hurry();
    let start = Instant::now();
    let pass = gate.enter(Some(wait)).await;
    assert_eq!(start.elapsed(), Duration::from_secs(1));
    let (wait, _) = pass.failed(10, Some(Duration::from_secs(3)));
    let _pass = gate.enter(Some(wait)).await;
    assert_eq!(start.elapsed(), Duration::from_secs(4));
}

#[tokio::test(start_paused = true)]
async fn a_wait_beyond_all_time_is_no_error() {
    let gate = Gate::new(backoff(0.0));
    let (wait, _) = gate.enter(None).await.failed(1, Some(Duration::MAX));
    assert!(gate.enter(Some(wait)).now_or_never().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_has_not_failed_probes_first() {
    let gate = Gate::new(backoff(0.0));
    let (wait, _) = gate.enter(None).await.failed(1, None);
    let mut failed = Box::pin(gate.enter(Some(wait)));
    assert!(failed.as_mut().now_or_never().is_none());
    let mut fresh = Box::pin(gate.enter(None));
    assert!(fresh.as_mut().now_or_never().is_none());
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(failed.as_mut().now_or_never().is_none());
    drop(fresh);
    assert!(failed.now_or_never().is_some(), "nobody fresh is left");
}

#[tokio::test(start_paused = true)]
async fn a_second_failure_while_others_succeed_closes_nothing() {
    let gate = Gate::new(backoff(0.0));
    let (wait, _) = gate.enter(None).await.failed(1, None);
    gate.enter(None).await.succeeded();
    let (_, closed) = gate.enter(Some(wait)).await.failed(2, None);
    assert!(!closed);
    assert!(gate.enter(None).now_or_never().is_some());
}
