//! What a drain guarantees.

use super::*;

#[tokio::test(start_paused = true)]
async fn the_deadline_is_set_once() {
    let drain = Drain::new();
    drain.begin(Duration::from_secs(10));
    let deadline = drain.deadline();
    tokio::time::advance(Duration::from_secs(3)).await;
    drain.begin(Duration::from_secs(10));
    assert_eq!(drain.deadline(), deadline);
    drain.expired().await;
    assert_eq!(Some(Instant::now()), deadline);
}

#[tokio::test]
async fn phases_only_go_forward() {
    let drain = Drain::new();
    drain.enter(Phase::Flushing);
    drain.enter(Phase::Closing);
    assert_eq!(drain.phase(), Phase::Flushing);
    drain.reached(Phase::Closing).await;
}
