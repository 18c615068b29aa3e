//! What is told of an exporter.

use super::*;
use std::time::Duration;
use tokio::time::advance;

#[tokio::test(start_paused = true)]
async fn one_failing_shard_makes_an_exporter_fail_and_the_last_error_is_told() {
    let shards = [Condition::default(), Condition::default()];
    shards[0].error("first");
    shards[0].failing();
    advance(Duration::from_secs(2)).await;
    shards[1].error("second");
    shards[0].failing();
    advance(Duration::from_secs(1)).await;
    let mut health = Health::default();
    shards
        .iter()
        .for_each(|shard| shard.tell(&mut health, Instant::now()));
    assert_eq!(health.state, State::Failing);
    assert_eq!(health.failing_seconds, Some(3.0));
    assert_eq!(health.last_error.as_deref(), Some("second"));
    assert_eq!(health.last_error_seconds_ago, Some(1.0));
}

#[tokio::test(start_paused = true)]
async fn an_exporter_that_answers_again_is_ok_and_its_error_is_still_told() {
    let condition = Condition::default();
    condition.error(&"x".repeat(MAX_ERROR * 2));
    condition.failing();
    condition.answers();
    let mut health = Health::default();
    condition.tell(&mut health, Instant::now());
    assert_eq!((health.state, health.failing_seconds), (State::Ok, None));
    assert_eq!(health.last_error.map(|error| error.len()), Some(MAX_ERROR));
}
