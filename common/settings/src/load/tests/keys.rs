//! Each key of the Collector that has a meaning here, with another value than its default.

use super::{MIB, SMALL, file, id, settings, text, warnings};
use crate::model::{Backend, ExporterKind, QueueLimit};
use penstock_otlp::compress::Encoding;
use std::path::Path;
use std::time::Duration;

#[test]
fn receiver_keys_are_honoured() {
    let settings = settings(&[
        text(&format!("{SMALL}\npenstock: {{memory: {{limit: 1GiB}}}}")),
        text(
            "receivers:
  otlp:
    protocols:
      grpc:
        endpoint: ${env:MY_POD_IP}:4317
        max_recv_msg_size_mib: 64
        max_concurrent_streams: 7
        tls: {cert_file: c.pem, key_file: k.pem, client_ca_file: ca.pem, min_version: '1.3'}
        keepalive:
          server_parameters:
            max_connection_idle: 1m
            max_connection_age: 0
            max_connection_age_grace: 5s
            time: 0s
            timeout: 3s
      http:
        endpoint: :4318
        traces_url_path: otlp/traces
        max_request_body_size: 1048576
        read_timeout: 0
        read_header_timeout: 2s
        idle_timeout: 3s
",
        ),
    ]);
    let receiver = &settings.receivers[&id("otlp")];
    let grpc = receiver.grpc.as_ref().unwrap();
    assert_eq!(grpc.endpoint, "10.0.0.7:4317");
    assert_eq!(
        (grpc.max_message_bytes, grpc.max_concurrent_streams),
        (64 * MIB, 7)
    );
    let tls = grpc.tls.as_ref().unwrap();
    assert_eq!(tls.client_ca_file.as_deref(), Some(Path::new("ca.pem")));
    assert!(!tls.versions.tls12 && tls.versions.tls13);
    assert_eq!(
        grpc.keepalive.max_connection_idle,
        Some(Duration::from_secs(60))
    );
    assert_eq!(grpc.keepalive.max_connection_age, None);
    assert_eq!(
        grpc.keepalive.max_connection_age_grace,
        Duration::from_secs(5)
    );
    assert_eq!(grpc.keepalive.time, Duration::from_secs(30));
    assert_eq!(grpc.keepalive.timeout, Duration::from_secs(3));
    let http = receiver.http.as_ref().unwrap();
    assert_eq!(http.endpoint, "0.0.0.0:4318");
    assert_eq!(http.paths, ["/otlp/traces", "/v1/metrics", "/v1/logs"]);
    assert_eq!(http.max_body_bytes, MIB);
    assert_eq!(http.read_timeout, Duration::from_secs(365 * 24 * 3600));
    assert_eq!(http.read_header_timeout, Duration::from_secs(2));
    assert_eq!(http.idle_timeout, Duration::from_secs(3));
}

