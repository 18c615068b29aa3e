//! What a batch guarantees the others that fails for ever.

use super::support::process::{Config, Process, eager};
use super::support::{Answer, Bench, Scripted};
use crate::log::disk::sim::SimDisk;
use std::sync::Arc;
use std::time::Duration;

/// An exporter that for ten minutes takes none of the items that are a multiple of 7, of the first `bad` of these.
fn picky(bad: u64) -> Arc<Scripted> {
    let until = tokio::time::Instant::now() + Duration::from_secs(600);
    Scripted::new(move |attempt| {
        let is_bad = |id: &u64| id.is_multiple_of(7) && *id < 7 * bad;
        if attempt.at < until && attempt.ids.iter().any(is_bad) {
            Answer::Retry
        } else {
            Answer::Take
        }
    })
}

#[test]
fn batches_that_fail_for_ever_do_not_stop_a_cursor() {
    let disk = SimDisk::default();
    let exporter = picky(30);
    let process = Process::start(&disk, &Config::default(), vec![eager("debug", &exporter)]);
    process.append(0..300);
    process.pass(300_000);
    let line = process.line("debug");
    assert_eq!((line.delivered, line.held), (270, 30));
    assert!(
        process.bench.budget.used() < 1000,
        "most of them are not in memory"
    );
    process.pass(400_000);
    let line = process.line("debug");
    assert_eq!((line.delivered, line.held), (300, 0));
    assert_eq!(exporter.delivered(), (0..300).collect::<Vec<_>>());
}

#[test]
fn after_a_restart_they_do_not_stop_it_either() {
    let disk = SimDisk::default();
    let exporter = picky(30);
    let process = Process::start(&disk, &Config::default(), vec![eager("debug", &exporter)]);
    process.append(0..220);
    process.pass(300_000);
    assert_eq!(process.line("debug").held, 30);
    drop(process);
    disk.kill();
    let exporter = picky(30);
    let process = Process::start(&disk, &Config::default(), vec![eager("debug", &exporter)]);
    process.append(220..300);
    process.pass(30_000);
    let line = process.line("debug");
    assert_eq!((line.delivered, line.held), (270, 30));
}

#[test]
fn in_memory_a_few_may_wait_outside_the_window() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let exporter = picky(15);
        let bench = Bench::with_blocks(16, vec![eager("debug", &exporter)]);
        for id in 0..200 {
            bench.append(id..id + 1).await.unwrap();
            super::support::pass(1).await;
        }
        super::support::pass(300_000).await;
        let line = bench.line("debug");
        assert_eq!((line.delivered, line.held), (185, 15));
        super::support::pass(400_000).await;
        assert_eq!(bench.line("debug").held, 0);
    });
}

#[test]
fn a_batch_set_aside_is_dropped_in_time_when_there_is_a_limit() {
    let disk = SimDisk::default();
    let exporter = picky(30);
    let mut settings = eager("debug", &exporter);
    settings.retry.max_elapsed_time = Some(Duration::from_secs(100));
    let process = Process::start(&disk, &Config::default(), vec![settings]);
    process.append(0..300);
    process.pass(250_000);
    let line = process.line("debug");
    assert_eq!((line.delivered, line.dropped, line.held), (270, 30, 0));
}

#[test]
fn what_is_set_aside_is_tried_at_once_when_the_process_has_to_end() {
    let disk = SimDisk::default();
    let exporter = picky(10);
    let process = Process::start(&disk, &Config::default(), vec![eager("debug", &exporter)]);
    process.append(0..100);
    process.pass(599_000);
    assert_eq!(process.line("debug").held, 10);
    process.pass(1100);
    let lines = process.drain(Duration::from_secs(5));
    assert_eq!((lines[0].delivered, lines[0].held), (100, 0));
}

#[test]
fn a_window_full_of_them_is_given_to_others_in_the_end() {
    let disk = SimDisk::default();
    let exporter = Scripted::new(|attempt| {
        if attempt.ids.iter().any(|id| *id < 6) {
            Answer::Retry
        } else {
            Answer::Take
        }
    });
    let process = Process::start(&disk, &Config::default(), vec![eager("debug", &exporter)]);
    process.append(0..100);
    process.pass(3_600_000);
    let line = process.line("debug");
    assert_eq!((line.delivered, line.held), (94, 6));
}
