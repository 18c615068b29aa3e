//! What the admin server tells.

use crate::support::{Client, finish_whole, page, settings};
use penstock_metrics::{Metric, otelcol};
use penstock_otlp::Signal;
use penstock_receiver::Receiver;
use penstock_receiver::catalogue;
use penstock_telemetry::Recorder;
use penstock_testkit::exposition::families;
use penstock_testkit::{Backend, request};
use std::collections::BTreeSet;

/// What only a supervisor, a disk, a fault or another receiver brings.
const RARE: [&str; 14] = [
    "penstock_supervisor_worker_restarts_total",
    "penstock_supervisor_reloads_total",
    "penstock_supervisor_reload_failures_total",
    "penstock_supervisor_configuration_faulty",
    "penstock_log_disk_bytes",
    "penstock_log_disk_limit_bytes",
    "penstock_log_segments",
    "penstock_log_unserved_items",
    "penstock_append_sync_seconds",
    "penstock_append_write_seconds",
    "penstock_dead_letter_written_items_total",
    "penstock_dead_letter_failed_items_total",
    "penstock_dead_letter_discarded_items_total",
    "penstock_dead_letter_bytes",
];

fn declared() -> Vec<&'static Metric> {
    let own = catalogue::metrics()
        .into_iter()
        .flat_map(|section| section.metrics);
    let aliases = [otelcol::RECEIVER, otelcol::BATCHER].concat();
    let aliases = aliases.into_iter().chain([otelcol::PROCESS]).flatten();
    own.chain(aliases).collect()
}

/// Every series is declared, with this type and these labels, and every metric has series.
fn exposes(text: &str, declared: &[&Metric]) {
    let families = families(text);
    for family in &families {
        let Some(metric) = declared.iter().find(|metric| metric.name == family.name) else {
            panic!("{} is not declared", family.name);
        };
        assert_eq!(family.kind, metric.kind.name(), "{}", family.name);
        assert_eq!(family.help, metric.help, "{}", family.name);
        let labels: BTreeSet<_> = metric.labels.iter().copied().collect();
        assert_eq!(family.labels(), labels, "{}", family.name);
    }
    for metric in declared
        .iter()
        .filter(|metric| !RARE.contains(&metric.name))
    {
        let there = families.iter().any(|family| family.name == metric.name);
        assert!(there, "{} has no series", metric.name);
    }
}

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
        "otelcol_processor_memory_limiter_refused_spans_total{processor=\"memory_limiter\"}",
        "otelcol_processor_batch_timeout_trigger_send_total{processor=\"batch\",exporter=\"otlp/one\"}",
        "otelcol_processor_batch_batch_send_size_sum{processor=\"batch\",exporter=\"otlp/one\"}",
        "otelcol_exporter_queue_batch_send_size_count{exporter=\"otlp/one\",data_type=\"traces\"}",
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
    // What an exporter counts is not counted here too: a sum over all processes would have it twice.
    assert!(!metrics.contains("otelcol_exporter_sent_"), "{metrics}");
    exposes(&metrics, &declared());
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
