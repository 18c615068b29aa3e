//! What becomes of logs whose process or shard is no more.

use super::support::process::{Config, FEED, Process, eager};
use super::support::{Answer, Scripted};
use crate::log::disk::sim::{Faults, SimDisk};
use std::sync::Arc;
use std::time::Duration;

fn silent() -> Arc<Scripted> {
    Scripted::new(|_| Answer::Silence)
}

fn take() -> Arc<Scripted> {
    Scripted::new(|_| Answer::Take)
}

/// Leaves three logs behind, with 10 held items each, of processes that were there at the same time.
fn three_logs(disk: &SimDisk) {
    let processes: Vec<_> = (0..3)
        .map(|slot| {
            let process = Process::start(disk, &Config::default(), vec![eager("debug", &silent())]);
            process.append(slot * 10..slot * 10 + 10);
            process
        })
        .collect();
    drop(processes);
    disk.kill();
}

fn folders(disk: &SimDisk) -> Vec<String> {
    let names = disk.shared().list(FEED.as_ref()).unwrap();
    names.into_iter().filter(|name| name != "for").collect()
}

#[test]
fn the_logs_of_shards_that_are_no_more_are_emptied_counted_and_removed() {
    let disk = SimDisk::default();
    three_logs(&disk);
    assert_eq!(folders(&disk), ["0", "1", "2"]);
    let exporter = take();
    let process = Process::start(&disk, &Config::default(), vec![eager("debug", &exporter)]);
    process.pass(3000);
    assert_eq!(exporter.delivered(), (0..30).collect::<Vec<_>>());
    let line = process.line("debug");
    assert_eq!((line.accepted, line.delivered, line.held), (30, 30, 0));
    assert_eq!(folders(&disk), ["0"]);
    process.append(30..33);
    let lines = process.drain(Duration::from_secs(5));
    assert_eq!((lines[0].accepted, lines[0].delivered), (33, 33));
    // And it stays so.
    disk.kill();
    let process = Process::start(&disk, &Config::default(), vec![eager("debug", &exporter)]);
    process.pass(3000);
    let line = process.line("debug");
    assert_eq!((line.accepted, line.delivered), (33, 33));
}

#[test]
fn each_shard_adopts_its_part() {
    let disk = SimDisk::default();
    let processes: Vec<_> = (0..6)
        .map(|slot| {
            let process =
                Process::start(&disk, &Config::default(), vec![eager("debug", &silent())]);
            process.append(slot..slot + 1);
            process
        })
        .collect();
    drop(processes);
    disk.kill();
    let shard = |shard| Config {
        shard,
        shards: 2,
        ..Config::default()
    };
    let (first, second) = (take(), take());
    let one = Process::start(&disk, &shard(0), vec![eager("debug", &first)]);
    let two = Process::start(&disk, &shard(1), vec![eager("debug", &second)]);
    one.pass(3000);
    two.pass(3000);
    let mut delivered = [first.delivered(), second.delivered()].concat();
    delivered.sort_unstable();
    assert_eq!(delivered, (0..6).collect::<Vec<_>>());
    assert_eq!(folders(&disk), ["0", "1"]);
}

#[test]
fn what_the_old_process_leaves_when_it_retires_is_delivered_by_the_new_one() {
    let disk = SimDisk::default();
    let old = Process::start(&disk, &Config::default(), vec![eager("debug", &silent())]);
    old.append(0..10);
    let exporter = take();
    let new = Process::start(&disk, &Config::default(), vec![eager("debug", &exporter)]);
    new.append(10..15);
    new.pass(2000);
    assert_eq!(
        exporter.delivered(),
        (10..15).collect::<Vec<_>>(),
        "the other's is in use"
    );
    old.drain(Duration::from_secs(1));
    new.pass(2000);
    assert_eq!(exporter.delivered(), (0..15).collect::<Vec<_>>());
    let line = new.line("debug");
    assert_eq!((line.accepted, line.delivered), (15, 15));
}

#[test]
fn counts_are_carried_once_whenever_the_process_dies() {
    let mut stops = 0;
    for at in (1..).step_by(97) {
        let disk = SimDisk::default();
        three_logs(&disk);
        let exporter = take();
        disk.fail(Faults {
            stop_after: Some(at),
            ..Faults::default()
        });
        let process =
            Process::try_start(&disk, &Config::default(), vec![eager("debug", &exporter)]);
        let mut stopped = true;
        if let Ok(process) = process {
            process.pass(3000);
            stopped = disk.shared().list(FEED.as_ref()).is_err();
            drop(process);
        }
        disk.kill();
        let process = Process::start(&disk, &Config::default(), vec![eager("debug", &exporter)]);
        process.pass(5000);
        let line = process.line("debug");
        assert_eq!(
            (line.accepted, line.delivered, line.held),
            (30, 30, 0),
            "stopped after {at}"
        );
        assert_eq!(folders(&disk), ["0"], "stopped after {at}");
        stops += u32::from(stopped);
        if !stopped {
            break;
        }
    }
    assert!(stops > 20, "{stops}");
}

#[test]
fn data_for_one_cursor_reaches_no_other_and_survives_a_restart() {
    let disk = SimDisk::default();
    let (one, two) = (take(), take());
    let both = || vec![eager("one", &silent()), eager("two", &two)];
    let process = Process::start(&disk, &Config::default(), both());
    process.append(0..3);
    process.run(|| async {
        let body = super::support::request(3..8);
        let permit = process.bench.budget.force(body.len());
        let request = crate::log::Request {
            body: body.into(),
            items: 5,
            permit,
        };
        process
            .bench
            .log
            .append_for("logs", "one", request)
            .await
            .unwrap();
        let body = super::support::request(8..9);
        let permit = process.bench.budget.force(body.len());
        let request = crate::log::Request {
            body: body.into(),
            items: 1,
            permit,
        };
        let unknown = process.bench.log.append_for("logs", "other", request).await;
        assert!(matches!(
            unknown,
            Err(crate::log::AppendError::UnknownCursor { .. })
        ));
    });
    process.pass(100);
    assert_eq!(two.delivered(), [0, 1, 2]);
    assert_eq!(
        (process.line("one").held, process.line("one").accepted),
        (8, 8)
    );
    assert_eq!(process.line("two").accepted, 3);
    drop(process);
    disk.kill();
    let process = Process::start(
        &disk,
        &Config::default(),
        vec![eager("one", &one), eager("two", &two)],
    );
    process.pass(3000);
    assert_eq!(one.delivered(), (0..8).collect::<Vec<_>>());
    assert_eq!(two.delivered(), [0, 1, 2]);
    let line = process.line("one");
    assert_eq!((line.accepted, line.delivered, line.held), (8, 8, 0));
    assert_eq!(process.line("two").accepted, 3);
}
