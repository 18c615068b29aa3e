//! What task owners guarantee.

use super::*;

#[tokio::test]
async fn a_panic_is_told_with_the_name_of_the_task() {
    let tasks = Tasks::new();
    tasks.spawn("careless", async { panic!("slipped") });
    let failure = tasks.failed().await;
    assert_eq!(failure.to_string(), "task `careless` panicked: slipped");
}

#[tokio::test]
async fn the_end_of_a_task_that_must_not_end_is_a_failure() {
    let tasks = Tasks::new();
    tasks.spawn_forever("acceptor", async {});
    assert_eq!(tasks.failed().await.to_string(), "task `acceptor` ended");
}

#[tokio::test]
async fn ended_waits_for_every_task() {
    let tasks = Tasks::new();
    let (done, receiver) = tokio::sync::oneshot::channel::<()>();
    tasks.spawn("worker", async move {
        tokio::task::yield_now().await;
        drop(done);
    });
    tasks.ended().await;
    assert!(receiver.await.is_err());
}

#[test]
fn a_task_holds_its_future_once() {
    let large = [0u8; 4096];
    let future = async move {
        tokio::task::yield_now().await;
        std::hint::black_box(large);
    };
    let size = size_of_val(&future);
    let failure = Arc::clone(&Tasks::new().failure);
    let watched = watched("large", failure, future);
    assert!(size_of_val(&watched) <= size + 64);
}
