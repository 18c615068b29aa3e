//! When the bound holds, and how often it is told.

use super::*;
use tokio::time::timeout;

/// Whether one more may be accepted.
async fn has_room(bound: &mut Bound) -> bool {
    timeout(Duration::from_secs(1), bound.room()).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn the_bound_is_told_once_until_connections_are_clearly_below_it() {
    let open = watch::Sender::new(19);
    let mut bound = Bound::new(20, &open);
    assert!(has_room(&mut bound).await && !bound.told);
    open.send_replace(20);
    assert!(!has_room(&mut bound).await && bound.told);
    // One ends and another takes its place.
    for count in [19, 20, 19] {
        open.send_replace(count);
        assert_eq!(has_room(&mut bound).await, count < 20);
        assert!(bound.told);
    }
    open.send_replace(18);
    assert!(has_room(&mut bound).await && !bound.told);
}

#[tokio::test(start_paused = true)]
async fn a_bound_of_one_holds_and_ends() {
    let open = watch::Sender::new(1);
    let mut bound = Bound::new(1, &open);
    assert!(!has_room(&mut bound).await && bound.told);
    open.send_replace(0);
    assert!(has_room(&mut bound).await && !bound.told);
}
