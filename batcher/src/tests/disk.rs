//! What writing to disk guarantees.

use super::support::process::{Config, Process, eager, segments};
use super::support::{Answer, Scripted, cursor};
use crate::log::disk::sim::{Faults, SimDisk};
use futures_util::FutureExt;
use penstock_settings::SyncPolicy;
use std::time::Duration;
use tokio::time::Instant;

#[test]
fn requests_that_come_together_are_written_together_and_acked() {
    let disk = SimDisk::default();
    let exporter = Scripted::new(|_| Answer::Take);
    let process = Process::start(&disk, &Config::default(), vec![cursor("debug", &exporter)]);
    process.run(|| async {
        let start = Instant::now();
        let appends = (0..10).map(|id| process.bench.append(id..id + 1));
        let acked = futures_util::future::join_all(appends).await;
        assert!(acked.iter().all(Result::is_ok));
        let took = start.elapsed();
        assert!(
            took >= Duration::from_millis(1) && took < Duration::from_millis(5),
            "{took:?}"
        );
    });
    process.pass(300);
    let attempts = exporter.seen().attempts;
    assert_eq!(attempts.len(), 1);
    assert_eq!(
        (
            attempts[0].origin.first_block,
            attempts[0].origin.last_block
        ),
        (0, 0),
        "they share a block"
    );
    assert_eq!(process.line("debug").delivered, 10);
}

#[test]
fn nothing_is_acked_accepted_or_sent_before_it_is_written() {
    let disk = SimDisk::default();
    let exporter = Scripted::new(|_| Answer::Take);
    let process = Process::start(&disk, &Config::default(), vec![eager("debug", &exporter)]);
    process.append(0..1);
    process.pass(10);
    disk.fail(Faults {
        writes: 2,
        ..Faults::default()
    });
    process.run(|| async {
        let mut append = std::pin::pin!(process.bench.append(1..2));
        assert!((&mut append).now_or_never().is_none());
        super::support::pass(15).await;
        assert!((&mut append).now_or_never().is_none());
        let line = process.bench.line("debug");
        assert_eq!((line.accepted, line.held), (1, 0));
        assert_eq!(exporter.delivered(), [0]);
        append.await.unwrap();
    });
    process.pass(10);
    assert_eq!(exporter.delivered(), [0, 1]);
    assert_eq!(process.line("debug").accepted, 2);
}

#[test]
fn commit_acks_after_the_sync() {
    for (sync, survives) in [(SyncPolicy::Commit, true), (SyncPolicy::None, false)] {
        let disk = SimDisk::default();
        let exporter = Scripted::new(|_| Answer::Silence);
        let mut config = Config::default();
        config.files.sync = sync;
        let process = Process::start(&disk, &config, vec![cursor("debug", &exporter)]);
        process.append_one(0..5);
        drop(process);
        // The machine stops, and nothing is left of what was not synced.
        disk.crash(crate::log::disk::sim::Leaves::First, &mut |_| 0);
        let process = Process::start(&disk, &config, vec![cursor("debug", &exporter)]);
        assert_eq!(process.line("debug").held, if survives { 5 } else { 0 });
    }
}

#[test]
fn a_sync_that_fails_holds_the_ack_and_the_data_is_written_again() {
    let disk = SimDisk::default();
    let exporter = Scripted::new(|_| Answer::Silence);
    let mut config = Config::default();
    config.files.sync = SyncPolicy::Commit;
    let process = Process::start(&disk, &config, vec![cursor("debug", &exporter)]);
    process.append_one(0..5);
    disk.fail(Faults {
        syncs: 3,
        ..Faults::default()
    });
    process.run(|| async {
        let mut append = std::pin::pin!(process.bench.append(5..8));
        assert!((&mut append).now_or_never().is_none());
        super::support::pass(5).await;
        assert!((&mut append).now_or_never().is_none(), "not durable yet");
        append.await.unwrap();
    });
    drop(process);
    disk.crash(crate::log::disk::sim::Leaves::First, &mut |_| 0);
    let process = Process::start(&disk, &config, vec![cursor("debug", &exporter)]);
    assert_eq!(process.line("debug").held, 8);
}

#[test]
fn interval_syncs_beside_the_writes() {
    let disk = SimDisk::default();
    let exporter = Scripted::new(|_| Answer::Silence);
    let process = Process::start(&disk, &Config::default(), vec![cursor("debug", &exporter)]);
    process.append_one(0..5);
    process.pass(1100);
    process.append_one(5..8);
    drop(process);
    disk.crash(crate::log::disk::sim::Leaves::First, &mut |_| 0);
    let process = Process::start(&disk, &Config::default(), vec![cursor("debug", &exporter)]);
    assert_eq!(process.line("debug").held, 5, "what the sync had is there");
}

#[test]
fn segments_go_when_every_cursor_is_past_them_even_if_an_older_one_stays() {
    let disk = SimDisk::default();
    let stuck = Scripted::new(|attempt| {
        if attempt.ids.contains(&0) {
            Answer::Silence
        } else {
            Answer::Take
        }
    });
    let all = Scripted::new(|_| Answer::Take);
    let mut config = Config::default();
    config.files.segment_bytes = 16 << 10;
    let cursors = vec![eager("stuck", &stuck), eager("all", &all)];
    let process = Process::start(&disk, &config, cursors);
    for first in 0..100 {
        process.append_one(first * 100..first * 100 + 100);
    }
    process.pass(3000);
    assert_eq!(process.line("stuck").held, 100);
    let left = segments(&disk, 0);
    assert_eq!(
        left.len(),
        2,
        "the one that is needed and the newest: {left:?}"
    );
    assert_eq!(left[0].file_stem().unwrap(), "0000000000000000");
}

#[test]
fn a_receiver_that_holds_on_to_its_folder_keeps_another_out() {
    let disk = SimDisk::default();
    let exporter = Scripted::new(|_| Answer::Silence);
    let one = Process::start(&disk, &Config::default(), vec![cursor("debug", &exporter)]);
    one.append_one(0..3);
    let two = Process::start(&disk, &Config::default(), vec![cursor("debug", &exporter)]);
    two.append_one(3..5);
    assert_eq!(two.line("debug").accepted, 2, "a slot of its own");
    assert_eq!((segments(&disk, 0).len(), segments(&disk, 1).len()), (1, 1));
    drop(one);
}

#[test]
fn a_disk_that_does_not_sync_does_not_keep_the_process_from_its_end() {
    for sync in [
        SyncPolicy::Interval(Duration::from_secs(1)),
        SyncPolicy::Commit,
    ] {
        let disk = SimDisk::default();
        let exporter = Scripted::new(|_| Answer::Take);
        let mut config = Config::default();
        config.files.sync = sync;
        let process = Process::start(&disk, &config, vec![eager("debug", &exporter)]);
        process.append(0..5);
        process.pass(10);
        disk.fail(Faults {
            syncs: u32::MAX,
            ..Faults::default()
        });
        process.pass(5000);
        let lines = process.drain(Duration::from_secs(10));
        assert_eq!((lines[0].delivered, lines[0].held), (5, 0));
    }
}
