//! What may change in a text, and what not.

use super::*;

const TEXT: &str = "\
# HELP penstock_log_held_items Items.
# TYPE penstock_log_held_items gauge
penstock_log_held_items{signal=\"logs\"} 5

# HELP otelcol_processor_memory_limiter_refused_spans_total Items pushed back.
# TYPE otelcol_processor_memory_limiter_refused_spans_total counter
otelcol_processor_memory_limiter_refused_spans_total{processor=\"memory_limiter\"} 7

# TYPE otelcol_process_uptime_seconds_total counter
otelcol_process_uptime_seconds_total 9

# TYPE otelcol_exporter_queue_batch_send_size histogram
otelcol_exporter_queue_batch_send_size_bucket{exporter=\"a\",le=\"10\"} 1
otelcol_exporter_queue_batch_send_size_sum{exporter=\"a\"} 4

";

fn spelled(names: Names) -> String {
    let spelling = Spelling {
        names,
        labels: String::new(),
    };
    spelling.apply(TEXT).into_owned()
}

fn series(text: &str) -> Vec<&str> {
    let lines = text.lines();
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect()
}

#[test]
fn nothing_changes_unless_asked_for() {
    assert!(matches!(Spelling::default().apply(TEXT), Cow::Borrowed(_)));
}

#[test]
fn legacy_names_have_no_suffixes_and_include_those_of_older_versions() {
    let text = spelled(Names::Legacy);
    assert_eq!(
        series(&text),
        [
            "penstock_log_held_items{signal=\"logs\"} 5",
            "otelcol_processor_memory_limiter_refused_spans{processor=\"memory_limiter\"} 7",
            "otelcol_processor_refused_spans{processor=\"memory_limiter\"} 7",
            "otelcol_process_uptime 9",
            "otelcol_exporter_queue_batch_send_size_bucket{exporter=\"a\",le=\"10\"} 1",
            "otelcol_exporter_queue_batch_send_size_sum{exporter=\"a\"} 4",
        ]
    );
    assert!(text.contains("# TYPE otelcol_processor_refused_spans counter\n"));
    assert!(text.contains("# HELP otelcol_processor_refused_spans Items pushed back.\n"));
}

#[test]
fn both_spellings_have_the_same_values() {
    let text = spelled(Names::Both);
    for line in series(TEXT)
        .into_iter()
        .chain(series(&spelled(Names::Legacy)))
    {
        assert!(series(&text).contains(&line), "{line} is not in\n{text}");
    }
    // No family may appear twice: Prometheus would refuse the whole text.
    let types: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("# TYPE"))
        .collect();
    let mut once = types.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), types.len(), "{text}");
}

#[test]
fn labels_go_to_the_collectors_series_alone() {
    let spelling = Spelling {
        names: Names::Total,
        labels: "service_name=\"x\"".to_owned(),
    };
    let text = spelling.apply(TEXT).into_owned();
    assert_eq!(
        series(&text)[..3],
        [
            "penstock_log_held_items{signal=\"logs\"} 5",
            "otelcol_processor_memory_limiter_refused_spans_total{service_name=\"x\",processor=\"memory_limiter\"} 7",
            "otelcol_process_uptime_seconds_total{service_name=\"x\"} 9",
        ]
    );
    assert!(text.contains("_bucket{service_name=\"x\",exporter=\"a\",le=\"10\"} 1"));
}

#[test]
fn every_name_is_there_once() {
    let names = otelcol::all().flat_map(|metric| {
        let current = std::iter::once(&metric.name);
        current.chain(metric.legacy)
    });
    let names: Vec<_> = names.collect();
    let mut once = names.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!(once.len(), names.len());
}
