//! What batches guarantee.

use super::*;
use crate::log::format::Totals;
use crate::tests::support::{batch, ids, request};

fn run(blocks: &[std::ops::Range<u64>]) -> Run {
    let budget = penstock_runtime::Budget::new(1 << 20, 1.0);
    let mut run = Run::new(7, Trigger::Age);
    for ids in blocks {
        run.push(&Block {
            begin: Totals::default(),
            payload: request(ids.clone()),
            items: usize::try_from(ids.end - ids.start).unwrap(),
            since: Instant::now(),
            permit: Arc::new(budget.force(0)),
            ack: None,
        });
    }
    run
}

#[test]
fn a_batch_names_its_blocks_and_joins_to_one_request() {
    let loads = run(&[0..3, 3..4, 4..9]).batches(Signal::Logs, "log", &Rule::new(&batch()));
    let [load] = loads.as_slice() else {
        panic!("{loads:?}")
    };
    let origin = &load.batch.origin;
    assert_eq!(
        (
            origin.first_block,
            origin.last_block,
            origin.part,
            origin.parts
        ),
        (7, 9, 0, 1)
    );
    assert_eq!(ids(&load.batch), (0..9).collect::<Vec<_>>());
}

#[test]
fn halves_go_down_to_single_items_each_with_an_origin_of_its_own() {
    let mut left = run(&[0..5, 5..6, 6..13]).batches(Signal::Logs, "log", &Rule::new(&batch()));
    let (mut singles, mut origins) = (Vec::new(), Vec::new());
    while let Some(load) = left.pop() {
        origins.push(load.batch.origin.clone());
        let halves = load.halves();
        if halves.is_empty() {
            assert_eq!(load.batch.items, 1);
            singles.extend(ids(&load.batch));
        }
        left.extend(halves.into_iter().rev());
    }
    assert_eq!(singles, (0..13).collect::<Vec<_>>());
    let all = origins.len();
    origins.sort_by_key(|o| (o.first_block, o.last_block, o.parts, o.part));
    origins.dedup();
    assert_eq!(origins.len(), all);
}

#[tokio::test(start_paused = true)]
async fn size_goes_before_bytes_before_drain_before_age() {
    let settings = penstock_settings::Batch {
        send_batch_size: 10,
        max_bytes: 100,
        ..batch()
    };
    let rule = Rule::new(&settings);
    let now = Instant::now();
    let due =
        |items, bytes, draining, at| rule.due(Ahead { items, bytes }, Some(now), draining, at);
    let old = now + settings.timeout;
    assert_eq!(due(10, 100, true, old), Due::Now(Trigger::Items));
    assert_eq!(due(9, 100, true, old), Due::Now(Trigger::Bytes));
    assert_eq!(due(9, 99, true, old), Due::Now(Trigger::Drain));
    assert_eq!(due(9, 99, false, old), Due::Now(Trigger::Age));
    assert_eq!(due(9, 99, false, now), Due::At(old));
    assert_eq!(rule.due(Ahead::default(), None, true, now), Due::Later);
}

#[test]
fn only_the_first_item_and_a_crossed_limit_wake_a_cursor() {
    let settings = penstock_settings::Batch {
        send_batch_size: 10,
        max_bytes: 100,
        ..batch()
    };
    let rule = Rule::new(&settings);
    let wakes = |before: (usize, usize), after: (usize, usize)| {
        let ahead = |(items, bytes)| Ahead { items, bytes };
        rule.wakes(ahead(before), ahead(after))
    };
    assert!(wakes((0, 0), (1, 10)));
    assert!(!wakes((1, 10), (9, 90)));
    assert!(wakes((9, 90), (10, 95)));
    assert!(wakes((8, 90), (9, 100)));
    assert!(!wakes((10, 95), (11, 110)));
}
