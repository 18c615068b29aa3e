//! Whole files: what Kong Mesh's users bring loads as it is, and what is broken says so exactly.

use super::{Source, check, load_in};
use crate::environment::Environment;
use crate::model::{
    Backend, ComponentId, DeadLetter, DiskLog, OnFull, Settings, StartAt, Storage, SyncPolicy,
    Verbosity,
};
use penstock_otlp::{Signal, compress::Encoding};
use proptest::prelude::*;
use std::path::{Path, PathBuf};
use std::time::Duration;

mod collector;
mod corpus;
mod keys;
mod log;
mod together;

const MIB: usize = 1 << 20;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/config")
}

fn environment() -> Environment {
    Environment {
        variables: [("MY_POD_IP".to_owned(), "10.0.0.7".to_owned())].into(),
        memory_bytes: 1 << 30,
        cpus: 2,
    }
}

fn file(name: &str) -> Source {
    let yaml = std::fs::read_to_string(fixtures().join(name)).unwrap();
    Source::Text {
        name: name.to_owned(),
        yaml,
    }
}

fn text(yaml: &str) -> Source {
    Source::Text {
        name: "t.yaml".to_owned(),
        yaml: yaml.to_owned(),
    }
}

fn settings(sources: &[Source]) -> Settings {
    load_in(sources, &environment()).unwrap_or_else(|errors| panic!("{errors:#?}"))
}

fn errors(sources: &[Source]) -> Vec<String> {
    let errors = load_in(sources, &environment()).expect_err("it is broken");
    errors.0.iter().map(ToString::to_string).collect()
}

fn warnings(settings: &Settings) -> Vec<String> {
    settings.warnings.iter().map(ToString::to_string).collect()
}

/// A small valid file, to which a test adds.
const SMALL: &str = "
receivers: {otlp: {protocols: {grpc: , http: }}}
exporters: {debug: }
service: {pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}
";

fn id(text: &str) -> ComponentId {
    ComponentId(text.to_owned())
}

#[test]
fn how_to_loads_as_it_is() {
    for (name, tempo, loki) in [
        ("how-to.yaml", "otlp/tempo", "otlphttp/loki"),
        ("how-to-new-names.yaml", "otlp_grpc/tempo", "otlp_http/loki"),
    ] {
        let settings = settings(&[file(name)]);

        let receiver = &settings.receivers[&id("otlp")];
        let grpc = receiver.grpc.as_ref().unwrap();
        assert_eq!(grpc.endpoint, "0.0.0.0:4317");
        assert_eq!(
            (grpc.max_message_bytes, grpc.max_concurrent_streams),
            (16 * MIB, 1024)
        );
        assert_eq!(
            grpc.keepalive.max_connection_age,
            Some(Duration::from_secs(600))
        );
        let http = receiver.http.as_ref().unwrap();
        assert_eq!(http.endpoint, "0.0.0.0:4318");
        assert_eq!(http.paths, ["/v1/traces", "/v1/metrics", "/v1/logs"]);

        assert_eq!(settings.penstock.memory.limit_bytes, 500 * MIB);
        assert_eq!(settings.penstock.memory.high_mark, 0.2);
        assert_eq!(settings.penstock.memory.shares, [1.0 / 3.0; 3]);
        assert_eq!(settings.penstock.signals, Signal::ALL);

        let ids: Vec<_> = settings
            .pipelines
            .iter()
            .map(|pipeline| pipeline.id.as_str())
            .collect();
        assert_eq!(ids, ["traces", "metrics", "logs"]);
        for pipeline in &settings.pipelines {
            assert_eq!(pipeline.receivers, [id("otlp")]);
            assert_eq!(pipeline.batch.send_batch_size, 4096);
            assert_eq!(pipeline.batch.send_batch_max_size, 8192);
            assert_eq!(pipeline.batch.timeout, Duration::from_secs(10));
            assert_eq!(pipeline.batch.max_bytes, 4 * MIB - 64 * 1024);
        }
        assert_eq!(settings.pipelines[0].exporters, [id(tempo), id("debug")]);
        assert_eq!(
            settings.pipelines[1].exporters,
            [id("prometheus"), id("debug")]
        );
        assert_eq!(settings.pipelines[2].exporters, [id(loki), id("debug")]);

        let exporter = settings.exporter("otlp/tempo").unwrap();
        let Backend::OtlpGrpc(grpc) = &exporter.backend else {
            panic!("not gRPC")
        };
        assert_eq!(grpc.endpoint, "tempo.observability:4317");
        assert!(grpc.tls.insecure);
        assert_eq!(grpc.compression, Encoding::Gzip);
        assert_eq!(exporter.timeout, Duration::from_secs(5));
        assert_eq!(
            (exporter.batches_in_flight, exporter.retry.max_elapsed_time),
            (10, None)
        );

        let exporter = settings.exporter("otlp_http/loki").unwrap();
        let Backend::OtlpHttp(http) = &exporter.backend else {
            panic!("not HTTP")
        };
        assert_eq!(
            http.urls[Signal::Logs.index()].as_deref(),
            Some("http://loki.observability:3100/otlp/v1/logs")
        );
        assert_eq!(exporter.timeout, Duration::from_secs(30));
        assert_eq!(settings.signals_of(&exporter.id), [Signal::Logs]);

        let Backend::Debug(debug) = &settings.exporter("debug").unwrap().backend else {
            panic!("not debug")
        };
        assert_eq!(debug.verbosity, Verbosity::Basic);
        let Backend::Prometheus(prometheus) = &settings.exporter("prometheus").unwrap().backend
        else {
            panic!("not prometheus")
        };
        assert_eq!(prometheus.endpoint, "0.0.0.0:8889");

        assert_eq!(
            warnings(&settings),
            [format!(
                "{name}:12:5: processors.memory_limiter.check_interval: has no effect here: bytes are counted as \
                 they come in, not polled"
            )]
        );
    }
}

