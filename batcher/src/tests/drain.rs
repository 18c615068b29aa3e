//! What stopping guarantees.

use super::support::{Answer, Bench, Scripted, cursor, pass};
use penstock_runtime::Phase;
use std::time::Duration;
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn drain_delivers_everything_without_waiting_for_size_or_age() {
    let exporter = Scripted::slow(|_| (Duration::from_millis(20), Answer::Take));
    let mut settings = cursor("debug", &exporter);
    settings.batch.timeout = Duration::from_secs(3600);
    let bench = Bench::with_blocks(64, vec![settings]);
    for first in 0..100 {
        bench.append(first..first + 1).await.unwrap();
    }
    let start = Instant::now();
    bench.drain_within(Duration::from_secs(25)).await;
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(exporter.delivered(), (0..100).collect::<Vec<_>>());
    assert_eq!((bench.line("debug").held, bench.budget.used()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn nothing_is_appended_once_the_log_flushes() {
    let bench = Bench::new(vec![cursor("debug", &Scripted::new(|_| Answer::Silence))]);
    bench.append(0..3).await.unwrap();
    bench.drain.begin(Duration::from_secs(25));
    pass(1).await;
    bench
        .append(3..4)
        .await
        .expect("calls in flight may still end while closing");
    bench.drain.enter(Phase::Flushing);
    pass(1).await;
    assert!(bench.append(4..5).await.is_err());
    assert_eq!(bench.line("debug").accepted, 4);
}

#[tokio::test(start_paused = true)]
async fn what_the_deadline_leaves_is_counted_as_dropped() {
    let (dead, silent, alive) = (
        Scripted::new(|_| Answer::Retry),
        Scripted::new(|_| Answer::Silence),
        Scripted::new(|_| Answer::Take),
    );
    let bench = Bench::new(vec![
        cursor("dead", &dead),
        cursor("silent", &silent),
        cursor("alive", &alive),
    ]);
    bench.append(0..3).await.unwrap();
    pass(250).await;
    bench.append(3..5).await.unwrap();
    let start = Instant::now();
    bench.drain_within(Duration::from_secs(25)).await;
    assert_eq!(start.elapsed(), Duration::from_secs(25));
    for exporter in ["dead", "silent"] {
        assert_eq!(
            (bench.line(exporter).dropped, bench.line(exporter).held),
            (5, 0)
        );
    }
    assert_eq!((bench.line("alive").delivered, bench.budget.used()), (5, 0));
}

#[tokio::test(start_paused = true)]
async fn a_deadline_before_the_flush_ends_the_log_as_well() {
    let bench = Bench::new(vec![cursor("debug", &Scripted::new(|_| Answer::Silence))]);
    bench.append(0..3).await.unwrap();
    bench.drain.begin(Duration::from_secs(5));
    bench.log.drained().await;
    assert!(bench.append(3..4).await.is_err());
    assert_eq!(bench.line("debug").dropped, 3);
}

#[tokio::test(start_paused = true)]
async fn an_exporter_that_comes_back_during_the_drain_gets_everything() {
    let back = Instant::now() + Duration::from_secs(130);
    let exporter = Scripted::new(move |attempt| {
        if attempt.at < back {
            Answer::Retry
        } else {
            Answer::Take
        }
    });
    let bench = Bench::new(vec![cursor("debug", &exporter)]);
    bench.append(0..3).await.unwrap();
    // By now it waits 30 seconds between attempts, longer than the drain lasts.
    pass(126_000).await;
    bench.drain_within(Duration::from_secs(10)).await;
    assert_eq!(
        (bench.line("debug").delivered, bench.line("debug").dropped),
        (3, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn an_empty_log_is_drained_at_once() {
    let bench = Bench::new(vec![cursor("debug", &Scripted::new(|_| Answer::Take))]);
    let start = Instant::now();
    bench.drain_within(Duration::from_secs(25)).await;
    assert_eq!(start.elapsed(), Duration::ZERO);
}
