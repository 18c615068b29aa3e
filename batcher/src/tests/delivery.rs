//! What a running log guarantees.

use super::support::{Answer, Bench, Scripted, batch, cursor, options, pass, retry};
use crate::{CursorSettings, Ledger, Log};
use metrics_exporter_prometheus::PrometheusBuilder;
use penstock_otlp::Signal;
use penstock_runtime::{Drain, Tasks};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

fn take() -> Arc<Scripted> {
    Scripted::new(|_| Answer::Take)
}

#[tokio::test(start_paused = true)]
async fn the_age_of_the_oldest_item_makes_a_batch_go() {
    let exporter = take();
    let bench = Bench::new(vec![cursor("debug", &exporter)]);
    let start = Instant::now();
    bench.append(0..1).await.unwrap();
    pass(150).await;
    bench.append(1..3).await.unwrap();
    pass(40).await;
    assert_eq!(bench.line("debug").held, 3);
    assert_eq!(bench.line("debug").oldest_held_ms, 190);
    pass(20).await;
    let attempts = exporter.seen().attempts;
    assert_eq!(attempts.len(), 1);
    assert_eq!(attempts[0].ids, [0, 1, 2]);
    assert_eq!(attempts[0].at - start, Duration::from_millis(200));
    assert_eq!(
        (bench.line("debug").delivered, bench.line("debug").held),
        (3, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn enough_items_make_a_batch_go_at_once() {
    let exporter = take();
    let settings = penstock_settings::Batch {
        send_batch_size: 4,
        ..batch()
    };
    let bench = Bench::new(vec![CursorSettings {
        batch: settings,
        ..cursor("debug", &exporter)
    }]);
    bench.append(0..3).await.unwrap();
    pass(1).await;
    assert!(exporter.seen().attempts.is_empty());
    bench.append(3..5).await.unwrap();
    pass(1).await;
    assert_eq!(exporter.delivered(), [0, 1, 2, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn no_batch_exceeds_the_maximum_and_only_a_larger_request_is_cut() {
    let exporter = take();
    let settings = penstock_settings::Batch {
        send_batch_size: 10,
        send_batch_max_size: 10,
        ..batch()
    };
    let bench = Bench::new(vec![CursorSettings {
        batch: settings,
        ..cursor("debug", &exporter)
    }]);
    for first in [0, 4, 8] {
        bench.append(first..first + 4).await.unwrap();
    }
    bench.append(12..37).await.unwrap();
    pass(300).await;
    let attempts = exporter.seen().attempts;
    let ids: Vec<_> = attempts.iter().map(|a| (a.ids[0], a.ids.len())).collect();
    assert_eq!(ids, [(0, 8), (8, 4), (12, 10), (22, 10), (32, 5)]);
    let parts: Vec<_> = attempts
        .iter()
        .map(|a| (a.origin.part, a.origin.parts))
        .collect();
    assert_eq!(parts, [(0, 1), (0, 1), (0, 3), (1, 3), (2, 3)]);
    assert_eq!(bench.line("debug").delivered, 37);
}

#[tokio::test(start_paused = true)]
async fn a_batch_keeps_within_its_bytes() {
    let exporter = take();
    let settings = penstock_settings::Batch {
        max_bytes: 100,
        ..batch()
    };
    let bench = Bench::new(vec![CursorSettings {
        batch: settings,
        ..cursor("debug", &exporter)
    }]);
    for first in 0..20 {
        bench.append(first..first + 1).await.unwrap();
    }
    pass(300).await;
    let sizes: Vec<_> = exporter
        .seen()
        .attempts
        .iter()
        .map(|a| a.ids.len())
        .collect();
    assert!(
        sizes.len() > 1 && sizes.iter().all(|items| *items <= 7),
        "{sizes:?}"
    );
    assert_eq!(exporter.delivered(), (0..20).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn dead_exporter_does_not_delay_the_other() {
    let (dead, alive) = (Scripted::new(|_| Answer::Retry), take());
    let bench = Bench::new(vec![cursor("dead", &dead), cursor("alive", &alive)]);
    for first in 0..50 {
        bench.append(first..first + 1).await.unwrap();
        pass(210).await;
        assert_eq!(bench.line("alive").held, 0);
    }
    assert_eq!(alive.delivered(), (0..50).collect::<Vec<_>>());
    assert_eq!(bench.line("dead").held, 50);
    assert!(bench.budget.used() > 0, "what the dead one needs stays");
}

#[tokio::test(start_paused = true)]
async fn a_dead_exporter_is_probed_by_one_batch_and_all_go_when_it_is_back() {
    let start = Instant::now();
    let back = start + Duration::from_secs(20);
    let exporter = Scripted::new(move |attempt| {
        if attempt.at < back {
            Answer::Retry
        } else {
            Answer::Take
        }
    });
    let bench = Bench::new(vec![cursor("debug", &exporter)]);
    for first in 0..3 {
        bench.append(first..first + 1).await.unwrap();
        pass(250).await;
    }
    tokio::time::sleep_until(back).await;
    let failed: Vec<_> = exporter
        .seen()
        .attempts
        .iter()
        .map(|a| (a.at - start).as_millis())
        .collect();
    assert_eq!(
        failed,
        [200, 1200, 3200, 7200, 15200],
        "one at a time, each wait twice as long"
    );
    pass(11_250).await;
    let attempts = exporter.seen().attempts;
    let answered: Vec<_> = attempts[5..]
        .iter()
        .map(|a| (a.at - start).as_millis())
        .collect();
    assert_eq!(answered, [31_200; 3], "the first success lets all go");
    assert_eq!(bench.line("debug").held, 0);
}

#[tokio::test(start_paused = true)]
async fn an_exporter_that_was_out_of_reach_for_long_is_found_as_soon_as_it_is_back() {
    let start = Instant::now();
    let back = start + Duration::from_secs(600);
    let exporter = Scripted::new(move |attempt| {
        if attempt.at < back {
            Answer::Unreached(Duration::from_secs(5))
        } else {
            Answer::Take
        }
    });
    let bench = Bench::new(vec![cursor("debug", &exporter)]);
    bench.append(0..1).await.unwrap();
    tokio::time::sleep_until(back).await;
    bench.append(1..2).await.unwrap();
    pass(5001).await;
    let line = bench.line("debug");
    assert_eq!(
        (line.delivered, line.retried),
        (2, 0),
        "nothing was sent twice"
    );
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_always_fails_slows_no_other() {
    let exporter = Scripted::new(|attempt| {
        if attempt.ids.contains(&0) {
            Answer::Retry
        } else {
            Answer::Take
        }
    });
    let bench = Bench::new(vec![cursor("debug", &exporter)]);
    bench.append(0..1).await.unwrap();
    pass(250).await;
    for first in 1..100 {
        bench.append(first..first + 1).await.unwrap();
        pass(250).await;
    }
    pass(1000).await;
    assert_eq!(bench.line("debug").held, 1);
    assert_eq!(exporter.delivered(), (1..100).collect::<Vec<_>>());
    let tries = exporter
        .seen()
        .attempts
        .iter()
        .filter(|a| a.ids == [0])
        .count();
    assert!(
        (4..=6).contains(&tries),
        "tried {tries} times in 26 seconds"
    );
}

#[tokio::test(start_paused = true)]
async fn no_attempt_comes_before_the_peer_said() {
    let exporter = Scripted::new(|attempt| match attempt.attempt {
        1 => Answer::RetryAfter(Duration::from_secs(7)),
        _ => Answer::Take,
    });
    let bench = Bench::new(vec![cursor("debug", &exporter)]);
    bench.append(0..1).await.unwrap();
    pass(20_000).await;
    let attempts = exporter.seen().attempts;
    assert_eq!(attempts.len(), 2);
    assert_eq!(attempts[1].at - attempts[0].at, Duration::from_secs(7));
    assert_eq!(attempts[0].origin, attempts[1].origin);
    assert_eq!(bench.line("debug").retried, 1);
}

#[tokio::test(start_paused = true)]
async fn out_of_order_completion_keeps_the_watermark() {
    let exporter = Scripted::slow(|attempt| {
        let first = attempt.ids.contains(&0);
        (
            Duration::from_secs(if first { 10 } else { 0 }),
            Answer::Take,
        )
    });
    let bench = Bench::new(vec![cursor("debug", &exporter)]);
    for first in 0..3 {
        bench.append(first..first + 1).await.unwrap();
        pass(250).await;
    }
    let used = bench.budget.used();
    assert_eq!(
        (bench.line("debug").delivered, bench.line("debug").held),
        (2, 1)
    );
    assert!(used > 0, "blocks behind the first one are kept with it");
    pass(10_000).await;
    assert_eq!((bench.line("debug").delivered, bench.budget.used()), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn the_window_bounds_the_batches_in_flight() {
    let exporter = Scripted::slow(|_| (Duration::from_secs(5), Answer::Take));
    let mut settings = CursorSettings {
        in_flight: 3,
        ..cursor("debug", &exporter)
    };
    settings.batch.send_batch_size = 1;
    let bench = Bench::with_blocks(1, vec![settings]);
    for first in 0..10 {
        bench.append(first..first + 1).await.unwrap();
    }
    pass(60_000).await;
    assert_eq!(
        (exporter.seen().most_in_flight, exporter.delivered().len()),
        (3, 10)
    );
}

#[tokio::test(start_paused = true)]
async fn partial_success_is_counted() {
    let exporter = Scripted::new(|_| Answer::TakeBut(2));
    let bench = Bench::new(vec![cursor("debug", &exporter)]);
    bench.append(0..5).await.unwrap();
    pass(300).await;
    let line = bench.line("debug");
    assert_eq!((line.delivered, line.rejected, line.held), (3, 2, 0));
}

#[tokio::test(start_paused = true)]
async fn only_the_bad_part_of_a_rejected_batch_is_rejected() {
    let bad = [3, 600];
    let exporter = Scripted::new(move |attempt| {
        if bad.iter().any(|bad| attempt.ids.contains(bad)) {
            Answer::Reject
        } else {
            Answer::Take
        }
    });
    let bench = Bench::new(vec![cursor("debug", &exporter)]);
    for first in 0..10 {
        bench.append(first * 100..first * 100 + 100).await.unwrap();
    }
    pass(300).await;
    let line = bench.line("debug");
    assert_eq!((line.delivered, line.rejected, line.held), (998, 2, 0));
    assert!(bad.iter().all(|bad| !exporter.delivered().contains(bad)));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_rejects_everything_is_not_asked_for_every_item() {
    let exporter = Scripted::new(|_| Answer::Reject);
    let bench = Bench::new(vec![cursor("debug", &exporter)]);
    bench.append(0..8000).await.unwrap();
    pass(300).await;
    let line = bench.line("debug");
    assert_eq!((line.delivered, line.rejected, line.held), (0, 8000, 0));
    let calls = exporter.seen().attempts.len();
    assert!(calls <= 40, "{calls} calls");
}

#[tokio::test(start_paused = true)]
async fn too_large_splits_to_single_items_and_rejects_only_what_is_too_large_alone() {
    let exporter = Scripted::new(|attempt| {
        let large = attempt.ids.len() > 3 || attempt.ids.contains(&6);
        if large {
            Answer::TooLarge
        } else {
            Answer::Take
        }
    });
    // Two blocks in one batch, so that it is cut first between and then inside blocks.
    let mut settings = cursor("debug", &exporter);
    settings.batch.send_batch_size = 100;
    let bench = Bench::with_blocks(1, vec![settings]);
    bench.append(0..10).await.unwrap();
    bench.append(10..20).await.unwrap();
    pass(300).await;
    let line = bench.line("debug");
    assert_eq!((line.delivered, line.rejected, line.held), (19, 1, 0));
    let seen = exporter.seen();
    assert_eq!(
        (seen.rejected, bench.budget.used()),
        (BTreeSet::from([6]), 0)
    );
    let mut origins: Vec<_> = seen
        .attempts
        .iter()
        .map(|attempt| attempt.origin.clone())
        .collect();
    origins.sort_by_key(|o| (o.first_block, o.last_block, o.parts, o.part));
    origins.dedup();
    assert_eq!(
        origins.len(),
        seen.attempts.len(),
        "each payload has its own origin"
    );
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_dropped_and_counted_when_its_time_is_over() {
    let exporter = Scripted::new(|_| Answer::Retry);
    let mut settings = cursor("debug", &exporter);
    settings.retry.max_elapsed_time = Some(Duration::from_secs(10));
    let bench = Bench::new(vec![settings]);
    bench.append(0..5).await.unwrap();
    pass(10_100).await;
    assert_eq!(bench.line("debug").held, 5);
    pass(200).await;
    let line = bench.line("debug");
    assert_eq!((line.dropped, line.held, bench.budget.used()), (5, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn without_retry_the_first_failure_drops() {
    let exporter = Scripted::new(|_| Answer::Retry);
    let mut settings = cursor("debug", &exporter);
    settings.retry.enabled = false;
    let bench = Bench::new(vec![settings]);
    bench.append(0..5).await.unwrap();
    pass(250).await;
    bench.append(5..6).await.unwrap();
    pass(250).await;
    let line = bench.line("debug");
    assert_eq!((line.dropped, line.held, line.retried), (6, 0, 0));
    assert_eq!(exporter.seen().attempts.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn bytes_return_when_the_last_cursor_is_past_them() {
    let (fast, slow) = (
        take(),
        Scripted::slow(|_| (Duration::from_secs(3), Answer::Take)),
    );
    let bench = Bench::new(vec![cursor("fast", &fast), cursor("slow", &slow)]);
    bench.append(0..5).await.unwrap();
    let used = bench.budget.used();
    pass(1000).await;
    assert_eq!(bench.budget.used(), used);
    pass(3000).await;
    assert_eq!(bench.budget.used(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_request_without_items_is_acked_and_forgotten() {
    let bench = Bench::new(vec![cursor("debug", &take())]);
    bench.append(0..0).await.unwrap();
    assert_eq!((bench.line("debug").accepted, bench.budget.used()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_log_that_nobody_reads_takes_nothing() {
    let bench = Bench::new(Vec::new());
    assert!(bench.append(0..1).await.is_err());
    assert_eq!(
        (bench.ledger.accepted(Signal::Logs), bench.budget.used()),
        (0, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn the_lines_of_shards_are_summed_and_each_log_has_its_own_id() {
    let (exporter, ledger, tasks, drain) = (take(), Ledger::new(), Tasks::new(), Drain::new());
    let budget = penstock_runtime::Budget::new(1 << 20, 1.0);
    for shard in 0..2 {
        let cursors = vec![cursor("debug", &exporter)];
        let options = options(1 << 20, &budget);
        let log = Log::open(options, cursors, &ledger, &tasks, &drain)
            .await
            .unwrap();
        let body = super::support::request(shard * 10..shard * 10 + 3);
        let permit = budget.enter(body.len()).await.unwrap();
        log.append(crate::log::Request {
            body: body.into(),
            items: 3,
            permit,
        })
        .await
        .unwrap();
    }
    pass(300).await;
    let lines = ledger.lines();
    assert_eq!(lines.len(), 1);
    assert!(lines[0].balances());
    assert_eq!((lines[0].delivered, ledger.accepted(Signal::Logs)), (6, 6));
    assert_eq!(ledger.accepted(Signal::Traces), 0);
    let attempts = exporter.seen().attempts;
    assert_ne!(attempts[0].origin.log_id, attempts[1].origin.log_id);
}

#[test]
fn the_law_can_be_checked_from_the_metrics() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let exporter = Scripted::new(|attempt| match attempt.ids[0] {
                0 => Answer::TakeBut(1),
                5..10 => Answer::Reject,
                _ => Answer::Silence,
            });
            let bench = Bench::new(vec![CursorSettings {
                retry: retry(),
                ..cursor("otlp/tempo", &exporter)
            }]);
            for first in [0, 5, 10] {
                bench.append(first..first + 5).await.unwrap();
                pass(250).await;
            }
            bench.ledger.publish();
        });
    });
    let text = recorder.handle().render();
    let labels = r#"{signal="logs",pipeline="logs",exporter="otlp/tempo""#;
    for line in [
        r#"penstock_append_accepted_items_total{signal="logs"} 15"#.to_owned(),
        format!("penstock_dispatch_delivered_items_total{labels}}} 4"),
        format!("penstock_dispatch_rejected_items_total{labels},reason=\"partial_success\"}} 1"),
        format!("penstock_dispatch_rejected_items_total{labels},reason=\"permanent\"}} 5"),
        format!("penstock_dispatch_dropped_items_total{labels},reason=\"shutdown\"}} 0"),
        format!("penstock_dispatch_held_items{labels}}} 5"),
        format!("penstock_dispatch_oldest_held_seconds{labels}}} 0.25"),
        format!("penstock_batch_batches_total{labels},trigger=\"age\"}} 3"),
        r#"penstock_log_held_items{signal="logs"} 5"#.to_owned(),
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is not in\n{text}"
        );
    }
}
