//! What a log on disk keeps in memory.

use super::support::process::{Config, Process, eager};
use super::support::{Answer, Scripted, pass};
use crate::log::disk::sim::SimDisk;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// An exporter that answers once it is switched on.
fn switched() -> (Arc<Scripted>, Arc<AtomicBool>) {
    let on = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&on);
    let exporter = Scripted::new(move |_| {
        if switch.load(Ordering::Relaxed) {
            Answer::Take
        } else {
            Answer::RetryAfter(Duration::from_millis(200))
        }
    });
    (exporter, on)
}

fn tight() -> Config {
    Config {
        memory_bytes: 64 << 10,
        block_bytes: 4 << 10,
        ..Config::default()
    }
}

#[test]
fn with_a_dead_exporter_memory_stays_bounded_and_everything_is_delivered_in_order_later() {
    let disk = SimDisk::default();
    let (exporter, on) = switched();
    let mut settings = eager("debug", &exporter);
    settings.batch.send_batch_size = 500;
    settings.batch.max_bytes = 8 << 10;
    let process = Process::start(&disk, &tight(), vec![settings]);
    let mut most = 0;
    process.run(|| async {
        for first in (0..100_000).step_by(100) {
            process.bench.append(first..first + 100).await.unwrap();
            most = most.max(process.bench.budget.used());
        }
    });
    assert!(most <= 64 << 10, "{most}");
    assert_eq!(process.line("debug").held, 100_000);
    let resident = process.bench.budget.used();
    assert!(resident <= 32 << 10, "{resident}");
    on.store(true, Ordering::Relaxed);
    process.run(|| async {
        for _ in 0..1000 {
            pass(10).await;
            most = most.max(process.bench.budget.used());
        }
    });
    assert!(most <= (64 << 10) + (8 << 10), "{most}");
    let line = process.line("debug");
    assert_eq!((line.delivered, line.held), (100_000, 0));
    assert_eq!(process.bench.budget.used(), 0);
    let delivered = exporter.seen().delivered;
    assert_eq!(delivered.len(), 100_000);
    assert!(
        delivered.is_sorted_by_key(|id| id / 8000),
        "roughly in order"
    );
}

#[test]
fn cursors_that_are_far_behind_get_on_beside_senders_that_take_all_memory() {
    let disk = SimDisk::default();
    let (one, on) = switched();
    let two = Scripted::new({
        let on = Arc::clone(&on);
        move |_| {
            if on.load(Ordering::Relaxed) {
                Answer::Take
            } else {
                Answer::RetryAfter(Duration::from_millis(200))
            }
        }
    });
    let process = Process::start(
        &disk,
        &tight(),
        vec![eager("one", &one), eager("two", &two)],
    );
    process.run(|| async {
        for first in (0..20_000).step_by(100) {
            process.bench.append(first..first + 100).await.unwrap();
        }
        // From here on somebody else has all the memory there is.
        let _rest = process.bench.budget.force(64 << 10);
        on.store(true, Ordering::Relaxed);
        pass(60_000).await;
    });
    for exporter in ["one", "two"] {
        let line = process.line(exporter);
        assert_eq!((line.delivered, line.held), (20_000, 0), "{exporter}");
    }
}

#[test]
fn what_was_let_go_is_read_again_as_the_same_blocks() {
    let disk = SimDisk::default();
    let slow = Scripted::slow(|_| (Duration::from_millis(1), Answer::Take));
    let (dead, _) = switched();
    let mut settings = eager("dead", &dead);
    settings.in_flight = 1;
    let process = Process::start(&disk, &tight(), vec![eager("slow", &slow), settings]);
    process.run(|| async {
        for first in (0..20_000).step_by(100) {
            process.bench.append(first..first + 100).await.unwrap();
        }
        pass(1000).await;
    });
    assert_eq!(process.line("slow").delivered, 20_000);
    assert_eq!(process.line("dead").held, 20_000);
}

#[test]
fn a_request_larger_than_everything_is_read_back_too() {
    let disk = SimDisk::default();
    let (exporter, on) = switched();
    let mut config = tight();
    config.memory_bytes = 256 << 10;
    let mut settings = eager("debug", &exporter);
    settings.in_flight = 1;
    let process = Process::start(&disk, &config, vec![settings]);
    process.append_one(0..1);
    process.append_one(1..20_001);
    for first in (0..30_000).step_by(1000) {
        process.append_one(20_001 + first..21_001 + first);
    }
    process.pass(100);
    on.store(true, Ordering::Relaxed);
    process.pass(60_000);
    assert_eq!(process.line("debug").delivered, 50_001);
    assert_eq!(exporter.delivered(), (0..50_001).collect::<Vec<_>>());
}

#[test]
fn a_run_that_begins_in_memory_and_goes_on_from_disk_leaves_nothing_out() {
    let disk = SimDisk::default();
    let (ahead, _) = switched();
    let (behind, on) = switched();
    // The one ahead has more in flight, which so stays in memory while what comes after it is let go.
    let mut holds = eager("ahead", &ahead);
    holds.in_flight = 6;
    let mut reads = eager("behind", &behind);
    reads.in_flight = 1;
    reads.batch.send_batch_size = 500;
    reads.batch.max_bytes = 16 << 10;
    let mut config = tight();
    config.memory_bytes = 128 << 10;
    let process = Process::start(&disk, &config, vec![holds, reads]);
    process.run(|| async {
        for first in (0..20_000).step_by(100) {
            process.bench.append(first..first + 100).await.unwrap();
            pass(if first < 1000 { 100 } else { 0 }).await;
        }
        on.store(true, Ordering::Relaxed);
        pass(60_000).await;
    });
    let line = process.line("behind");
    assert_eq!((line.delivered, line.held), (20_000, 0));
    assert_eq!(behind.delivered(), (0..20_000).collect::<Vec<_>>());
}
