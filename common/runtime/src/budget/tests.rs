//! What the budget guarantees.

use super::*;
use futures_util::FutureExt;
use std::pin::pin;

#[tokio::test]
async fn full_budget_holds_until_bytes_return() {
    let budget = Budget::new(100, 0.8);
    let first = budget.enter(80).await.unwrap();
    let mut second = pin!(budget.enter(10));
    assert!(second.as_mut().now_or_never().is_none());
    drop(first);
    assert_eq!(second.await.unwrap().bytes(), 10);
}

#[tokio::test]
async fn work_begun_grows_above_the_high_mark_before_new_work_enters() {
    let budget = Budget::new(100, 0.5);
    let mut begun = budget.enter(50).await.unwrap();
    let mut new = pin!(budget.enter(10));
    assert!(new.as_mut().now_or_never().is_none());
    begun.grow(50).await.unwrap();
    assert_eq!(budget.used(), 100);
    assert!(new.as_mut().now_or_never().is_none());
    drop(begun);
    assert_eq!(new.await.unwrap().bytes(), 10);
}

#[tokio::test]
async fn waiters_are_served_in_order_so_a_large_one_is_not_starved() {
    let budget = Budget::new(100, 1.0);
    let held = budget.enter(60).await.unwrap();
    let mut large = pin!(budget.enter(90));
    assert!(large.as_mut().now_or_never().is_none());
    let mut small = pin!(budget.enter(10));
    assert!(
        small.as_mut().now_or_never().is_none(),
        "the small one must not overtake"
    );
    assert!(budget.try_enter(1).is_none());
    drop(held);
    let large = large.await.unwrap();
    let _small = small.await.unwrap();
    assert_eq!((large.bytes(), budget.used()), (90, 100));
}

#[tokio::test]
async fn a_waiter_that_gives_up_lets_the_next_one_in_and_takes_nothing() {
    let budget = Budget::new(100, 1.0);
    let _held = budget.enter(60).await.unwrap();
    let mut large = Box::pin(budget.enter(90));
    assert!(large.as_mut().now_or_never().is_none());
    let mut small = pin!(budget.enter(10));
    assert!(small.as_mut().now_or_never().is_none());
    drop(large);
    assert_eq!(small.as_mut().now_or_never().unwrap().unwrap().bytes(), 10);
    assert_eq!((budget.used(), budget.waiting()), (60, 0));
}

#[tokio::test]
async fn a_grant_that_nobody_takes_returns() {
    let budget = Budget::new(100, 1.0);
    let held = budget.enter(100).await.unwrap();
    let mut waiting = Box::pin(budget.enter(50));
    assert!(waiting.as_mut().now_or_never().is_none());
    drop(held);
    drop(waiting);
    assert_eq!(budget.used(), 0);
}

#[tokio::test]
async fn what_never_fits_is_told_at_once() {
    let budget = Budget::new(100, 0.8);
    assert_eq!(
        budget.enter(101).await.unwrap_err(),
        NeverFits {
            asked: 101,
            limit: 100
        }
    );
    let mut permit = budget.enter(10).await.unwrap();
    assert_eq!(
        permit.grow(91).await.unwrap_err(),
        NeverFits {
            asked: 101,
            limit: 100
        }
    );
}

#[tokio::test]
async fn an_empty_budget_takes_a_request_above_the_high_mark() {
    let budget = Budget::new(100, 0.5);
    assert_eq!(budget.enter(90).await.unwrap().bytes(), 90);
}

#[tokio::test]
async fn split_merge_and_shrink_keep_the_sum() {
    let budget = Budget::new(100, 1.0);
    let mut permit = budget.enter(50).await.unwrap();
    let part = permit.split(20);
    assert_eq!((permit.bytes(), part.bytes(), budget.used()), (30, 20, 50));
    permit.merge(part);
    permit.shrink_to(5);
    assert_eq!((permit.bytes(), budget.used()), (5, 5));
}