#[test]
fn exporter_keys_are_honoured() {
    let settings = settings(&[text(SMALL), text(
        "exporters:
  otlp:
    endpoint: https://tempo:4317
    tls: {insecure: true, ca_file: ca.pem, server_name_override: t}
    compression: zstd
    headers: {X-Scope-OrgID: 1, Authorization: Bearer x}
    timeout: 0
    retry_on_failure: {initial_interval: 2s, max_interval: 3s, multiplier: 2, randomization_factor: 0, max_elapsed_time: 5m}
    sending_queue: {enabled: true, num_consumers: 3}
  otlphttp:
    endpoint: http://loki:3100/otlp/
    metrics_endpoint: http://prom:9090/api/v1/otlp/v1/metrics/
    encoding: json
    compression: none
    headers: [{name: a, value: b}]
    retry_on_failure: {enabled: false, max_elapsed_time: 0}
  file:
    path: /data/out.json
    compression: zstd
    rotation:
  debug:
    verbosity: detailed
    sampling_initial: 5
",
    )]);
    let exporter = settings.exporter("otlp").unwrap();
    let Backend::OtlpGrpc(grpc) = &exporter.backend else {
        panic!("not gRPC")
    };
    assert!(!grpc.tls.insecure, "https:// wins");
    assert_eq!(grpc.compression, Encoding::Zstd);
    let headers = [("X-Scope-OrgID", "1"), ("Authorization", "Bearer x")];
    assert_eq!(
        grpc.headers,
        headers.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
    assert_eq!(exporter.timeout, Duration::from_secs(365 * 24 * 3600));
    assert_eq!(
        exporter.retry.max_elapsed_time,
        Some(Duration::from_secs(300))
    );
    assert_eq!(
        (
            exporter.retry.multiplier,
            exporter.retry.randomization_factor
        ),
        (2.0, 0.0)
    );
    assert_eq!(exporter.batches_in_flight, 3);

    let exporter = settings.exporter("otlphttp").unwrap();
    assert_eq!(exporter.kind(), Some(ExporterKind::OtlpHttp));
    let Backend::OtlpHttp(http) = &exporter.backend else {
        panic!("not HTTP")
    };
    assert_eq!(
        http.urls.each_ref().map(|url| url.as_deref().unwrap()),
        [
            "http://loki:3100/otlp/v1/traces",
            "http://prom:9090/api/v1/otlp/v1/metrics/",
            "http://loki:3100/otlp/v1/logs"
        ]
    );
    assert!(http.json);
    assert_eq!(http.compression, Encoding::Identity);
    assert_eq!(http.headers, [("a".to_owned(), "b".to_owned())]);
    assert!(!exporter.retry.enabled);
    assert_eq!(exporter.retry.max_elapsed_time, None, "0 is without end");

    let Backend::File(file) = &settings.exporter("file").unwrap().backend else {
        panic!("not file")
    };
    assert!(file.zstd && !file.append);
    assert_eq!(file.rotation, Some(crate::model::Rotation::default()));
    let unused: Vec<_> = warnings(&settings);
    assert!(unused.contains(
        &"t.yaml:17:3: exporters.file: is in no pipeline and so does nothing".to_owned()
    ));
    assert_eq!(unused.len(), 3, "{unused:?}");
}

#[test]
fn exporters_for_prometheus_are_read() {
    let settings = settings(&[
        text(SMALL),
        text(
            "exporters:
  prometheusremotewrite:
    endpoint: http://mimir/api/v1/push
    timeout: 7s
    external_labels: {cluster: 7}
    sending_queue: {queue_size: 5, num_consumers: 2}
  prometheus: {endpoint: ':8889', const_labels: {zone: 1}, translation_strategy: NoUTF8EscapingWithSuffixes, max_series_per_metric: 7}
",
        ),
    ]);
    let exporter = settings.exporter("prometheus_remote_write").unwrap();
    assert_eq!(exporter.timeout, Duration::from_secs(7));
    assert_eq!(exporter.batches_in_flight, 2);
    let Backend::RemoteWrite(own) = &exporter.backend else {
        panic!("not remote write")
    };
    let cluster = ("cluster".to_owned(), "7".to_owned());
    assert_eq!(own.external_labels, [cluster]);
    let Backend::Prometheus(own) = &settings.exporter("prometheus").unwrap().backend else {
        panic!("not prometheus")
    };
    assert_eq!(own.endpoint, "0.0.0.0:8889");
    assert_eq!(own.const_labels, [("zone".to_owned(), "1".to_owned())]);
    assert!(own.names.suffixes && own.names.utf8);
    assert_eq!((own.max_series_per_metric, own.max_series), (7, 1_000_000));
    assert_eq!(
        settings
            .exporter("prometheusremotewrite")
            .unwrap()
            .queue_limit,
        Some(QueueLimit::Requests(5))
    );
}

#[test]
fn authenticators_of_exporters_change_their_headers() {
    let settings = settings(&[file("accepted/exporter-authenticators.yaml")]);
    let backend = |id: &str| settings.exporter(id).unwrap().backend.clone();
    let owned = |headers: &[(&str, &str)]| -> Vec<(String, String)> {
        let owned = headers.iter();
        owned
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    };
    let Backend::OtlpGrpc(grpc) = backend("otlp/setter") else {
        panic!("not gRPC")
    };
    assert_eq!(
        grpc.headers,
        owned(&[("X-Scope-OrgID", "7"), ("X-There", "this")])
    );
    let Backend::OtlpHttp(http) = backend("otlphttp/bearer") else {
        panic!("not HTTP")
    };
    assert_eq!(
        http.headers,
        owned(&[("authorization", "Token secret-one")])
    );
    let Backend::RemoteWrite(write) = backend("prometheusremotewrite") else {
        panic!("not remote write")
    };
    assert_eq!(
        write.headers,
        owned(&[("Authorization", "Basic YW5uOnNlY3JldC10d28=")])
    );
}

#[test]
fn pages_in_browsers_and_an_exporters_own_batches_are_honoured() {
    let settings = settings(&[
        text(SMALL),
        text(
            "receivers: {otlp: {protocols: {http: {cors: {allowed_origins: ['https://*.Example.com'], allowed_headers: [X-A], max_age: 60},
  response_headers: {X-B: c}}}}}
extensions: {health_check: {endpoint: ':13133', path: /healthy}, health_check/off: }
exporters:
  debug: {sending_queue: {batch: {flush_timeout: 3s, min_size: 10, max_size: 20}}}
  debug/bytes: {sending_queue: {batch: {sizer: bytes, min_size: 4096, max_size: 8388608}}}
  debug/empty: {sending_queue: {batch: }}
  debug/none:
service:
  extensions: [health_check]
  telemetry: {metrics: {readers: [{pull: {exporter: {prometheus: {host: 10.0.0.7, port: 9090}}}}]}}
penstock: {batch: {max_bytes: 1MiB}}
",
        ),
    ]);
    let http = settings.receivers[&id("otlp")].http.as_ref().unwrap();
    let cors = http.cors.as_ref().unwrap();
    assert_eq!(cors.allowed_origins, ["https://*.example.com"]);
    assert_eq!(cors.allowed_headers, ["X-A"]);
    assert_eq!(cors.max_age, Duration::from_secs(60));
    assert_eq!(http.response_headers, [("X-B".to_owned(), "c".to_owned())]);
    let checks = &settings.health_checks;
    assert_eq!(checks.len(), 1, "only those that are on");
    assert_eq!(
        (checks[0].endpoint.as_str(), checks[0].path.as_str()),
        ("0.0.0.0:13133", "/healthy")
    );
    assert_eq!(settings.penstock.admin, "10.0.0.7:9090");
    let batch = |id: &str| settings.exporter(id).unwrap().batch.clone();
    let own = batch("debug").unwrap();
    assert_eq!(
        (own.send_batch_size, own.send_batch_max_size, own.max_bytes),
        (10, 20, MIB)
    );
    assert_eq!(own.timeout, Duration::from_secs(3));
    assert_eq!(batch("debug/bytes").unwrap().max_bytes, 8 * MIB);
    let usual = batch("debug/empty").unwrap();
    assert_eq!(
        (usual.send_batch_size, usual.timeout),
        (8192, Duration::from_millis(200))
    );
    assert_eq!(batch("debug/none"), None);
}
