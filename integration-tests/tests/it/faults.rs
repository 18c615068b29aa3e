//! Exporters that are dead, die, come and go.

use crate::support::{
    Client, Seat, Setup, Tiers, assert_law, eventually, keep_pushing, line, push, settle,
};
use futures_util::future::join_all;
use penstock_testkit::{Answer, Backend, Gate, Oracle, Verdict, numbered};
use std::sync::atomic::{AtomicBool, Ordering};

#[tokio::test]
async fn a_dead_exporter_delays_no_other_and_nothing_is_sent_twice() {
    let (prompt, late) = (Backend::start().await, Backend::start().await);
    let (prompt_seat, late_seat) = (Seat::new(), Seat::new());
    let setup = Setup::new()
        .otlp("otlp/late", &late, &[&late_seat])
        .otlp("otlp/prompt", &prompt, &[&prompt_seat])
        .pipeline("logs", &["otlp/late", "otlp/prompt"]);
    let prompt_process = setup.process("otlp/prompt", &prompt_seat).await;
    let receiver = setup.receiver().await;
    let client = Client::http2(receiver.grpc().next().unwrap()).await;
    let oracle = Oracle::new();

    let ids = numbered("record", 200);
    for some in ids.chunks(5) {
        assert!(push(&client, &oracle, "logs", some).await.is_ack());
    }
    eventually("the living exporter has delivered everything", || {
        line(&receiver, "otlp/prompt").delivered == 200
    })
    .await;
    let dead = line(&receiver, "otlp/late");
    assert_eq!((dead.accepted, dead.held), (200, 200), "{dead:?}");
    assert_eq!(line(&receiver, "otlp/prompt").retried, 0);

    let late_process = setup.process("otlp/late", &late_seat).await;
    settle(&receiver).await;
    let ledger = receiver.ledger().clone();
    assert_eq!(receiver.stop().await.dropped, 0);
    prompt_process.stop().await;
    late_process.stop().await;
    assert_law(&ledger.lines());
    for backend in [prompt, late] {
        let mut arrived = backend.delivered("logs");
        arrived.sort();
        assert_eq!(arrived, ids);
    }
    assert_eq!(oracle.acked(), 200);
}

#[tokio::test]
async fn an_exporter_killed_in_mid_load_delivers_everything_accepted() {
    let mut tiers = Tiers::start(&["traces"], "").await;
    let client = tiers.grpc().await;
    let (backend, oracle) = (&tiers.backend, &tiers.oracle);
    let stop = AtomicBool::new(false);
    let names = ["a", "b", "c", "d"];
    let load = join_all(names.map(|name| keep_pushing(&client, oracle, "traces", name, &stop)));

    let (process, setup, seat) = (tiers.process, &tiers.setup, &tiers.seat);
    let story = async {
        eventually("batches flow", || backend.recorded().len() > 3).await;
        let gate = Gate::new();
        backend.otherwise(Answer::Ok.behind(&gate));
        let before = backend.recorded().len();
        backend.arrived(before + 2).await;
        // Some batches are at the backend without an answer, others on their way.
        process.kill().await;
        let acked = oracle.acked();
        eventually("senders notice nothing", || oracle.acked() > acked + 100).await;
        backend.otherwise(Answer::Ok);
        gate.open();
        let process = setup.process("otlp/only", seat).await;
        eventually("batches flow again", || {
            process.line("traces").delivered > 0
        })
        .await;
        stop.store(true, Ordering::Relaxed);
        process
    };
    (_, tiers.process) = tokio::join!(load, story);

    settle(&tiers.receiver).await;
    let retried = line(&tiers.receiver, "otlp/only").retried;
    assert!(retried > 0, "the kill hit nothing");
    let verdict = tiers.end_at_least_once().await;
    // What the backend had, and nobody could say so, comes again.
    let expected = Verdict {
        duplicates: verdict.duplicates.clone(),
        ..Verdict::default()
    };
    assert_eq!(verdict, expected);
}

#[tokio::test]
async fn replicas_share_load_and_one_added_or_drained_loses_nothing() {
    let backend = Backend::start().await;
    let (first, second) = (Seat::new(), Seat::new());
    let setup = Setup::new()
        .otlp("otlp/two", &backend, &[&first, &second])
        .pipeline("traces", &["otlp/two"])
        .with("processors: {batch: {timeout: 1ms}}");
    let one = setup.process("otlp/two", &first).await;
    let receiver = setup.receiver().await;
    let client = Client::http2(receiver.grpc().next().unwrap()).await;
    let oracle = Oracle::new();
    let stop = AtomicBool::new(false);
    let names = ["a", "b", "c", "d"];
    let load = join_all(names.map(|name| keep_pushing(&client, &oracle, "traces", name, &stop)));

    let story = async {
        eventually("the first replica works alone", || {
            one.line("traces").delivered > 100
        })
        .await;
        let two = setup.process("otlp/two", &second).await;
        eventually("the second one gets its share", || {
            two.line("traces").delivered > 100
        })
        .await;
        let so_far = one.line("traces").delivered;
        eventually("the first one keeps its share", || {
            one.line("traces").delivered > so_far
        })
        .await;
        one.stop().await;
        let so_far = two.line("traces").delivered;
        eventually("the second one works alone", || {
            two.line("traces").delivered > so_far + 100
        })
        .await;
        stop.store(true, Ordering::Relaxed);
        two
    };
    let (_, two) = tokio::join!(load, story);

    settle(&receiver).await;
    let ledger = receiver.ledger().clone();
    assert_eq!(receiver.stop().await.dropped, 0);
    two.stop().await;
    assert_law(&ledger.lines());
    oracle.arrive(&backend.delivered("traces"));
    assert_eq!(oracle.verdict(), Verdict::default());
}
