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

#[tokio::test(start_paused = true)]
async fn the_deadline_comes_nearer_and_never_later() {
    let drain = Drain::new();
    drain.hasten(Duration::from_secs(1));
    assert_eq!(drain.deadline(), None, "nothing to bring nearer");
    drain.begin(Duration::from_secs(20));
    let begun = Instant::now();
    let hasten = async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        drain.hasten(Duration::from_secs(30));
        assert_eq!(drain.left(), Duration::from_secs(18));
        drain.hasten(Duration::from_secs(5));
    };
    tokio::join!(drain.expired(), hasten);
    assert_eq!(begun.elapsed(), Duration::from_secs(7));
    assert_eq!(drain.left(), Duration::ZERO);
}
