//! What the admin server tells.

use crate::support::{Client, finish_whole, page, settings};
use penstock_otlp::Signal;
use penstock_receiver::Receiver;
use penstock_telemetry::Recorder;
use penstock_testkit::{Backend, request};

#[tokio::test]
async fn users_find_the_collectors_names_beside_ours() {
    // The process has one recorder; the other tests do without.
    let recorder = Recorder::install().unwrap();
    let backends = [Backend::start().await, Backend::start().await];
    let settings = settings(backends.each_ref().map(Backend::address));
    let receiver = Receiver::start(settings, Some(recorder)).await.unwrap();
    let client = Client::connect(&receiver).await;
    client
        .send(Signal::Traces, &request("traces", &["a", "b"]))
        .await
        .unwrap();
    backends[0].arrived(1).await;

    let (status, metrics) = page(&receiver, "/metrics").await;
    assert_eq!(status, 200);
    for line in [
        "otelcol_receiver_accepted_spans_total{receiver=\"otlp\",transport=\"grpc\"} 2",
        "otelcol_receiver_refused_log_records_total{receiver=\"otlp\",transport=\"http\"} 0",
        "otelcol_receiver_failed_metric_points_total{receiver=\"otlp\",transport=\"grpc\"} 0",
        "penstock_receive_connections{receiver=\"otlp\",transport=\"grpc\"} 1",
        "penstock_receive_max_connections 20000",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    for name in [
        "otelcol_exporter_sent_spans_total{exporter=\"otlp/one\"}",
        "otelcol_exporter_send_failed_log_records_total{exporter=\"otlp/two\"}",
        "otelcol_exporter_enqueue_failed_metric_points_total{exporter=\"otlp/two\"}",
        "otelcol_exporter_queue_size{exporter=\"otlp/one\",data_type=\"traces\"}",
        "otelcol_exporter_queue_capacity{exporter=\"otlp/two\",data_type=\"logs\"}",
        "otelcol_process_uptime_seconds_total",
        "otelcol_process_cpu_seconds_total",
        "otelcol_process_memory_rss_bytes",
    ] {
        assert!(metrics.contains(name), "{name} is not in\n{metrics}");
    }
    let named = |word: &str| -> Vec<String> {
        let lines = metrics.lines().filter_map(|line| line.strip_prefix(word));
        lines
            .filter_map(|line| line.split(' ').next().map(str::to_owned))
            .collect()
    };
    let explained = named("# HELP ");
    for name in named("# TYPE ") {
        assert!(explained.contains(&name), "{name} has no help text");
    }
    assert_eq!(page(&receiver, "/livez").await.0, 200);
    drop(client);
    finish_whole(receiver).await;
}

#[tokio::test]
async fn the_ledger_shows_both_sides_of_the_ack() {
    let (receiver, _backends) = crate::support::receiver().await;
    let client = Client::connect(&receiver).await;
    client
        .send(Signal::Logs, &request("logs", &["a", "b", "c"]))
        .await
        .unwrap();
    let (status, ledger) = page(&receiver, "/ledger").await;
    assert_eq!(status, 200);
    let ledger: serde_json::Value = serde_json::from_str(&ledger).unwrap();
    assert_eq!(ledger["signals"][Signal::Logs.index()]["accepted_items"], 3);
    let lines = ledger["lines"].as_array().unwrap();
    let of_logs: Vec<_> = lines
        .iter()
        .filter(|line| line["signal"] == "logs")
        .collect();
    assert_eq!(of_logs.len(), 2);
    assert!(
        of_logs.iter().all(|line| line["accepted"] == 3),
        "{ledger:#}"
    );
    drop(client);
    finish_whole(receiver).await;
}
