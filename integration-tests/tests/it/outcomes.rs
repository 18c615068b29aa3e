//! What a backend says, and what the ledger makes of it.

use crate::support::{Client, Seat, Setup, Tiers, assert_law, line, push, settle};
use penstock_testkit::{Answer, Backend, Oracle, Verdict, numbered};
use std::time::Duration;

const EXPORTER: &str = "otlp/only";
const INVALID_ARGUMENT: i32 = 3;
const RESOURCE_EXHAUSTED: i32 = 8;
const UNAVAILABLE: i32 = 14;

#[tokio::test]
async fn what_a_backend_leaves_out_or_never_takes_is_counted_as_rejected() {
    let tiers = Tiers::start(&["traces"], "").await;
    let client = tiers.grpc().await;
    let partly = Answer::Partial {
        rejected: 2,
        message: "two are too old".to_owned(),
    };
    // The batch and every piece that it is cut into in search of what is bad.
    let never = Answer::grpc(INVALID_ARGUMENT, "no such tenant");
    for (name, answer) in [("partly", partly), ("never", never), ("wholly", Answer::Ok)] {
        tiers.backend.otherwise(answer);
        let ids = numbered(name, 10);
        assert!(tiers.push(&client, "traces", &ids).await.is_ack());
        settle(&tiers.receiver).await;
    }
    let fates = line(&tiers.receiver, EXPORTER);
    assert_eq!((fates.accepted, fates.dropped), (30, 0));
    assert_eq!((fates.delivered, fates.rejected), (8 + 10, 2 + 10));

    let ledger = tiers.receiver.ledger().clone();
    assert_eq!(tiers.receiver.stop().await.dropped, 0);
    tiers.process.stop().await;
    assert_law(&ledger.lines());
    tiers.oracle.arrive(&tiers.backend.delivered("traces"));
    let rejected = Verdict {
        missing: numbered("never", 10),
        ..Verdict::default()
    };
    assert_eq!(tiers.oracle.verdict(), rejected);
}

#[tokio::test]
async fn a_backend_that_asks_to_try_again_gets_the_batch_again() {
    let tiers = Tiers::start(&["metrics"], "").await;
    let client = tiers.grpc().await;
    let later = Answer::Grpc {
        code: UNAVAILABLE,
        message: "restarting".to_owned(),
        retry_after: Some(Duration::from_millis(10)),
    };
    tiers
        .backend
        .script([later.clone(), Answer::Disconnect, later]);
    let ids = numbered("point", 10);
    assert!(tiers.push(&client, "metrics", &ids).await.is_ack());
    settle(&tiers.receiver).await;
    let fates = line(&tiers.receiver, EXPORTER);
    assert_eq!((fates.delivered, fates.retried), (10, 30));
    tiers.end().await;
}

#[tokio::test]
async fn batches_too_large_for_the_backend_are_cut_and_delivered() {
    let grpc = Answer::grpc(RESOURCE_EXHAUSTED, "grpc: received message larger than max");
    let http = Answer::http(413, "request entity too large");
    for (kind, too_large) in [("otlp", grpc), ("otlphttp", http)] {
        let (backend, seat) = (Backend::start().await, Seat::new());
        let setup = match kind {
            "otlp" => Setup::new().otlp(kind, &backend, &[&seat]),
            _ => Setup::new().otlphttp(kind, &backend, &[&seat]),
        };
        let setup = setup.pipeline("logs", &[kind]);
        let process = setup.process(kind, &seat).await;
        let receiver = setup.receiver().await;
        let client = Client::http2(receiver.grpc().next().unwrap()).await;
        let oracle = Oracle::new();

        backend.script([too_large.clone(), too_large.clone()]);
        let ids = numbered("fits", 10);
        assert!(push(&client, &oracle, "logs", &ids).await.is_ack());
        settle(&receiver).await;
        let sizes: Vec<_> = backend
            .recorded()
            .iter()
            .map(|recorded| recorded.request.count())
            .collect();
        assert_eq!(sizes, [10, 5, 3, 2, 5], "{kind}");
        assert_eq!(line(&receiver, kind).delivered, 10);

        // One item alone that is too large can only be rejected.
        backend.script([too_large]);
        assert!(
            push(&client, &oracle, "logs", &numbered("alone", 1))
                .await
                .is_ack()
        );
        settle(&receiver).await;
        assert_eq!(line(&receiver, kind).rejected, 1);

        let ledger = receiver.ledger().clone();
        assert_eq!(receiver.stop().await.dropped, 0);
        process.stop().await;
        assert_law(&ledger.lines());
        oracle.arrive(&backend.delivered("logs"));
        let verdict = oracle.verdict();
        assert_eq!(verdict.missing, numbered("alone", 1));
        assert!(verdict.duplicates.is_empty(), "{verdict:?}");
    }
}
