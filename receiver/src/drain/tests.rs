//! What is told at the end, and when there is no more hope.

use super::*;
use std::cell::Cell;
use tokio::time::timeout;

const BEFORE: Here = Here {
    settled: 0,
    dropped: 5,
    held: 90,
    handed_over: 0,
};
const NOW: Here = Here {
    settled: 60,
    dropped: 7,
    held: 30,
    handed_over: 40,
};

#[test]
fn what_is_held_on_disk_is_kept_and_not_lost() {
    let expected = Drained {
        dropped: 2,
        kept: 30,
        handed_over: 40,
    };
    assert_eq!(outcome(BEFORE, NOW, true), expected);
}

#[test]
fn what_is_held_in_memory_only_is_lost() {
    let expected = Drained {
        dropped: 32,
        kept: 0,
        handed_over: 40,
    };
    assert_eq!(outcome(BEFORE, NOW, false), expected);
}

#[tokio::test(start_paused = true)]
async fn hope_ends_when_nothing_is_delivered_any_more_and_not_before() {
    let settled = Cell::new(0);
    let slowly = async {
        for _ in 0..10 {
            sleep(HOPELESS * 3 / 4).await;
            settled.set(settled.get() + 1);
        }
        std::future::pending::<()>().await;
    };
    let begun = Instant::now();
    tokio::select! {
        () = slowly => {}
        () = hopeless(|| settled.get()) => {}
    }
    assert_eq!(settled.get(), 10);
    let last = HOPELESS * 30 / 4;
    let took = begun.elapsed();
    assert!(
        took >= last + HOPELESS && took < last + 2 * HOPELESS,
        "{took:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn logs_get_a_little_longer_than_the_deadline_and_then_it_is_over() {
    let drain = Drain::new();
    drain.begin(Duration::from_secs(5));
    let begun = Instant::now();
    assert!(!in_time(std::future::pending::<()>(), &drain).await);
    assert_eq!(begun.elapsed(), Duration::from_secs(5) + LAST_COUNT);
    let late = sleep(LAST_COUNT / 2);
    assert!(timeout(LAST_COUNT, in_time(late, &drain)).await.unwrap());
}
