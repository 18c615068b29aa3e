//! Batches whose Resources have owners: who gets what, what is sent again, what moves, and the ledger's law.

use super::support::{Answer, Attempt, Bench, Scripted, cursor, pass};
use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::resource::v1::Resource;
use proptest::prelude::*;
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const PODS: u64 = 7;

/// Log records of seven pods in turn, each with its own Resource.
fn request(ids: Range<u64>) -> Bytes {
    let resource = |id: u64| ResourceLogs {
        resource: Some(Resource {
            attributes: vec![KeyValue {
                key: "pod".to_owned(),
                value: Some(AnyValue {
                    value: Some(Value::IntValue((id % PODS).try_into().unwrap())),
                }),
                ..KeyValue::default()
            }],
            ..Resource::default()
        }),
        scope_logs: vec![ScopeLogs {
            log_records: vec![LogRecord {
                time_unix_nano: id,
                ..LogRecord::default()
            }],
            ..ScopeLogs::default()
        }],
        ..ResourceLogs::default()
    };
    let resource_logs = ids.map(resource).collect();
    ExportLogsServiceRequest { resource_logs }
        .encode_to_vec()
        .into()
}

async fn append(bench: &Bench, ids: Range<u64>) {
    let items = usize::try_from(ids.end - ids.start).unwrap();
    bench.append_body(request(ids), items).await.unwrap();
}

/// Which pods each owner got something of.
fn pods_by_owner(attempts: &[Attempt]) -> BTreeMap<String, BTreeSet<u64>> {
    let mut found: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    for attempt in attempts {
        let pods = attempt.ids.iter().map(|id| id % PODS);
        found
            .entry(attempt.owner.clone().unwrap())
            .or_default()
            .extend(pods);
    }
    found
}

fn disjoint(pods: &BTreeMap<String, BTreeSet<u64>>) -> bool {
    let all: usize = pods.values().map(BTreeSet::len).sum();
    all == pods.values().flatten().collect::<BTreeSet<_>>().len()
}

fn once(scripted: &Scripted, ids: Range<u64>) -> bool {
    scripted.delivered() == ids.collect::<Vec<_>>()
}

#[tokio::test(start_paused = true)]
async fn every_resource_goes_to_its_owner_and_nobody_else() {
    let exporter = Scripted::new(|_| Answer::Take);
    exporter.owned_by(&["a", "b", "c"]);
    let bench = Bench::new(vec![cursor("x", &exporter)]);
    for turn in 0..5 {
        append(&bench, turn * 30..(turn + 1) * 30).await;
        pass(300).await;
    }
    bench.drain_within(Duration::from_secs(9)).await;
    let pods = pods_by_owner(&exporter.seen().attempts);
    assert!(pods.len() > 1 && disjoint(&pods), "{pods:?}");
    assert!(once(&exporter, 0..150));
    assert_eq!(bench.line("x").delivered, 150);
}

#[tokio::test(start_paused = true)]
async fn only_the_share_that_failed_is_sent_again() {
    let exporter = Scripted::new(|attempt| match attempt.owner.as_deref() {
        Some("a") if attempt.attempt < 4 => Answer::Retry,
        _ => Answer::Take,
    });
    exporter.owned_by(&["a", "b", "c"]);
    let bench = Bench::new(vec![cursor("x", &exporter)]);
    append(&bench, 0..70).await;
    pass(300).await;
    let held = bench.line("x");
    assert_eq!(
        (held.held, held.delivered),
        (70, 0),
        "the batch is not at its end"
    );
    pass(20_000).await;
    let attempts = exporter.seen().attempts;
    let of = |owner: &str| {
        attempts
            .iter()
            .filter(|a| a.owner.as_deref() == Some(owner))
            .count()
    };
    assert_eq!((of("a"), of("b"), of("c")), (4, 1, 1));
    assert!(once(&exporter, 0..70));
    assert_eq!(bench.line("x").delivered, 70);
}

#[tokio::test(start_paused = true)]
async fn an_owner_that_fails_does_not_stop_the_batches_of_others() {
    let exporter = Scripted::new(|attempt| match attempt.owner.as_deref() {
        Some("a") => Answer::Unreached(Duration::from_secs(1)),
        _ => Answer::Take,
    });
    exporter.owned_by(&["a", "b"]);
    let bench = Bench::new(vec![cursor("x", &exporter)]);
    append(&bench, 0..70).await;
    pass(300).await;
    append(&bench, 70..140).await;
    pass(300).await;
    let late = exporter
        .delivered()
        .into_iter()
        .filter(|id| *id >= 70)
        .count();
    assert!(late > 0);
}

#[tokio::test(start_paused = true)]
async fn what_an_owner_has_not_got_moves_with_the_ownership() {
    let exporter = Scripted::new(|attempt| match attempt.owner.as_deref() {
        Some("a") => Answer::Unreached(Duration::from_secs(1)),
        _ => Answer::Take,
    });
    exporter.owned_by(&["a", "b", "c"]);
    let bench = Bench::new(vec![cursor("x", &exporter)]);
    append(&bench, 0..70).await;
    pass(5_000).await;
    assert!(exporter.delivered().len() < 70);
    exporter.owned_by(&["b", "c"]);
    pass(10).await;
    assert!(once(&exporter, 0..70), "at once, and once each");
    let line = bench.line("x");
    assert_eq!((line.delivered, line.held), (70, 0));
}

