//! What a full disk does, and what a limit does.

use super::support::process::{Config, Process, eager, segments};
use super::support::{Answer, Scripted, pass};
use crate::log::AppendError;
use crate::log::disk::sim::{Faults, SimDisk};
use futures_util::FutureExt;
use penstock_settings::{OnFull, QueueLimit};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;

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

fn small(on_full: OnFull) -> Config {
    let mut config = Config {
        disk_bytes: 200 << 10,
        ..Config::default()
    };
    config.files.on_full = on_full;
    config.files.segment_bytes = 16 << 10;
    config
}

/// Appends requests of 100 items until one is not taken at once; gives the items that were.
fn fill(process: &Process) -> u64 {
    process.run(|| async {
        for first in (0..).step_by(100) {
            let append = process.bench.append(first..first + 100);
            if tokio::time::timeout(Duration::from_millis(100), append)
                .await
                .is_err()
            {
                return first;
            }
        }
        unreachable!("a disk that is never full")
    })
}

#[test]
fn full_log_holds_acks_keeps_what_it_has_and_takes_more_when_there_is_room() {
    let disk = SimDisk::default();
    let (exporter, on) = switched();
    let process = Process::start(&disk, &small(OnFull::Hold), vec![eager("debug", &exporter)]);
    let taken = fill(&process);
    assert!(disk.used() <= 205 << 10, "{}", disk.used());
    assert_eq!(process.line("debug").held, taken);
    process.run(|| async {
        let start = Instant::now();
        let refused = process.bench.append(0..100).await;
        assert!(matches!(refused, Err(AppendError::Full)), "{refused:?}");
        assert_eq!(start.elapsed(), Duration::from_secs(8), "held first");
        let mut held = std::pin::pin!(process.bench.append(taken..taken + 100));
        assert!((&mut held).now_or_never().is_none());
        on.store(true, Ordering::Relaxed);
        held.await.unwrap();
        pass(5000).await;
    });
    let line = process.line("debug");
    assert_eq!(
        (line.delivered, line.dropped, line.held),
        (taken + 100, 0, 0)
    );
    assert_eq!(exporter.delivered(), (0..taken + 100).collect::<Vec<_>>());
}

#[test]
fn drop_oldest_makes_room_and_counts_what_it_costs() {
    let disk = SimDisk::default();
    let (late, on) = switched();
    let quick = Scripted::new(|_| Answer::Take);
    let cursors = vec![eager("late", &late), eager("quick", &quick)];
    let process = Process::start(&disk, &small(OnFull::DropOldest), cursors);
    process.run(|| async {
        for first in (0..50_000).step_by(100) {
            process.bench.append(first..first + 100).await.unwrap();
            assert!(disk.used() <= 220 << 10, "{}", disk.used());
        }
        pass(1000).await;
    });
    let line = process.line("late");
    assert!(line.dropped > 20_000, "{line:?}");
    on.store(true, Ordering::Relaxed);
    process.pass(60_000);
    let after = process.line("late");
    assert_eq!((after.held, after.dropped), (0, line.dropped));
    assert_eq!(late.delivered().len() as u64, after.delivered);
    assert!(late.delivered().contains(&49_999), "the newest are there");
    assert_eq!(
        process.line("quick").delivered,
        50_000,
        "who has read it loses nothing"
    );
}

#[test]
fn a_disk_that_others_have_filled_is_waited_for() {
    let disk = SimDisk::default();
    let exporter = Scripted::new(|_| Answer::Take);
    let process = Process::start(&disk, &Config::default(), vec![eager("debug", &exporter)]);
    process.append(0..5);
    process.pass(10);
    disk.fail(Faults {
        capacity: Some(disk.used()),
        ..Faults::default()
    });
    process.run(|| async {
        let mut copied = std::pin::pin!(process.bench.append(5..6));
        let mut waits = std::pin::pin!(process.bench.append(6..7));
        assert!((&mut copied).now_or_never().is_none());
        pass(3000).await;
        assert!(
            (&mut copied).now_or_never().is_none(),
            "it is not refused once it is copied"
        );
        assert!((&mut waits).now_or_never().is_none());
        disk.fail(Faults::default());
        copied.await.unwrap();
        waits.await.unwrap();
        pass(100).await;
    });
    let line = process.line("debug");
    assert_eq!((line.accepted, line.delivered), (7, 7));
}

#[test]
fn a_full_disk_is_emptied_by_delivery_alone() {
    let disk = SimDisk::default();
    let (exporter, on) = switched();
    let mut config = Config::default();
    config.files.segment_bytes = 16 << 10;
    let process = Process::start(&disk, &config, vec![eager("debug", &exporter)]);
    for first in 0..50 {
        process.append_one(first * 100..first * 100 + 100);
    }
    disk.fail(Faults {
        capacity: Some(disk.used()),
        ..Faults::default()
    });
    on.store(true, Ordering::Relaxed);
    process.run(|| async {
        process.bench.append(5000..5100).await.unwrap();
        pass(5000).await;
    });
    assert_eq!(process.line("debug").delivered, 5100);
    assert!(segments(&disk, 0).len() <= 2);
}

