//! What a restart guarantees.

use super::support::process::{Config, Process, eager, segments};
use super::support::{Answer, Scripted, cursor};
use crate::ledger::{Here, Line};
use crate::log::disk::sim::SimDisk;
use penstock_settings::StartAt;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

fn silent() -> Arc<Scripted> {
    Scripted::new(|_| Answer::Silence)
}

fn take() -> Arc<Scripted> {
    Scripted::new(|_| Answer::Take)
}

/// Kills a process.
fn kill(process: Process, disk: &SimDisk) {
    drop(process);
    disk.kill();
}

#[test]
fn what_was_held_is_delivered_by_the_next_process() {
    let disk = SimDisk::default();
    let process = Process::start(&disk, &Config::default(), vec![eager("debug", &silent())]);
    process.append(0..50);
    kill(process, &disk);
    let exporter = take();
    let process = Process::start(&disk, &Config::default(), vec![eager("debug", &exporter)]);
    assert_eq!(process.line("debug").held, 50);
    process.pass(100);
    assert_eq!(exporter.delivered(), (0..50).collect::<Vec<_>>());
    let line = process.line("debug");
    assert_eq!((line.accepted, line.delivered, line.held), (50, 50, 0));
}

#[test]
fn batches_in_flight_are_sent_again_as_they_were_and_first() {
    let disk = SimDisk::default();
    let config = Config {
        block_bytes: 64,
        ..Config::default()
    };
    let exporter = silent();
    let mut settings = cursor("debug", &exporter);
    settings.batch.send_batch_size = 5;
    settings.in_flight = 3;
    let process = Process::start(&disk, &config, vec![settings]);
    for first in 0..20 {
        process.append_one(first..first + 1);
    }
    process.pass(20);
    let before = exporter.seen().attempts;
    assert_eq!(before.len(), 3);
    kill(process, &disk);
    // Other limits make other batches of what was not read yet, but not of these.
    let exporter = take();
    let mut settings = cursor("debug", &exporter);
    settings.batch.send_batch_size = 2;
    let process = Process::start(&disk, &config, vec![settings]);
    process.pass(300);
    let after = exporter.seen().attempts;
    for (before, after) in before.iter().zip(&after) {
        assert_eq!((&before.origin, &before.ids), (&after.origin, &after.ids));
    }
    assert_eq!(after[3].ids.len(), 2);
    assert_eq!(exporter.delivered(), (0..20).collect::<Vec<_>>());
    assert_eq!(process.line("debug").delivered, 20);
}

#[test]
fn what_was_delivered_is_not_sent_again() {
    let disk = SimDisk::default();
    let exporter = take();
    let process = Process::start(&disk, &Config::default(), vec![eager("debug", &exporter)]);
    process.append(0..20);
    process.pass(20);
    kill(process, &disk);
    let process = Process::start(&disk, &Config::default(), vec![eager("debug", &exporter)]);
    process.pass(1000);
    assert_eq!(exporter.seen().attempts.len(), 20);
    let line = process.line("debug");
    assert_eq!((line.accepted, line.delivered, line.held), (20, 20, 0));
}

#[test]
fn pieces_of_a_block_that_is_not_settled_are_sent_again_and_counted_once() {
    let disk = SimDisk::default();
    // A request beyond the limit is cut; the process ends after the first piece.
    let once = |silent: bool| {
        Scripted::new(move |attempt| {
            if silent && attempt.origin.part > 0 {
                Answer::Silence
            } else {
                Answer::Take
            }
        })
    };
    let limited = |exporter| {
        let mut settings = cursor("debug", exporter);
        settings.batch.send_batch_size = 10;
        settings.batch.send_batch_max_size = 10;
        settings
    };
    let first = once(true);
    let process = Process::start(&disk, &Config::default(), vec![limited(&first)]);
    process.append_one(0..25);
    process.pass(300);
    let line = process.line("debug");
    assert_eq!((line.delivered, line.held), (10, 15));
    kill(process, &disk);
    let second = once(false);
    let process = Process::start(&disk, &Config::default(), vec![limited(&second)]);
    let line = process.line("debug");
    assert_eq!(
        (line.delivered, line.held),
        (0, 25),
        "the block is sent again whole"
    );
    process.pass(300);
    let line = process.line("debug");
    assert_eq!((line.accepted, line.delivered, line.held), (25, 25, 0));
    let origins = |exporter: &Scripted| -> Vec<_> {
        let seen = exporter.seen();
        seen.attempts
            .into_iter()
            .map(|a| a.origin.blocks())
            .collect()
    };
    assert_eq!(
        origins(&first),
        origins(&second),
        "which the exporter knows by their names"
    );
}

#[test]
fn a_drained_process_keeps_what_it_could_not_deliver() {
    let disk = SimDisk::default();
    let process = Process::start(&disk, &Config::default(), vec![eager("debug", &silent())]);
    process.append(0..5);
    let lines = process.drain(Duration::from_secs(25));
    let [
        Line {
            held: 5,
            dropped: 0,
            ..
        },
    ] = lines.as_slice()
    else {
        panic!("{lines:?}")
    };
    let exporter = take();
    let process = Process::start(&disk, &Config::default(), vec![eager("debug", &exporter)]);
    process.pass(100);
    assert_eq!(exporter.delivered(), (0..5).collect::<Vec<_>>());
    let lines = process.drain(Duration::from_secs(25));
    assert_eq!((lines[0].accepted, lines[0].delivered), (5, 5));
}

