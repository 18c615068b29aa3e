//! What the log in memory guarantees, without cursors' tasks.

use super::*;
use crate::tests::support::{batch, request};
use futures_util::FutureExt;
use penstock_runtime::Budget;
use std::sync::Arc;

fn blocks(block_bytes: usize, readers: usize) -> (Arc<Blocks>, Arc<Budget>) {
    let rule = Rule::new(&penstock_settings::Batch {
        send_batch_size: 1,
        ..batch()
    });
    let budget = Budget::new(1 << 20, 1.0);
    let nature = Nature {
        signal: Signal::Logs,
        log_id: "log".to_owned(),
        block_bytes,
        budgets: Budgets::new(Arc::clone(&budget), 0),
        max_hold: Duration::from_secs(8),
    };
    let reader = |_| Reader::new(Signal::Logs, "logs", "debug", rule.clone(), None);
    let readers = (0..readers).map(reader).collect();
    (Arc::new(Blocks::in_memory(nature, readers)), budget)
}

fn append(log: &Arc<Blocks>, budget: &Arc<Budget>, items: u64) -> bytes::Bytes {
    let body = request(0..items);
    let permit = budget.try_enter(body.len()).unwrap();
    let items = usize::try_from(items).unwrap();
    log.append(Request {
        body: body.clone().into(),
        items,
        permit,
    })
    .now_or_never()
    .expect("a log in memory takes it at once")
    .unwrap();
    body
}

/// Reads the next batch for a reader, which must be there.
async fn read(log: &Arc<Blocks>, reader: usize) -> Load {
    let window = Window {
        empty: true,
        parked: true,
    };
    let Some(Read::Run(run, rule)) = log.next(reader, window).await else {
        panic!("there is a batch")
    };
    log.batches(run, rule).remove(0)
}

fn deliver(log: &Arc<Blocks>, reader: usize, load: Load) {
    let delivered = load.batch.items as u64;
    let fate = Fate {
        delivered,
        ..Fate::default()
    };
    log.settle(reader, &load.batch.origin, load.batch.items, fate);
}

/// Items in the log's blocks.
fn held(log: &Blocks) -> usize {
    let state = log.lock();
    let sealed: usize = state.sealed.values().map(|block| block.items).sum();
    sealed + state.open.items()
}

#[tokio::test(start_paused = true)]
async fn small_requests_share_a_block_and_a_large_one_is_not_copied() {
    let (log, budget) = blocks(300, 1);
    append(&log, &budget, 1);
    append(&log, &budget, 1);
    let large = append(&log, &budget, 100);
    append(&log, &budget, 1);
    let state = log.lock();
    let items: Vec<_> = state.sealed.values().map(|block| block.items).collect();
    assert_eq!(
        (items.as_slice(), state.open.items()),
        ([2, 100].as_slice(), 1)
    );
    assert_eq!(state.sealed[&1].payload.as_ptr(), large.as_ptr());
}

#[tokio::test(start_paused = true)]
async fn readers_read_the_same_bytes() {
    let (log, budget) = blocks(1000, 2);
    append(&log, &budget, 3);
    let (one, two) = (read(&log, 0).await, read(&log, 1).await);
    assert_eq!(one.batch.origin, two.batch.origin);
    assert_eq!(one.batch.chunks[0].as_ptr(), two.batch.chunks[0].as_ptr());
}

#[tokio::test(start_paused = true)]
async fn a_block_goes_when_all_readers_are_past_it_and_waits_for_no_other() {
    let (log, budget) = blocks(1000, 2);
    let first_bytes = append(&log, &budget, 1).len();
    let first = read(&log, 0).await;
    append(&log, &budget, 2);
    let second = read(&log, 0).await;
    let used = budget.used();
    deliver(&log, 0, second);
    deliver(&log, 1, read(&log, 1).await);
    assert_eq!(budget.used(), used, "each waits for one of the readers");
    deliver(&log, 1, read(&log, 1).await);
    assert_eq!(
        (budget.used(), held(&log)),
        (first_bytes, 1),
        "the second does not wait for the first"
    );
    assert_eq!(log.snapshot().cursors[0].held, 1);
    deliver(&log, 0, first);
    assert_eq!((budget.used(), held(&log)), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_path_that_loses_items_breaks_the_law() {
    let (log, budget) = blocks(1000, 1);
    append(&log, &budget, 5);
    let load = read(&log, 0).await;
    let fate = Fate {
        delivered: 4,
        ..Fate::default()
    };
    log.settle(0, &load.batch.origin, load.batch.items, fate);
    let counts = log.snapshot().cursors[0];
    assert_eq!(
        (counts.accepted, counts.fates.delivered, counts.held),
        (5, 4, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_ends_drops_what_it_has_and_frees_the_others() {
    let (log, budget) = blocks(1000, 2);
    append(&log, &budget, 3);
    let load = read(&log, 0).await;
    append(&log, &budget, 2);
    assert_eq!(log.end(1), 5);
    deliver(&log, 0, load);
    assert_eq!(held(&log), 2);
    deliver(&log, 0, read(&log, 0).await);
    assert_eq!((budget.used(), log.end(0)), (0, 0));
    log.ended().await;
}
