//! What the Collector's names count here.

use super::*;
use metrics_exporter_prometheus::PrometheusBuilder;

#[test]
fn items_for_which_a_queue_had_no_room_are_not_failures_to_send() {
    let recorder = PrometheusBuilder::new().build_recorder();
    ::metrics::with_local_recorder(&recorder, || {
        let cursor = CursorMetrics::new(Signal::Logs, "logs", "otlp/x");
        for (items, reason) in (1..).zip(DropReason::ALL) {
            cursor.dropped(reason, items);
        }
        // The exporter, which said so, counts them.
        cursor.rejected(RejectReason::Permanent, 100);
    });
    let text = recorder.handle().render();
    let full = [DropReason::QueueFull, DropReason::DiskFull];
    let full: u64 = full.map(|reason| reason as u64 + 1).iter().sum();
    for line in [
        format!("otelcol_exporter_enqueue_failed_log_records_total{{exporter=\"otlp/x\"}} {full}"),
        format!(
            "otelcol_exporter_send_failed_log_records_total{{exporter=\"otlp/x\"}} {}",
            36 - full
        ),
    ] {
        assert!(text.contains(&line), "{line} is not in\n{text}");
    }
}
