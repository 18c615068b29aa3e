//! Who counts as hung.

use super::*;
use crate::Tasks;
use tokio::time::advance;

#[tokio::test(start_paused = true)]
async fn a_runtime_that_runs_its_tasks_is_never_hung() {
    let pulse = Pulse::new();
    Tasks::new().spawn_forever("pulse", pulse.clone().beat());
    sleep(HUNG * 10).await;
    assert_eq!(pulse.hung(), None);
}

#[tokio::test(start_paused = true)]
async fn a_runtime_that_runs_nothing_counts_as_hung_after_a_minute() {
    let pulse = Pulse::new();
    advance(HUNG - Duration::from_millis(1)).await;
    assert_eq!(pulse.hung(), None);
    advance(Duration::from_millis(1)).await;
    assert_eq!(pulse.hung(), Some(HUNG));
}