#[test]
fn beyond_the_queue_size_the_oldest_unread_is_dropped_for_that_cursor_only() {
    let disk = SimDisk::default();
    let (late, on) = switched();
    let quick = Scripted::new(|_| Answer::Take);
    let mut limited = eager("late", &late);
    limited.queue_limit = Some(QueueLimit::Items(1000));
    limited.in_flight = 1;
    let process = Process::start(
        &disk,
        &Config::default(),
        vec![limited, eager("quick", &quick)],
    );
    for first in 0..50 {
        process.append_one(first * 100..first * 100 + 100);
    }
    process.pass(10);
    let line = process.line("late");
    assert_eq!(
        (line.held, line.dropped),
        (1100, 3900),
        "the batch in flight is beside it"
    );
    on.store(true, Ordering::Relaxed);
    process.pass(10_000);
    let expected: Vec<_> = (0..100).chain(4000..5000).collect();
    assert_eq!(late.delivered(), expected);
    assert_eq!(process.line("quick").delivered, 5000);
}

#[test]
fn a_limit_holds_in_memory_too() {
    let (late, _) = switched();
    let mut limited = eager("late", &late);
    limited.queue_limit = Some(QueueLimit::Requests(5));
    limited.in_flight = 1;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let bench = super::support::Bench::with_blocks(16, vec![limited]);
        for id in 0..20 {
            bench.append(id..id + 1).await.unwrap();
            pass(1).await;
        }
        let line = bench.line("late");
        assert!(line.held <= 7 && line.dropped >= 13, "{line:?}");
    });
}

#[test]
fn what_is_in_flight_outlives_its_segment() {
    let disk = SimDisk::default();
    let (late, on) = switched();
    let mut settings = eager("late", &late);
    settings.in_flight = 2;
    let process = Process::start(&disk, &small(OnFull::DropOldest), vec![settings]);
    process.run(|| async {
        process.bench.append(0..100).await.unwrap();
        process.bench.append(100..200).await.unwrap();
        pass(10).await;
        for first in (200..20_000).step_by(100) {
            process.bench.append(first..first + 100).await.unwrap();
        }
        // Long enough for both to be in the way of others.
        pass(120_000).await;
    });
    let dropped = process.line("late").dropped;
    assert!(dropped > 3000, "{dropped}");
    on.store(true, Ordering::Relaxed);
    process.pass(120_000);
    let line = process.line("late");
    assert_eq!((line.dropped, line.held), (dropped, 0));
    assert_eq!(late.delivered()[..200], (0..200).collect::<Vec<_>>());
}

#[test]
fn who_waits_is_woken_when_the_disk_takes_more() {
    let disk = SimDisk::default();
    let exporter = Scripted::new(|_| Answer::Take);
    let process = Process::start(&disk, &Config::default(), vec![eager("debug", &exporter)]);
    process.append(0..5);
    process.pass(10);
    let full = Faults {
        capacity: Some(disk.used()),
        ..Faults::default()
    };
    let broken = Faults {
        writes: 1 << 20,
        ..Faults::default()
    };
    for (fault, id) in [(full, 5), (broken, 7)] {
        disk.fail(fault);
        process.run(|| async {
            let mut copied = std::pin::pin!(process.bench.append(id..id + 1));
            assert!((&mut copied).now_or_never().is_none());
            pass(1000).await;
            let used = process.bench.log.blocks.snapshot().disk_bytes;
            let mut waits = std::pin::pin!(process.bench.append(id + 1..id + 2));
            assert!((&mut waits).now_or_never().is_none());
            let now = process.bench.log.blocks.snapshot().disk_bytes;
            assert_eq!(now, used, "nothing more is copied");
            disk.fail(Faults::default());
            let start = Instant::now();
            copied.await.unwrap();
            waits.await.unwrap();
            assert!(
                start.elapsed() < Duration::from_millis(1100),
                "{:?}",
                start.elapsed()
            );
        });
    }
}

#[test]
fn while_no_file_can_be_removed_nothing_more_is_dropped_than_would_have_made_room() {
    let disk = SimDisk::default();
    let (late, on) = switched();
    let config = small(OnFull::DropOldest);
    let process = Process::start(&disk, &config, vec![eager("late", &late)]);
    disk.fail(Faults {
        removes: u32::MAX,
        ..Faults::default()
    });
    let taken = fill(&process);
    process.run(|| async {
        let refused = process.bench.append(0..100).await;
        assert!(matches!(refused, Err(AppendError::Full)), "{refused:?}");
    });
    assert!(disk.used() <= 205 << 10, "{}", disk.used());
    let line = process.line("late");
    assert!(line.dropped <= taken / 4, "{line:?} of {taken}");
    disk.fail(Faults::default());
    on.store(true, Ordering::Relaxed);
    process.append_one(taken..taken + 100);
    process.pass(60_000);
    assert_eq!(process.line("late").held, 0);
}
