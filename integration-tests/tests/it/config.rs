//! Configurations as users bring them.

use crate::support::{Client, Seat, Setup, assert_law, push, settle};
use http::Request;
use http_body_util::Full;
use penstock_receiver::Receiver;
use penstock_settings::Source;
use penstock_telemetry::Recorder;

use penstock_testkit::{Backend, Oracle, Verdict, numbered};
use std::path::Path;

#[tokio::test]
async fn two_pipelines_of_one_signal_each_get_everything_once() {
    let (one, other) = (Backend::start().await, Backend::start().await);
    let (one_seat, other_seat) = (Seat::new(), Seat::new());
    let large = "{receivers: [otlp], processors: [batch/large], exporters: [otlp/other]}";
    let setup = Setup::new()
        .otlp("otlp/one", &one, &[&one_seat])
        .otlp("otlp/other", &other, &[&other_seat])
        .pipeline("traces", &["otlp/one"])
        .with("processors: {batch: {send_batch_size: 50, send_batch_max_size: 50}}")
        .with("processors: {batch/large: {send_batch_size: 200, timeout: 1h}}")
        .with(format!("service: {{pipelines: {{traces/large: {large}}}}}"));
    let one_process = setup.process("otlp/one", &one_seat).await;
    let other_process = setup.process("otlp/other", &other_seat).await;
    let receiver = setup.receiver().await;
    let client = Client::http2(receiver.grpc().next().unwrap()).await;
    let oracle = Oracle::new();

    let ids = numbered("span", 200);
    for some in ids.chunks(5) {
        assert!(push(&client, &oracle, "traces", some).await.is_ack());
    }
    settle(&receiver).await;
    let lines = receiver.ledger().lines();
    let pipelines: Vec<_> = lines.iter().map(|line| line.pipeline.as_str()).collect();
    assert_eq!(pipelines, ["traces", "traces/large"]);
    // Each pipeline has batches by its own rules.
    assert_eq!(other.recorded().len(), 1);
    assert!(one.recorded().len() >= 4);

    assert_eq!(receiver.stop().await.dropped, 0);
    one_process.stop().await;
    other_process.stop().await;
    assert_law(&lines);
    assert_eq!(oracle.acked(), 200);
    for backend in [one, other] {
        let mut arrived = backend.delivered("traces");
        arrived.sort();
        assert_eq!(arrived, ids);
    }
}

#[tokio::test]
async fn the_how_to_file_runs_as_it_is_with_a_second_file_that_says_where() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let how_to = repository.join("fixtures/config/how-to.yaml");
    let (tempo, loki) = (Backend::start().await, Backend::start().await);
    let (tempo_seat, loki_seat) = (Seat::new(), Seat::new());
    // Any OTLP server may stand in for an exporter.
    let (prometheus, debug) = (Backend::start().await, Backend::start().await);
    let endpoints = format!(
        "exporters: {{otlp/tempo: {{endpoint: \"{}\"}}, otlphttp/loki: {{endpoint: \"{}/otlp\"}}}}",
        tempo.address(),
        loki.url()
    );
    let setup = Setup::of(vec![Source::File(how_to)])
        .with(endpoints)
        .replicas("otlp/tempo", &[tempo_seat.address()])
        .replicas("otlphttp/loki", &[loki_seat.address()])
        .replicas("prometheus", &[prometheus.address()])
        .replicas("debug", &[debug.address()]);
    let tempo_process = setup.process("otlp/tempo", &tempo_seat).await;
    let loki_process = setup.process("otlphttp/loki", &loki_seat).await;
    let receiver = setup.receiver().await;
    let client = Client::http2(receiver.grpc().next().unwrap()).await;
    let oracle = Oracle::new();

    for signal in ["traces", "metrics", "logs"] {
        let ids = numbered(signal, 10);
        assert!(push(&client, &oracle, signal, &ids).await.is_ack());
    }
    settle(&receiver).await;
    let ledger = receiver.ledger().clone();
    assert_eq!(receiver.stop().await.dropped, 0);
    tempo_process.stop().await;
    loki_process.stop().await;
    assert_law(&ledger.lines());
    assert_eq!(ledger.lines().len(), 6);
    assert_eq!(loki.last().path, "/otlp/v1/logs");

    for (backend, signal) in [
        (&tempo, "traces"),
        (&prometheus, "metrics"),
        (&loki, "logs"),
    ] {
        oracle.arrive(&backend.delivered(signal));
        assert_eq!(debug.delivered(signal), numbered(signal, 10));
    }
    assert_eq!(oracle.acked(), 30);
    assert_eq!(oracle.verdict(), Verdict::default());
}

#[tokio::test]
async fn the_admin_pages_tell_what_became_of_everything() {
    let (backend, seat) = (Backend::start().await, Seat::new());
    let setup = Setup::new()
        .otlp("otlp/only", &backend, &[&seat])
        .pipeline("logs", &["otlp/only"]);
    let recorder = Recorder::install().unwrap();
    let receiver = Receiver::start(setup.settings(), Some(recorder))
        .await
        .unwrap();
    let client = Client::http2(receiver.grpc().next().unwrap()).await;
    let oracle = Oracle::new();
    assert!(
        push(&client, &oracle, "logs", &numbered("record", 7))
            .await
            .is_ack()
    );

    assert_eq!(page(&receiver, "/readyz").await, (200, "ok\n".to_owned()));
    let (_, ledger) = page(&receiver, "/ledger").await;
    let ledger: serde_json::Value = serde_json::from_str(&ledger).unwrap();
    assert_eq!(ledger["lines"][0]["held"], 7);
    let metrics = page(&receiver, "/metrics").await.1;
    for line in [
        "penstock_receive_accepted_items_total{receiver=\"otlp\",transport=\"grpc\",signal=\"logs\"} 7",
        "otelcol_receiver_accepted_log_records",
    ] {
        assert!(metrics.contains(line), "{metrics}");
    }

    let process = setup.process("otlp/only", &seat).await;
    settle(&receiver).await;
    receiver.begin_drain();
    let (status, why) = page(&receiver, "/readyz").await;
    assert_eq!((status, why.as_str()), (503, "draining: closing\n"));
    assert_eq!(receiver.stop().await.dropped, 0);
    process.stop().await;
    oracle.arrive(&backend.delivered("logs"));
    assert_eq!(oracle.verdict(), Verdict::default());
}

async fn page(receiver: &Receiver, path: &str) -> (u16, String) {
    let client = Client::http1(receiver.admin()).await;
    let request = Request::get(path)
        .body(Full::<bytes::Bytes>::default())
        .unwrap();
    let reply = client.send(request).await.unwrap();
    (
        reply.status,
        String::from_utf8(reply.body.to_vec()).unwrap(),
    )
}