#[test]
fn second_file_adds_what_is_ours() {
    let settings = settings(&[file("how-to.yaml"), file("penstock.yaml")]);
    let penstock = &settings.penstock;
    assert_eq!(penstock.signals, [Signal::Traces, Signal::Logs]);
    assert_eq!(penstock.shards, Some(2));
    assert_eq!(penstock.max_connections, 500);
    assert_eq!(penstock.admin, "127.0.0.1:9999");
    assert_eq!(penstock.memory.limit_bytes, 256 * MIB);
    assert_eq!(penstock.memory.high_mark, 0.75);
    assert_eq!(penstock.memory.max_hold, Duration::from_secs(3));
    assert_eq!(penstock.memory.shares, [0.75, 0.0, 0.25]);
    assert_eq!(penstock.log.block_bytes, 64 << 10);
    assert_eq!(penstock.log.new_exporter, StartAt::Oldest);
    let disk = DiskLog {
        directory: "/data/penstock".into(),
        max_bytes: 512 << 20,
        segment_bytes: 8 << 20,
        sync: SyncPolicy::Interval(Duration::from_millis(250)),
        linger: Duration::from_millis(5),
        on_full: OnFull::DropOldest,
    };
    assert_eq!(penstock.log.storage, Storage::Disk(disk));
    let rejected = DeadLetter {
        directory: "/data/rejected".into(),
        max_bytes: 64 << 20,
    };
    assert_eq!(penstock.dead_letter, Some(rejected));
    let other = penstock.hand_over.as_ref().unwrap();
    assert_eq!(
        other.endpoint,
        "dns:///penstock-receiver.observability:4317"
    );
    assert_eq!(settings.pipelines[0].batch.max_bytes, 2 * MIB);
    assert_eq!(penstock.hop.timeout_margin, Duration::from_secs(2));
    assert_eq!(penstock.hop.connect_timeout, Duration::from_secs(1));
    assert_eq!(penstock.hop.keepalive_time, Duration::from_secs(20));
    assert_eq!(penstock.hop.keepalive_timeout, Duration::from_secs(4));
    assert_eq!(penstock.hop.resolve_interval, Duration::from_secs(90));
    assert_eq!(penstock.hop.eject_for, Duration::from_millis(500));
    assert_eq!(penstock.hop.compression, Encoding::Zstd);
    let identity = &penstock.identity;
    assert!(!identity.pod_ip && !identity.trust_forwarded_for && !identity.metrics_instance_id);
    assert!(!identity.metrics_service_name && !identity.logs_service_name);
    assert_eq!(penstock.drain_deadline, Duration::from_secs(9));

    let tempo = &settings.exporter("otlp/tempo").unwrap().hop;
    assert_eq!(tempo.replicas, ["127.0.0.1:4401", "127.0.0.1:4402"]);
    assert_eq!(
        (tempo.listen.as_str(), tempo.admin.as_str()),
        ("127.0.0.1:4401", "127.0.0.1:8901")
    );
    assert_eq!(tempo.max_concurrent_batches, 5);
    let debug = &settings.exporter("debug").unwrap().hop;
    assert_eq!(debug.replicas, ["dns:///debug.observability:4400"]);
    assert_eq!(debug.listen, "0.0.0.0:4400");
    let loki = &settings.exporter("otlphttp/loki").unwrap().hop;
    assert_eq!(
        loki.replicas,
        ["dns:///penstock-exporter-otlphttp-loki:4400"]
    );
}

