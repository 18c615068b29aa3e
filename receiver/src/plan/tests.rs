//! Which settings lead to which logs and budgets.

use super::*;
use penstock_settings::{Source, load};

const TWO_OF_EACH: &str = "
receivers:
  otlp/a: {protocols: {grpc: , http: }}
  otlp/b: {protocols: {grpc: {endpoint: 'localhost:5317'}}}
exporters: {debug: , otlp/x: {endpoint: 'x:4317'}, otlp/unused: {endpoint: 'y:4317'}}
processors: {memory_limiter: {check_interval: 1s, limit_mib: 90}}
service:
  pipelines:
    traces/1: {receivers: [otlp/a], processors: [memory_limiter], exporters: [debug, otlp/x]}
    traces/2: {receivers: [otlp/a, otlp/b], processors: [memory_limiter], exporters: [debug]}
    logs: {receivers: [otlp/b], processors: [memory_limiter], exporters: [otlp/x]}
";

fn settings() -> Settings {
    let yaml = TWO_OF_EACH.to_owned();
    load(&[Source::Text {
        name: "t.yaml".to_owned(),
        yaml,
    }])
    .unwrap()
}

fn id(name: &str) -> ComponentId {
    ComponentId(name.to_owned())
}

#[test]
fn a_receivers_signal_feeds_every_exporter_of_every_pipeline_that_takes_from_it() {
    let plan = Plan::new(settings()).unwrap();
    let targets = |receiver, signal| -> Vec<_> {
        let feed = plan.feed(&id(receiver), signal);
        let targets = feed.into_iter().flat_map(|feed| &feed.targets);
        targets
            .map(|t| format!("{} {}", t.pipeline, t.exporter))
            .collect()
    };
    let of_a = ["traces/1 debug", "traces/1 otlp/x", "traces/2 debug"];
    assert_eq!(targets("otlp/a", Signal::Traces), of_a);
    assert_eq!(targets("otlp/b", Signal::Traces), ["traces/2 debug"]);
    assert_eq!(targets("otlp/b", Signal::Logs), ["logs otlp/x"]);
    assert!(targets("otlp/a", Signal::Logs).is_empty());
    assert!(!plan.exporters.contains(&id("otlp/unused")));
    assert_eq!(plan.ports.len(), 3);
}

#[test]
fn the_served_signals_share_the_whole_limit() {
    let mut settings = settings();
    settings.penstock.memory.shares = [0.5, 0.25, 0.25];
    let limit = settings.penstock.memory.limit_bytes;
    let plan = Plan::new(settings.clone()).unwrap();
    let [traces, metrics, logs] = plan.budgets;
    assert_eq!(metrics, None);
    assert_eq!(traces, Some(limit * 2 / 3));
    assert!(traces.unwrap() + logs.unwrap() <= limit);

    settings.penstock.signals = vec![Signal::Logs];
    assert_eq!(
        Plan::new(settings).unwrap().budgets,
        [None, None, Some(limit)]
    );
}

#[test]
fn a_receiver_with_nothing_to_serve_does_not_start() {
    let mut settings = settings();
    settings.penstock.signals = vec![Signal::Metrics];
    assert!(matches!(
        Plan::new(settings),
        Err(StartError::NothingToServe)
    ));
}