#[test]
fn a_new_exporter_begins_where_the_settings_say() {
    for (start, expected) in [(StartAt::Tail, 10..13), (StartAt::Oldest, 0..13)] {
        let disk = SimDisk::default();
        let config = Config {
            new_exporter: start,
            ..Config::default()
        };
        let process = Process::start(&disk, &config, vec![eager("old", &silent())]);
        process.append(0..10);
        kill(process, &disk);
        let new = take();
        let cursors = vec![eager("old", &silent()), eager("new", &new)];
        let process = Process::start(&disk, &config, cursors);
        process.append(10..13);
        process.pass(50);
        let line = process.line("new");
        assert_eq!(new.delivered(), expected.clone().collect::<Vec<_>>());
        assert_eq!(
            (line.accepted, line.held),
            (expected.end - expected.start, 0)
        );
        assert_eq!(process.line("old").held, 13);
    }
}

#[test]
fn an_exporter_that_is_gone_releases_its_data_and_goes_on_counting_when_it_is_back() {
    let disk = SimDisk::default();
    let mut config = Config::default();
    config.files.segment_bytes = 16 << 10;
    let both = || vec![eager("stays", &take()), eager("goes", &silent())];
    let process = Process::start(&disk, &config, both());
    for first in 0..50 {
        process.append_one(first * 100..first * 100 + 100);
    }
    process.pass(2000);
    assert!(segments(&disk, 0).len() > 5);
    kill(process, &disk);
    let process = Process::start(&disk, &config, vec![eager("stays", &take())]);
    let line = process.line("goes");
    assert_eq!((line.accepted, line.dropped, line.held), (5000, 5000, 0));
    process.append_one(5000..5100);
    process.pass(2000);
    assert_eq!(segments(&disk, 0).len(), 1, "nobody needs the others");
    assert_eq!(
        process.line("goes").accepted,
        5000,
        "it does not count what it does not get"
    );
    kill(process, &disk);
    let process = Process::start(&disk, &config, both());
    process.append_one(5100..5110);
    process.pass(20);
    let line = process.line("goes");
    assert_eq!((line.accepted, line.dropped, line.held), (5010, 5000, 10));
    assert_eq!(process.line("stays").accepted, 5110);
}

#[test]
fn lost_blocks_are_counted_for_each_cursor_that_misses_them() {
    let disk = SimDisk::default();
    let mut config = Config::default();
    config.files.segment_bytes = 16 << 10;
    let done = take();
    let process = Process::start(
        &disk,
        &config,
        vec![eager("done", &done), eager("late", &silent())],
    );
    for first in 0..50 {
        process.append_one(first * 100..first * 100 + 100);
    }
    process.pass(2000);
    kill(process, &disk);
    let files = segments(&disk, 0);
    // One segment is damaged, another has gone.
    disk.tamper(&files[3], |bytes| bytes[300] ^= 1);
    disk.shared().remove_file(&files[1]).unwrap();
    let late = take();
    let process = Process::start(
        &disk,
        &config,
        vec![eager("done", &done), eager("late", &late)],
    );
    process.pass(500);
    let line = process.line("late");
    let arrived: BTreeSet<_> = late.delivered().into_iter().collect();
    assert_eq!((line.accepted, line.held), (5000, 0));
    assert!(line.dropped > 0 && line.dropped < 2000, "{line:?}");
    assert_eq!(line.delivered, arrived.len() as u64);
    let line = process.line("done");
    assert_eq!((line.delivered, line.dropped), (5000, 0));
}

#[test]
fn a_log_of_a_later_version_is_not_touched() {
    let disk = SimDisk::default();
    let process = Process::start(&disk, &Config::default(), vec![eager("debug", &silent())]);
    process.append(0..3);
    kill(process, &disk);
    let file = &segments(&disk, 0)[0];
    disk.tamper(file, |bytes| {
        bytes[8] = 9;
        let crc = crc32fast::hash(&bytes[..92]);
        bytes[92..96].copy_from_slice(&crc.to_le_bytes());
    });
    let before = disk.bytes(file);
    let failed = Process::try_start(&disk, &Config::default(), vec![eager("debug", &silent())]);
    let error = failed.map(drop).unwrap_err().to_string();
    assert!(error.contains("format 9"), "{error}");
    assert_eq!(disk.bytes(file), before);
}

#[test]
fn what_earlier_processes_have_dropped_is_not_of_this_one() {
    let disk = SimDisk::default();
    let mut settings = eager("debug", &Scripted::new(|_| Answer::Retry));
    settings.retry.enabled = false;
    let process = Process::start(&disk, &Config::default(), vec![settings]);
    process.append(0..5);
    process.pass(100);
    assert_eq!(
        (process.line("debug").dropped, process.ledger.here().dropped),
        (5, 5)
    );
    kill(process, &disk);
    let process = Process::start(&disk, &Config::default(), vec![eager("debug", &silent())]);
    assert_eq!(process.line("debug").dropped, 5);
    assert_eq!(process.ledger.here(), Here::default());
    process.append(0..3);
    assert_eq!(process.ledger.here().held, 3);
}
