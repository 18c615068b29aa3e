//! Faults of the disk and the clock's part in rotation.

use super::{Current, Sink, Write};
use jiff::{SignedDuration, Timestamp};
use penstock_settings::{File as Settings, Rotation};
use std::fs::{self, File};
use std::io::Write as _;
use tempfile::TempDir;
use tokio::sync::oneshot;

fn open(folder: &TempDir, rotation: Option<Rotation>) -> Sink {
    let path = folder.path().join("items.json");
    Sink::open(Settings {
        path,
        rotation,
        zstd: false,
        append: true,
    })
    .unwrap()
}

fn write(sink: &mut Sink, records: &[&str]) -> Vec<Result<(), String>> {
    let (writes, answers): (Vec<_>, Vec<_>) = records
        .iter()
        .map(|record| {
            let (done, answer) = oneshot::channel();
            (
                Write {
                    record: record.as_bytes().to_vec(),
                    done,
                },
                answer,
            )
        })
        .unzip();
    sink.commit(writes);
    answers
        .into_iter()
        .map(|mut answer| answer.try_recv().unwrap())
        .collect()
}

fn text(folder: &TempDir) -> String {
    fs::read_to_string(folder.path().join("items.json")).unwrap()
}

fn current(sink: &mut Sink) -> &mut Current {
    sink.current.as_mut().unwrap()
}

fn backups(folder: &TempDir) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "items.json")
        .collect();
    names.sort();
    names
}

#[test]
fn what_went_into_a_removed_file_is_not_delivered_and_goes_into_a_new_one() {
    let folder = TempDir::new().unwrap();
    let mut sink = open(&folder, None);
    assert_eq!(write(&mut sink, &["{1}\n"]), [Ok(())]);
    fs::remove_file(folder.path().join("items.json")).unwrap();
    assert!(write(&mut sink, &["{2}\n"])[0].is_err());
    assert_eq!(write(&mut sink, &["{2}\n"]), [Ok(())]);
    assert_eq!(text(&folder), "{2}\n");
}

#[test]
fn failed_write_is_told_to_every_batch_and_leaves_no_torn_line() {
    let folder = TempDir::new().unwrap();
    let mut sink = open(&folder, None);
    assert_eq!(write(&mut sink, &["{1}\n"]), [Ok(())]);

    let path = folder.path().join("items.json");
    let healthy = std::mem::replace(&mut current(&mut sink).file, File::open(&path).unwrap());
    let answers = write(&mut sink, &["{2}\n", "{3}\n"]);
    assert!(answers.iter().all(Result::is_err), "{answers:?}");
    // What a disk that fills up in the midst of a write leaves behind.
    (&healthy).write_all(b"{2").unwrap();
    current(&mut sink).file = healthy;

    assert_eq!(write(&mut sink, &["{2}\n", "{3}\n"]), [Ok(()), Ok(())]);
    assert_eq!(text(&folder), "{1}\n{2}\n{3}\n");
}

#[test]
fn full_device_is_an_answer_to_each_batch() {
    let folder = TempDir::new().unwrap();
    let mut sink = open(&folder, None);
    current(&mut sink).file = File::options().write(true).open("/dev/full").unwrap();
    let [Err(reason)] = &write(&mut sink, &["{1}\n"])[..] else {
        panic!("an error")
    };
    assert!(reason.contains("No space left on device"), "{reason}");
}

#[test]
fn record_whose_sender_is_gone_is_not_written() {
    let folder = TempDir::new().unwrap();
    let mut sink = open(&folder, None);
    let (done, answer) = oneshot::channel();
    drop(answer);
    sink.commit(vec![Write {
        record: b"{1}\n".to_vec(),
        done,
    }]);
    assert_eq!(text(&folder), "");
}

#[test]
fn file_older_than_max_days_is_rotated() {
    let folder = TempDir::new().unwrap();
    let rotation = Rotation {
        max_bytes: 1000,
        max_days: 7,
        max_backups: 0,
        localtime: false,
    };
    let mut sink = open(&folder, Some(rotation));
    write(&mut sink, &["{1}\n"]);
    write(&mut sink, &["{2}\n"]);
    assert_eq!(text(&folder), "{1}\n{2}\n");
    current(&mut sink).born = Timestamp::now() - SignedDuration::from_hours(24 * 8);
    write(&mut sink, &["{3}\n"]);
    assert_eq!(text(&folder), "{3}\n");
    assert_eq!(backups(&folder).len(), 1);
}

#[test]
fn backups_beyond_number_and_age_are_removed_and_other_files_stay() {
    let folder = TempDir::new().unwrap();
    let other = [
        "items-2001.json",
        "items-old.json",
        "other-2001-02-03T04-05-06.789.json",
    ];
    let young = Timestamp::now() - SignedDuration::from_hours(24 * 6);
    let young = young
        .strftime("items-%Y-%m-%dT%H-%M-%S%.3f.json")
        .to_string();
    for name in other
        .iter()
        .chain(&["items-2001-02-03T04-05-06.789.json", &*young])
    {
        fs::write(folder.path().join(name), "{}\n").unwrap();
    }
    let rotation = Rotation {
        max_bytes: 4,
        max_days: 7,
        max_backups: 3,
        localtime: false,
    };
    let mut sink = open(&folder, Some(rotation));
    write(&mut sink, &["{1}\n", "{2}\n"]);
    let left = backups(&folder);
    assert!(
        other.iter().all(|name| left.contains(&(*name).to_owned())),
        "{left:?}"
    );
    assert!(left.contains(&young), "{left:?}");
    assert_eq!(left.len(), other.len() + 2, "{left:?}");
    write(&mut sink, &["{3}\n", "{4}\n", "{5}\n"]);
    let left = backups(&folder);
    assert!(!left.contains(&young), "{left:?}");
    assert_eq!(left.len(), other.len() + 3, "{left:?}");
}

#[test]
fn backups_of_the_same_moment_do_not_overwrite_each_other() {
    let folder = TempDir::new().unwrap();
    let rotation = Rotation {
        max_bytes: 4,
        max_days: 0,
        max_backups: 0,
        localtime: true,
    };
    let mut sink = open(&folder, Some(rotation));
    let records: Vec<_> = (0..50).map(|number| format!("{{{number}}}\n")).collect();
    let answers = write(
        &mut sink,
        &records.iter().map(String::as_str).collect::<Vec<_>>(),
    );
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(backups(&folder).len(), 49);
}
