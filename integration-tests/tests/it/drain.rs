//! The end of a receiver: what it has acked goes out first.

use crate::support::{Client, Seat, Setup, Tiers, assert_law, eventually, keep_pushing, push};
use futures_util::future::join_all;
use penstock_testkit::{Backend, Oracle, Verdict, numbered};
use std::sync::atomic::AtomicBool;

const EXPORTER: &str = "otlp/only";

#[tokio::test]
async fn a_drain_delivers_what_is_held_before_the_end() {
    let patient = "processors: {batch: {timeout: 1h, send_batch_size: 1000000}}";
    let tiers = Tiers::start(&["traces", "metrics", "logs"], patient).await;
    let client = tiers.grpc().await;
    for signal in ["traces", "metrics", "logs"] {
        let ids = numbered(signal, 100);
        assert!(tiers.push(&client, signal, &ids).await.is_ack());
    }
    let ledger = tiers.receiver.ledger().clone();
    let held: u64 = ledger.lines().iter().map(|line| line.held).sum();
    assert_eq!(held, 300, "nothing goes before the drain");

    assert_eq!(tiers.receiver.stop().await.dropped, 0);
    tiers.process.stop().await;
    assert_law(&ledger.lines());
    for signal in ["traces", "metrics", "logs"] {
        tiers.oracle.arrive(&tiers.backend.delivered(signal));
    }
    assert_eq!(tiers.oracle.acked(), 300);
    assert_eq!(tiers.oracle.verdict(), Verdict::default());
}

#[tokio::test]
async fn a_drain_without_a_backend_and_a_disk_counts_what_it_drops() {
    let (backend, seat) = (Backend::start().await, Seat::new());
    let setup = Setup::new()
        .otlp(EXPORTER, &backend, &[&seat])
        .pipeline("logs", &[EXPORTER])
        .with("penstock: {log: {storage: memory}, drain: {deadline: 300ms}}");
    let receiver = setup.receiver().await;
    let client = Client::http2(receiver.grpc().next().unwrap()).await;
    let oracle = Oracle::new();
    let ids = numbered("record", 100);
    assert!(push(&client, &oracle, "logs", &ids).await.is_ack());

    let ledger = receiver.ledger().clone();
    assert_eq!(receiver.stop().await.dropped, 100);
    let lines = ledger.lines();
    assert_law(&lines);
    let fates = (lines[0].accepted, lines[0].dropped, lines[0].held);
    assert_eq!(fates, (100, 100, 0));
    assert_eq!(backend.delivered("logs"), Vec::<String>::new());
}

#[tokio::test]
async fn a_drain_in_full_flow_loses_nothing_that_was_acked() {
    let tiers = Tiers::start(&["traces"], "").await;
    let stop = AtomicBool::new(false);
    let (one, other) = (tiers.grpc().await, tiers.grpc().await);
    let names = ["a", "b", "c", "d", "e", "f"];
    let load = join_all(names.map(|name| {
        let client = if name < "d" { &one } else { &other };
        keep_pushing(client, &tiers.oracle, "traces", name, &stop)
    }));
    let (receiver, backend) = (tiers.receiver, &tiers.backend);
    let ledger = receiver.ledger().clone();
    let story = async {
        eventually("batches flow", || backend.recorded().len() > 3).await;
        receiver.stop().await
    };
    // Nothing but the receiver's goodbye ends the load.
    let (_, drained) = tokio::join!(load, story);

    assert_eq!(drained.dropped, 0);
    tiers.process.stop().await;
    assert_law(&ledger.lines());
    tiers.oracle.arrive(&tiers.backend.delivered("traces"));
    assert_eq!(tiers.oracle.verdict(), Verdict::default());
}