#[test]
fn one_component_with_defaults_per_null() {
    let settings = settings(&[text(SMALL)]);
    let receiver = &settings.receivers[&id("otlp")];
    assert_eq!(receiver.grpc.as_ref().unwrap().endpoint, "localhost:4317");
    assert_eq!(receiver.http.as_ref().unwrap().endpoint, "localhost:4318");
    assert_eq!(settings.pipelines[0].batch, crate::model::Batch::default());
    assert_eq!(
        settings.penstock.memory.limit_bytes,
        MIB * 512,
        "half of what the environment has"
    );
    assert_eq!(settings.penstock.memory.high_mark, 0.8);
    assert_eq!(
        settings.penstock.signals,
        [Signal::Traces],
        "only what has a pipeline"
    );
    assert_eq!(settings.penstock.memory.shares, [1.0, 0.0, 0.0]);
    assert_eq!(settings.penstock.drain_deadline, Duration::from_secs(25));
    assert_eq!(settings.penstock.max_connections, 20_000);
    assert_eq!(
        settings.penstock.log.storage,
        Storage::Disk(DiskLog::default())
    );
    let rejected = settings.penstock.dead_letter.as_ref().unwrap();
    assert_eq!(
        rejected.directory,
        Path::new("/var/lib/penstock/dead-letter")
    );
    assert_eq!(
        (rejected.max_bytes, &settings.penstock.hand_over),
        (256 << 20, &None)
    );
    assert!(settings.warnings.is_empty(), "{:?}", settings.warnings);
}

#[test]
fn later_null_puts_a_setting_back_to_its_default() {
    let first = format!("{SMALL}\npenstock: {{shards: 3, log: {{block_size: 2MiB}}}}");
    let settings = settings(&[text(&first), text("penstock: {shards: , log: }")]);
    assert_eq!(settings.penstock.shards, None);
    assert_eq!(settings.penstock.log.block_bytes, MIB);
}

#[test]
fn percentages_are_of_the_environments_memory() {
    let limiter = "processors: {memory_limiter: {limit_percentage: 50, spike_limit_percentage: 10}}
service: {pipelines: {traces: {processors: [memory_limiter]}}}";
    let settings = settings(&[text(SMALL), text(limiter)]);
    assert_eq!(settings.penstock.memory.limit_bytes, 50 * ((1 << 30) / 100));
    assert!((settings.penstock.memory.high_mark - 0.8).abs() < 1e-9);
}

#[test]
fn own_memory_limit_wins_over_memory_limiter() {
    let first = std::fs::read_to_string(fixtures().join("how-to.yaml")).unwrap();
    let settings = settings(&[text(&first), text("penstock: {memory: {limit: 96MiB}}")]);
    assert_eq!(
        (
            settings.penstock.memory.limit_bytes,
            settings.penstock.memory.high_mark
        ),
        (96 * MIB, 0.8)
    );
}

