//! What handing over guarantees.

use super::support::process::{Config, Process, eager};
use super::support::{Answer, Bench, Scripted, cursor};
use crate::CursorSettings;
use crate::log::disk::sim::SimDisk;
use penstock_runtime::Phase;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

fn handing(exporter: &str, to: &Arc<Scripted>, other: &Arc<Scripted>) -> CursorSettings<Scripted> {
    let mut settings = eager(exporter, to);
    settings.hand_over = Some(Arc::clone(other));
    settings
}

async fn hand_over(bench: &Bench) {
    bench.drain.begin(Duration::from_secs(20));
    bench.drain.enter(Phase::Flushing);
    tokio::time::sleep(Duration::from_secs(5)).await;
    bench.drain.enter(Phase::HandingOver);
    bench.log.drained().await;
}

#[test]
fn what_exporters_do_not_take_is_given_to_another_receiver() {
    let disk = SimDisk::default();
    let dead = Scripted::new(|_| Answer::Retry);
    let silent = Scripted::new(|_| Answer::Silence);
    let other = Scripted::new(|attempt| {
        if attempt.attempt < 3 {
            Answer::Retry
        } else {
            Answer::Take
        }
    });
    let cursors = vec![
        handing("dead", &dead, &other),
        handing("silent", &silent, &other),
    ];
    let process = Process::start(&disk, &Config::default(), cursors);
    process.append(0..50);
    process.run(|| async {
        let start = Instant::now();
        hand_over(&process.bench).await;
        assert!(
            start.elapsed() < Duration::from_secs(19),
            "{:?}",
            start.elapsed()
        );
    });
    for exporter in ["dead", "silent"] {
        let line = process.line(exporter);
        assert_eq!((line.delivered, line.handed_over, line.held), (50, 50, 0));
    }
    assert_eq!(other.seen().delivered.len(), 100);
    drop(process);
    disk.kill();
    let process = Process::start(&disk, &Config::default(), vec![eager("dead", &dead)]);
    let line = process.line("dead");
    assert_eq!((line.delivered, line.handed_over, line.held), (50, 50, 0));
}

#[test]
fn what_nobody_takes_stays() {
    let disk = SimDisk::default();
    let dead = Scripted::new(|_| Answer::Retry);
    let others = [
        Answer::Reject,
        Answer::TooLarge,
        Answer::Silence,
        Answer::Retry,
    ];
    for (index, answer) in others.into_iter().enumerate() {
        let other = Scripted::new(move |_| answer);
        let process = Process::start(
            &disk,
            &Config::default(),
            vec![handing("dead", &dead, &other)],
        );
        process.append(0..5);
        process.run(|| hand_over(&process.bench));
        let line = process.line("dead");
        let all = 5 * (index as u64 + 1);
        assert_eq!((line.held, line.accepted), (all, all), "{answer:?}");
    }
}

#[test]
fn a_log_in_memory_hands_over_too() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let dead = Scripted::new(|_| Answer::Retry);
        let other = Scripted::new(|_| Answer::Take);
        let mut settings = cursor("dead", &dead);
        settings.hand_over = Some(Arc::clone(&other));
        let bench = Bench::new(vec![settings]);
        bench.append(0..5).await.unwrap();
        hand_over(&bench).await;
        assert_eq!(other.delivered(), (0..5).collect::<Vec<_>>());
        assert_eq!(bench.line("dead").handed_over, 5);
    });
}

#[test]
fn a_slow_exporter_that_takes_a_batch_is_the_only_one_to_have_it() {
    let disk = SimDisk::default();
    let slow = Scripted::slow(|_| (Duration::from_secs(8), Answer::Take));
    let other = Scripted::new(|_| Answer::Take);
    let cursors = vec![handing("slow", &slow, &other)];
    let process = Process::start(&disk, &Config::default(), cursors);
    process.append(0..3);
    process.run(|| hand_over(&process.bench));
    let line = process.line("slow");
    assert_eq!((line.delivered, line.handed_over), (3, 0));
    assert_eq!(other.seen().attempts.len(), 0);
}
