//! More data than memory: hold first, refuse last, and each signal on its own.

use crate::support::{
    Client, Reply, Seat, Setup, Tiers, assert_law, eventually, line, push, settle,
};
use futures_util::future::join_all;
use penstock_otlp::Signal;
use penstock_testkit::{Answer, Backend, Gate, Oracle, Verdict, numbered};
use std::sync::atomic::{AtomicBool, Ordering};

/// Items of a request of the flood: some 50 kB.
const MANY: usize = 400;

#[tokio::test]
async fn a_flood_of_traces_neither_delays_nor_refuses_metrics() {
    let (traces, metrics) = (Backend::start().await, Backend::start().await);
    let (traces_seat, metrics_seat) = (Seat::new(), Seat::new());
    let setup = Setup::new()
        .otlp("otlp/traces", &traces, &[&traces_seat])
        .otlp("otlp/metrics", &metrics, &[&metrics_seat])
        .pipeline("traces", &["otlp/traces"])
        .pipeline("metrics", &["otlp/metrics"])
        .with("penstock: {log: {storage: memory}, memory: {limit: 3MiB, max_hold: 200ms}}");
    let metrics_process = setup.process("otlp/metrics", &metrics_seat).await;
    let receiver = setup.receiver().await;
    // One connection for both, as a sidecar's proxy has.
    let client = Client::http2(receiver.grpc().next().unwrap()).await;
    let (flood, points) = (Oracle::new(), Oracle::new());

    let stop = AtomicBool::new(false);
    let senders = ["a", "b", "c", "d", "e", "f", "g", "h"];
    let flooding = join_all(senders.map(|name| push_anyway(&client, &flood, name, &stop)));
    let story = async {
        eventually("traces are held", || receiver.waiting(Signal::Traces) > 0).await;
        // Larger than the flood's, so that none fits into what the flood has left.
        for number in 0..20 {
            let ids = numbered(&format!("point-{number}"), 3 * MANY);
            let reply = push(&client, &points, "metrics", &ids).await;
            assert!(reply.is_ack(), "{reply:?}");
        }
        eventually("metrics are delivered", || {
            line(&receiver, "otlp/metrics").delivered == 60 * MANY as u64
        })
        .await;
        assert_eq!(line(&receiver, "otlp/traces").delivered, 0);
        assert!(receiver.waiting(Signal::Traces) > 0);
        eventually("traces are refused", || {
            receiver.counts(Signal::Traces).refused_requests > 0
        })
        .await;
        stop.store(true, Ordering::Relaxed);
    };
    let (refusals, ()) = tokio::join!(flooding, story);

    let refusals: Vec<Reply> = refusals.into_iter().flatten().collect();
    for refusal in &refusals {
        assert_eq!(refusal.code, Some(14), "{refusal:?}");
        assert!(refusal.message.contains("memory budget"), "{refusal:?}");
        assert!(refusal.retry_after.is_some(), "{refusal:?}");
    }
    let counts = receiver.counts(Signal::Traces);
    assert_eq!(counts.refused_requests, refusals.len() as u64);
    let counted = counts.refused_requests - counts.uncounted_requests;
    assert_eq!(counts.refused_items, counted * MANY as u64);
    assert_eq!(counts.accepted_items, flood.acked() as u64);
    assert_eq!(receiver.counts(Signal::Metrics).refused_requests, 0);

    let traces_process = setup.process("otlp/traces", &traces_seat).await;
    settle(&receiver).await;
    let ledger = receiver.ledger().clone();
    assert_eq!(receiver.stop().await.dropped, 0);
    traces_process.stop().await;
    metrics_process.stop().await;
    assert_law(&ledger.lines());
    flood.arrive(&traces.delivered("traces"));
    points.arrive(&metrics.delivered("metrics"));
    assert_eq!(flood.verdict(), Verdict::default());
    assert_eq!(points.verdict(), Verdict::default());
}

/// Sends on whatever the answers are, and returns the refusals.
async fn push_anyway(
    client: &Client,
    oracle: &Oracle,
    name: &str,
    stop: &AtomicBool,
) -> Vec<Reply> {
    let mut refusals = Vec::new();
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let ids = numbered(&format!("{name}-{number}"), MANY);
        let reply = push(client, oracle, "traces", &ids).await;
        refusals.extend(Some(reply).filter(|reply| !reply.is_ack()));
    }
    refusals
}

#[tokio::test]
async fn a_full_budget_holds_acks_and_releases_them_without_a_refusal() {
    let memory = "penstock: {log: {storage: memory}, memory: {limit: 2MiB, max_hold: 100s}}";
    let tiers = Tiers::start(&["traces"], memory).await;
    let gate = Gate::new();
    tiers.backend.otherwise(Answer::Ok.behind(&gate));
    let client = tiers.grpc().await;

    let batches: Vec<_> = (0..100)
        .map(|number| numbered(&format!("batch-{number}"), MANY))
        .collect();
    let pushing = join_all(batches.iter().map(|ids| tiers.push(&client, "traces", ids)));
    let story = async {
        eventually("acks are held", || {
            tiers.receiver.waiting(Signal::Traces) > 50
        })
        .await;
        assert!(tiers.receiver.held_bytes(Signal::Traces) <= 2 << 20);
        assert_eq!(tiers.backend.delivered("traces").len(), 0);
        gate.open();
    };
    let (replies, ()) = tokio::join!(pushing, story);

    assert!(replies.iter().all(Reply::is_ack));
    let counts = tiers.receiver.counts(Signal::Traces);
    assert_eq!(
        (counts.accepted_items, counts.refused_requests),
        (100 * MANY as u64, 0)
    );
    tiers.end().await;
}