#[test]
fn share_below_the_largest_request_is_told() {
    let settings = settings(&[text(SMALL), text("penstock: {memory: {limit: 1MiB}}")]);
    assert!(
        warnings(&settings)[0].contains("such requests will always be refused"),
        "{:?}",
        settings.warnings
    );
}

#[test]
fn strictest_of_several_memory_limiters_holds() {
    let limiters = "processors:
  memory_limiter/a: {limit_mib: 300}
  memory_limiter/b: {limit_mib: 200}
service:
  pipelines:
    traces: {processors: [memory_limiter/a]}
    logs: {receivers: [otlp], processors: [memory_limiter/b], exporters: [debug]}";
    let settings = settings(&[text(SMALL), text(limiters)]);
    assert_eq!(settings.penstock.memory.limit_bytes, 200 * MIB);
    assert!(warnings(&settings)[0].contains("the smallest limit holds"));
}

#[test]
fn signals_can_be_narrowed_to_those_with_a_pipeline() {
    let mut settings = settings(&[file("how-to.yaml")]);
    settings.serve(&[Signal::Logs, Signal::Traces]).unwrap();
    assert_eq!(settings.penstock.signals, [Signal::Traces, Signal::Logs]);
    assert_eq!(settings.penstock.memory.shares, [0.5, 0.0, 0.5]);
    let mut small = load_in(&[text(SMALL)], &environment()).unwrap();
    assert_eq!(
        small.serve(&[Signal::Metrics]).unwrap_err().to_string(),
        "no pipeline for metrics, so the receiver cannot serve it"
    );
}

#[test]
fn unknown_exporter_lists_those_declared() {
    let settings = settings(&[file("how-to.yaml")]);
    assert_eq!(
        settings.exporter("otlp/temp").unwrap_err().to_string(),
        "no exporter `otlp/temp` in the configuration; declared: debug, otlp/tempo, otlphttp/loki, prometheus"
    );
}

#[test]
fn extensions_of_most_files_are_accepted_with_a_word() {
    let extensions = "extensions: {health_check: {endpoint: 0.0.0.0:13133}, pprof: , zpages: }
service: {extensions: [health_check, pprof, zpages]}";
    let settings = settings(&[text(SMALL), text(extensions)]);
    assert_eq!(warnings(&settings).len(), 2);
    assert_eq!(
        warnings(&settings)[1],
        "t.yaml:1:64: extensions.zpages: has no effect here, nor has anything below it: what there is to see is at \
         penstock.admin.endpoint: /healthz?verbose, /ledger and /metrics"
    );
    let check = &settings.health_checks[0];
    assert_eq!(
        (check.endpoint.as_str(), check.path.as_str()),
        ("0.0.0.0:13133", "/")
    );
}

#[test]
fn files_beyond_the_size_limit_and_missing_ones_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let large = folder.path().join("large.yaml");
    std::fs::write(&large, " ".repeat((4 << 20) + 1)).unwrap();
    let found = errors(&[Source::File(large.clone())]);
    assert_eq!(
        found,
        [format!(
            "{}:1:1: the file is larger than 4194304 bytes",
            large.display()
        )]
    );
    let found = errors(&[Source::File(folder.path().join("none.yaml"))]);
    assert!(
        found[0].contains("none.yaml:1:1: the file cannot be read: "),
        "{found:?}"
    );
    let binary = folder.path().join("binary.yaml");
    std::fs::write(&binary, [0xff, 0xfe, 0x00]).unwrap();
    assert!(errors(&[Source::File(binary)])[0].contains("cannot be read as text"));
}

proptest! {
    #[test]
    fn any_mutation_of_a_real_file_loads_or_fails_without_panic(
        at in 0_usize..1200,
        cut in 0_usize..30,
        insert in "[a-z:\\-{}\\[\\],&* \n\"'0-9]{0,8}",
    ) {
        let mut yaml: Vec<char> = std::fs::read_to_string(fixtures().join("how-to.yaml")).unwrap().chars().collect();
        let at = at.min(yaml.len());
        let end = (at + cut).min(yaml.len());
        yaml.splice(at..end, insert.chars());
        let _ = load_in(&[text(&yaml.iter().collect::<String>())], &environment());
    }
}
