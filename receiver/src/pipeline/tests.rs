//! What the stages guarantee together: every request has one fate, and it is counted.

use super::*;
use crate::testing::{Bench, LIMITS, MAX_HOLD, NO_RULES, PEER, Script, Step, call};
use penstock_runtime::Phase;
use penstock_settings::Identity;
use penstock_testkit::{Request as Decoded, ids, traces};

async fn export(bench: &Bench, call: &Call, mut body: Script) -> Result<ExportResponse, Status> {
    bench
        .route
        .pipeline
        .export(call, &mut body, &bench.route.entrance)
        .await
}

#[tokio::test(start_paused = true)]
async fn an_acked_request_reaches_the_exporter_unchanged_and_gives_its_bytes_back() {
    let bench = Bench::new(Signal::Traces, NO_RULES);
    let body = traces(&["a", "b"]);
    let ack = export(&bench, &call(Some(body.len())), Script::of(&body))
        .await
        .unwrap();
    assert_eq!(ack, ExportResponse::default());
    assert_eq!(bench.exporter.delivered(2).await, [body]);
    assert_eq!(bench.route.entrance.accepted_items.get(), 2);
    bench.drain.begin(MAX_HOLD);
    bench.drain.enter(Phase::Flushing);
    bench.route.pipeline.log.drained().await;
    assert_eq!(bench.budget.held.used(), 0);
    assert!(
        bench
            .ledger
            .lines()
            .iter()
            .all(|line| line.balances() && line.delivered == 2)
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_delivered_names_the_pod() {
    let bench = Bench::new(
        Signal::Traces,
        Identity {
            pod_ip: true,
            ..NO_RULES
        },
    );
    let body = traces(&["a"]);
    export(&bench, &call(Some(body.len())), Script::of(&body))
        .await
        .unwrap();
    let delivered = bench.exporter.delivered(1).await.concat();
    assert_eq!(ids("traces", &delivered), ["a"]);
    let Decoded::Traces(request) = Decoded::decode("traces", &delivered).unwrap() else {
        panic!("traces were sent");
    };
    let attributes = &request.resource_spans[0]
        .resource
        .as_ref()
        .unwrap()
        .attributes;
    let added = attributes.last().unwrap();
    assert_eq!(added.key, "k8s.pod.ip");
    assert!(format!("{:?}", added.value).contains(&PEER.to_string()));
}

#[tokio::test(start_paused = true)]
async fn a_request_without_items_is_acked_and_forgotten() {
    let bench = Bench::new(Signal::Traces, NO_RULES);
    export(&bench, &call(Some(0)), Script::new([]))
        .await
        .unwrap();
    assert_eq!(bench.ledger.accepted(Signal::Traces), 0);
    assert_eq!(bench.budget.held.used(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_malformed_request_is_rejected_and_leaves_nothing_behind() {
    let bench = Bench::new(Signal::Traces, NO_RULES);
    let whole = traces(&["a"]);
    let cut = whole.slice(..whole.len() - 1);
    let status = export(&bench, &call(Some(cut.len())), Script::of(&cut))
        .await
        .unwrap_err();
    assert_eq!(status.code, Code::InvalidArgument);
    assert!(status.message.contains("byte"), "{status}");
    assert_eq!(bench.budget.held.used(), 0);
    let neighbour = export(&bench, &call(Some(whole.len())), Script::of(&whole)).await;
    assert!(neighbour.is_ok());
    assert_eq!(bench.exporter.delivered(1).await, [whole]);
}

#[tokio::test(start_paused = true)]
async fn while_stopping_items_are_refused_and_counted() {
    let bench = Bench::new(Signal::Traces, NO_RULES);
    bench.drain.begin(MAX_HOLD);
    bench.drain.enter(Phase::Flushing);
    bench.route.pipeline.log.drained().await;
    let body = traces(&["a", "b"]);
    let status = export(&bench, &call(Some(body.len())), Script::of(&body))
        .await
        .unwrap_err();
    assert!(
        status.is_retryable() && status.retry_after.is_some(),
        "{status}"
    );
    assert_eq!(bench.route.entrance.refused(), 2);
    assert_eq!(bench.budget.held.used(), 0);
}

#[tokio::test(start_paused = true)]
async fn every_request_ends_as_accepted_refused_or_rejected() {
    let bench = Bench::new(Signal::Traces, NO_RULES);
    let good = traces(&["a"]);
    let bodies = [
        Script::of(&good),
        Script::of(&good.slice(1..)),
        Script::new([Step::Error(BodyError::Gone)]),
        Script::new([Step::Stall]),
        Script::new([Step::Chunk(Bytes::from(vec![0; LIMITS.max_bytes + 1]))]),
    ];
    let mut acked = 0;
    for body in bodies {
        acked += u64::from(export(&bench, &call(None), body).await.is_ok());
    }
    let counts = crate::metrics::Counts {
        entrances: vec![Arc::clone(&bench.route.entrance)],
        doors: vec![Arc::clone(&bench.door)],
    };
    let counts = counts.of(Signal::Traces);
    assert_eq!(counts.requests, 5);
    assert_eq!(
        counts.requests,
        acked + counts.refused_requests + counts.rejected_requests
    );
    assert_eq!(counts.accepted_items, bench.ledger.accepted(Signal::Traces));
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_gives_up_while_it_is_held_is_counted_too() {
    let bench = Bench::new(Signal::Traces, NO_RULES);
    let _full = bench.budget.held.force(bench.budget.held.limit());
    let body = traces(&["a"]);
    let (call, script) = (call(Some(body.len())), Script::of(&body));
    let exporting = export(&bench, &call, script);
    assert!(tokio::time::timeout(MAX_HOLD / 2, exporting).await.is_err());
    let entrances = vec![Arc::clone(&bench.route.entrance)];
    let counts = crate::metrics::Counts {
        entrances,
        doors: Vec::new(),
    }
    .of(Signal::Traces);
    assert_eq!((counts.requests, counts.rejected_requests), (1, 1));
}
