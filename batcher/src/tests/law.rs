//! The ledger's law over random traffic, answers and ends.

use super::support::{Answer, Bench, Scripted, cursor};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

#[derive(Clone, Debug)]
struct Plan {
    answers: Vec<(u64, Answer)>,
    size: usize,
    max: usize,
    max_bytes: usize,
    in_flight: usize,
    retries: bool,
    max_elapsed: Option<u64>,
}

fn answers() -> impl Strategy<Value = Vec<(u64, Answer)>> {
    let answer = prop_oneof![
        6 => Just(Answer::Take),
        3 => Just(Answer::Retry),
        1 => (1_u64..3000).prop_map(|ms| Answer::RetryAfter(Duration::from_millis(ms))),
        1 => (0_u64..3000).prop_map(|ms| Answer::Unreached(Duration::from_millis(ms))),
        2 => Just(Answer::TooLarge),
        1 => Just(Answer::Reject),
        1 => (0_usize..3).prop_map(Answer::TakeBut),
    ];
    prop::collection::vec((0_u64..700, answer), 1..40)
}

prop_compose! {
    fn plan()(
        answers in answers(),
        size in 1_usize..60,
        headroom in prop::option::of(0_usize..20),
        max_bytes in prop_oneof![Just(4 << 20), 20_usize..600],
        in_flight in 1_usize..5,
        retries in prop::bool::weighted(0.9),
        max_elapsed in prop::option::of(100_u64..5000),
    ) -> Plan {
        let max = headroom.map_or(0, |headroom| size + headroom);
        Plan { answers, size, max, max_bytes, in_flight, retries, max_elapsed }
    }
}

/// Answers in turn, round and round.
fn exporter(plan: &Plan) -> Arc<Scripted> {
    let (answers, turn) = (plan.answers.clone(), AtomicUsize::new(0));
    Scripted::slow(move |attempt| {
        let (millis, answer) = answers[turn.fetch_add(1, Ordering::Relaxed) % answers.len()];
        let answer = match answer {
            Answer::TakeBut(rejected) => Answer::TakeBut(rejected.min(attempt.ids.len())),
            answer => answer,
        };
        (Duration::from_millis(millis), answer)
    })
}

async fn run(appends: Vec<(u64, u64)>, plans: Vec<Plan>, block_bytes: usize, drain: u64) {
    let exporters: Vec<_> = plans.iter().map(exporter).collect();
    let cursors = plans
        .iter()
        .zip(&exporters)
        .enumerate()
        .map(|(index, (plan, exporter))| {
            let mut settings = cursor(&index.to_string(), exporter);
            settings.batch.send_batch_size = plan.size;
            settings.batch.send_batch_max_size = plan.max;
            settings.batch.max_bytes = plan.max_bytes;
            settings.in_flight = plan.in_flight;
            settings.retry.enabled = plan.retries;
            settings.retry.randomization_factor = 0.5;
            settings.retry.max_elapsed_time = plan.max_elapsed.map(Duration::from_millis);
            settings
        });
    let bench = Bench::with_blocks(block_bytes, cursors.collect());
    let mut end = 0;
    for (wait, items) in appends {
        bench.append(end..end + items).await.unwrap();
        end += items;
        tokio::time::sleep(Duration::from_millis(wait)).await;
        assert!(
            bench
                .ledger
                .lines()
                .iter()
                .all(crate::ledger::Line::balances)
        );
    }
    bench.drain_within(Duration::from_millis(drain)).await;
    assert_eq!(bench.budget.used(), 0, "every byte of the budget is back");
    for (index, (plan, exporter)) in plans.iter().zip(&exporters).enumerate() {
        let line = bench.line(&index.to_string());
        let seen = exporter.seen();
        assert_eq!((line.accepted, line.held), (end, 0), "{line:?}");
        assert_eq!(line.delivered, seen.delivered.len() as u64, "{line:?}");
        let ends: BTreeSet<_> = seen.delivered.iter().chain(&seen.rejected).collect();
        assert_eq!(
            ends.len(),
            seen.delivered.len() + seen.rejected.len(),
            "no item ends twice"
        );
        // The end of the drain may come before the pieces of a rejected batch have been sent.
        assert!(line.rejected <= seen.rejected.len() as u64, "{line:?}");
        assert!(line.dropped >= end - ends.len() as u64, "{line:?}");
        assert!(line.balances(), "{line:?}");
        assert!(seen.most_in_flight <= plan.in_flight);
        let limit = if plan.max == 0 { usize::MAX } else { plan.max };
        assert!(
            seen.attempts
                .iter()
                .all(|attempt| attempt.ids.len() <= limit)
        );
        for attempt in &seen.attempts {
            let same = seen
                .attempts
                .iter()
                .find(|other| other.origin == attempt.origin)
                .unwrap();
            assert_eq!(same.ids, attempt.ids, "an origin means one payload");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_item_ends_once_for_every_exporter_whatever_happens(
        appends in prop::collection::vec((0_u64..400, 1_u64..50), 1..40),
        plans in prop::collection::vec(plan(), 1..4),
        block_bytes in prop_oneof![Just(1 << 20), 20_usize..2000],
        drain in prop_oneof![Just(0), 1_u64..3000, Just(120_000)],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(run(appends, plans, block_bytes, drain));
    }
}