/// So `penstock.hop.move_after` is how long the dead one can be in the way.
#[tokio::test(start_paused = true)]
async fn a_window_full_of_shares_of_a_dead_owner_is_free_when_it_owns_nothing() {
    let exporter = Scripted::new(|attempt| match attempt.owner.as_deref() {
        Some("a") => Answer::Unreached(Duration::from_secs(5)),
        _ => Answer::Take,
    });
    exporter.owned_by(&["a", "b", "c"]);
    let settings = cursor("x", &exporter);
    let window = settings.in_flight as u64;
    let bench = Bench::new(vec![settings]);
    for turn in 0..2 * window {
        append(&bench, turn * 70..(turn + 1) * 70).await;
        pass(300).await;
    }
    let delivered = exporter.delivered();
    assert!(delivered.iter().any(|id| *id >= (window - 1) * 70));
    assert!(delivered.iter().all(|id| *id < window * 70), "it is full");
    exporter.owned_by(&["b", "c"]);
    pass(10).await;
    assert!(once(&exporter, 0..2 * window * 70));
    assert_eq!(bench.line("x").held, 0);
}

#[tokio::test(start_paused = true)]
async fn a_share_that_stays_with_its_owner_keeps_its_identity() {
    let exporter = Scripted::new(|attempt| {
        if attempt.attempt < 3 {
            Answer::Retry
        } else {
            Answer::Take
        }
    });
    exporter.owned_by(&["a"]);
    let bench = Bench::new(vec![cursor("x", &exporter)]);
    append(&bench, 0..1).await;
    pass(300).await;
    let before = exporter.seen().attempts[0].origin.clone();
    // Only the one pod's owner matters: as many replicas as it takes for it to stay.
    exporter.owned_by(&["a", "zzz"]);
    pass(30_000).await;
    let attempts = exporter.seen().attempts;
    let stayed = attempts
        .iter()
        .filter(|attempt| attempt.owner.as_deref() == Some("a"));
    assert!(stayed.clone().count() > 1 && stayed.clone().all(|a| a.origin == before));
    assert!(once(&exporter, 0..1));
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_anywhere_without_owners_and_all_does_when_there_are() {
    let exporter = Scripted::new(|attempt| match attempt.owner.as_deref() {
        Some("") => Answer::Unreached(Duration::from_secs(1)),
        _ => Answer::Take,
    });
    exporter.owned_by(&[]);
    let bench = Bench::new(vec![cursor("x", &exporter)]);
    append(&bench, 0..70).await;
    pass(5_000).await;
    assert_eq!(bench.line("x").held, 70);
    exporter.owned_by(&["a", "b"]);
    pass(10).await;
    assert!(once(&exporter, 0..70));
}

#[tokio::test(start_paused = true)]
async fn of_a_share_only_the_bad_item_is_rejected() {
    let exporter = Scripted::new(|attempt| {
        if attempt.ids.contains(&33) {
            Answer::Reject
        } else {
            Answer::Take
        }
    });
    exporter.owned_by(&["a", "b", "c"]);
    let bench = Bench::new(vec![cursor("x", &exporter)]);
    append(&bench, 0..70).await;
    bench.drain_within(Duration::from_secs(9)).await;
    let line = bench.line("x");
    assert_eq!((line.delivered, line.rejected, line.held), (69, 1, 0));
}

fn answer() -> impl Strategy<Value = Answer> {
    prop_oneof![
        6 => Just(Answer::Take),
        3 => Just(Answer::Retry),
        1 => (0_u64..3000).prop_map(|ms| Answer::Unreached(Duration::from_millis(ms))),
        2 => Just(Answer::TooLarge),
        1 => Just(Answer::Reject),
        1 => (0_usize..3).prop_map(Answer::TakeBut),
    ]
}

async fn run(appends: Vec<(u64, u64)>, answers: Vec<(u64, Answer)>, sets: Vec<usize>) {
    let turn = AtomicUsize::new(0);
    let exporter = Scripted::slow(move |attempt| {
        let (millis, answer) = answers[turn.fetch_add(1, Ordering::Relaxed) % answers.len()];
        let answer = match answer {
            Answer::TakeBut(rejected) => Answer::TakeBut(rejected.min(attempt.ids.len())),
            answer => answer,
        };
        (Duration::from_millis(millis), answer)
    });
    let all = ["a", "b", "c", "d"];
    exporter.owned_by(&all[..sets[0]]);
    let bench = Bench::new(vec![cursor("x", &exporter)]);
    let mut end = 0;
    for (i, (wait, items)) in appends.into_iter().enumerate() {
        append(&bench, end..end + items).await;
        end += items;
        exporter.owned_by(&all[..sets[i % sets.len()]]);
        pass(wait).await;
        bench.line("x");
    }
    bench.drain_within(Duration::from_secs(1_000_000)).await;
    let (line, seen) = (bench.line("x"), exporter.seen());
    assert_eq!(
        (line.accepted, line.held, line.dropped),
        (end, 0, 0),
        "{line:?}"
    );
    assert_eq!(line.delivered, seen.delivered.len() as u64, "{line:?}");
    assert_eq!(line.rejected, seen.rejected.len() as u64, "{line:?}");
    let ends: BTreeSet<_> = seen.delivered.iter().chain(&seen.rejected).collect();
    assert_eq!(ends.len() as u64, end, "every item ends once");
    for attempt in &seen.attempts {
        let same = |other: &&Attempt| other.origin == attempt.origin;
        let same = seen.attempts.iter().find(same).unwrap();
        assert_eq!(same.ids, attempt.ids, "an origin means one payload");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_item_ends_once_however_owners_change(
        appends in prop::collection::vec((0_u64..400, 1_u64..50), 1..30),
        answers in prop::collection::vec((0_u64..700, answer()), 0..30),
        sets in prop::collection::vec(1_usize..=4, 1..6),
    ) {
        let answers = [answers, vec![(1, Answer::Take)]].concat();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(run(appends, answers, sets));
    }
}
