//! How our numbers become the Collector's.

use super::*;

fn line(signal: &str, pipeline: &str, exporter: &str, held: u64) -> Line {
    Line {
        signal: signal.to_owned(),
        pipeline: pipeline.to_owned(),
        exporter: exporter.to_owned(),
        accepted: 16 + held,
        delivered: 10,
        rejected: 4,
        dropped: 2,
        held,
        retried: 7,
        handed_over: 0,
        oldest_held_ms: 0,
    }
}

#[test]
fn an_exporters_pipelines_are_added_up_per_signal() {
    let lines = [
        line("traces", "traces/1", "debug", 1),
        line("traces", "traces/2", "debug", 2),
        line("logs", "logs", "debug", 5),
    ];
    let all = queues(&lines);
    let traces = Queue {
        held: 3,
        most_held: 3,
    };
    assert_eq!(all[&(Signal::Traces, "debug")], traces);
    assert_eq!(all[&(Signal::Logs, "debug")].held, 5);
}

#[test]
fn a_dead_exporters_queue_is_full_and_its_neighbours_is_not() {
    let lines = [
        line("traces", "traces", "dead", 1000),
        line("traces", "traces", "alive", 10),
    ];
    let all = queues(&lines);
    assert!((all[&(Signal::Traces, "dead")].bytes(800) - 800.0).abs() < 0.01);
    assert!((all[&(Signal::Traces, "alive")].bytes(800) - 8.0).abs() < 0.01);
}

#[test]
fn a_queue_with_a_limit_of_its_own_is_told_in_the_limits_unit() {
    // Two shards, batches of 100 items, 1600 items of 5000 bytes held.
    let told = |limit| in_unit(limit, 2, 100, 1600, 5000.0);
    for (limit, size, capacity) in [
        (QueueLimit::Requests(10), 16.0, 20.0),
        (QueueLimit::Items(1000), 1600.0, 2000.0),
        (QueueLimit::Bytes(3000), 5000.0, 6000.0),
    ] {
        let (told_size, told_capacity) = told(limit);
        assert!((told_size - size).abs() < 0.01, "{limit:?}: {told_size}");
        assert!(
            (told_capacity - capacity).abs() < 0.01,
            "{limit:?}: {told_capacity}"
        );
    }
}
