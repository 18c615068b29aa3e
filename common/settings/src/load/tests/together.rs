//! Several sources, and everything that is wrong in them at once.

use super::{SMALL, check, environment, errors, settings, text};
use crate::diagnostic::Kind;
use crate::source::Source;
use std::time::Duration;

fn set(assignment: &str) -> Source {
    Source::from_set(assignment).unwrap()
}

#[test]
fn a_set_wins_over_files_and_names_itself_when_it_is_wrong() {
    let files = [
        text(SMALL),
        text(
            "processors: {batch: {timeout: 1s, send_batch_size: 7}}
service: {pipelines: {traces: {processors: [batch]}}}",
        ),
    ];
    let with = |assignment: &str| [files.as_slice(), &[set(assignment)]].concat();
    let batch = settings(&with("processors.batch.timeout=2s")).pipelines[0]
        .batch
        .clone();
    assert_eq!(
        (batch.timeout, batch.send_batch_size),
        (Duration::from_secs(2), 7)
    );
    let found = errors(&with("processors.batch.timeout=2"));
    assert!(
        found[0].starts_with(
            "--set processors.batch.timeout:1:1: processors.batch.timeout: `2` is not a duration"
        ),
        "{found:?}"
    );
}

#[test]
fn sources_of_every_kind_are_merged_in_order() {
    let mut environment = environment();
    environment.variables.insert(
        "CONFIG".to_owned(),
        "penstock: {shards: 2, log: {block_size: 2MiB}}".to_owned(),
    );
    let sources = [
        text(SMALL),
        Source::from_uri("env:CONFIG").unwrap(),
        Source::from_uri("yaml:penstock::shards: 3").unwrap(),
    ];
    let checked = check(&sources, &environment);
    let penstock = checked.settings.unwrap().penstock;
    assert_eq!(
        (penstock.shards, penstock.log.block_bytes),
        (Some(3), 2 << 20)
    );
}

#[test]
fn every_fault_of_every_source_is_told_at_once() {
    let none = Source::File("/none/such.yaml".into());
    let found = errors(&[
        text("a: 1\na: 2\nb: [\n"),
        none.clone(),
        text("c: 1\n\td: 2\n"),
        Source::Variable("NONE".to_owned()),
    ]);
    assert_eq!(found.len(), 5, "{found:#?}");

    let found = errors(&[text(
        "receivers: {otlp: {protocols: {grpc: {endpont: x, max_concurrent_streams: many, tls: {cert: c}}, htttp: }}}
exporters: {otlp: {endpoint: '${env:A B}', headers: {'a b': 1}, timeout: 5}, debug: {verbosity: 7}}
processors: {batch: {send_batch_size: -1}, batch: }
service: {pipelines: {traces: {receivers: [otlp], exporters: [otlp, debug], procesors: []}}, telemetry: {logs: {level: 1}}}
penstock: {shards: x, memory: {limit: y}}",
    )]);
    let keys: Vec<_> = found
        .iter()
        .map(|found| found.split(": ").nth(1).unwrap())
        .collect();
    assert_eq!(
        keys,
        [
            "receivers.otlp.protocols.grpc.endpont",
            "receivers.otlp.protocols.grpc.max_concurrent_streams",
            "receivers.otlp.protocols.grpc.tls.cert",
            "receivers.otlp.protocols.htttp",
            "exporters.otlp.endpoint",
            "exporters.otlp.headers",
            "exporters.otlp.timeout",
            "exporters.debug.verbosity",
            "processors.batch.send_batch_size",
            "processors.batch",
            "service.pipelines.traces.procesors",
            "service.telemetry.logs.level",
            "penstock.shards",
            "penstock.memory.limit",
        ]
    );
}

#[test]
fn warnings_are_told_beside_errors() {
    let checked = check(
        &[text(
            "processors: {memory_limiter: {check_interval: 1s, limit_mib: 1}}",
        )],
        &environment(),
    );
    let kinds: Vec<_> = checked.diagnostics.iter().map(|found| found.kind).collect();
    assert!(
        kinds.contains(&Kind::Error) && kinds.contains(&Kind::Warning),
        "{kinds:?}"
    );
}

#[test]
fn an_expression_that_is_overridden_is_not_looked_at() {
    let first = text(&format!(
        "{SMALL}\npenstock: {{log: {{directory: '${{file:/none/such}}'}}}}"
    ));
    settings(&[first, text("penstock: {log: {directory: /data}}")]);
}

#[test]
fn thousands_of_faults_are_told_in_part_and_in_time() {
    let keys: String = (0..15_000)
        .map(|index| format!("  k{index}: 1\n"))
        .collect();
    assert!(errors(&[text(&format!("{SMALL}penstock:\n{keys}"))]).len() < 100);
}
