//! What is answered with yes is in the file, once and whole, through rotation, restart and crash.

use crate::FileExporter;
use bytes::Bytes;
use futures_util::future::join_all;
use penstock_exporter_harness::{ExportBatch, Exported, Exporter};
use penstock_otlp::Signal;
use penstock_otlp::compress::{Encoding, decompress};
use penstock_otlp::json;
use penstock_settings::{File, Rotation};
use penstock_testkit::{Request, fixtures, ids_in_json, numbered, request};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

fn settings(folder: &TempDir) -> File {
    let path = folder.path().join("items.json");
    File {
        path,
        rotation: None,
        zstd: false,
        append: true,
    }
}

fn rotation(max_bytes: u64) -> Rotation {
    Rotation {
        max_bytes,
        max_days: 0,
        max_backups: 0,
        localtime: false,
    }
}

fn batch<S: AsRef<str>>(signal: Signal, ids: &[S]) -> ExportBatch {
    ExportBatch {
        signal,
        chunks: vec![request(signal.name(), ids)],
        items: ids.len(),
    }
}

async fn export(exporter: &FileExporter, id: &str) {
    let outcome = exporter.export(&batch(Signal::Logs, &[id])).await;
    assert_eq!(outcome, Ok(Exported::default()));
}

/// Every line must be whole.
fn ids_in(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    assert!(
        text.is_empty() || text.ends_with('\n'),
        "torn line in {text}"
    );
    text.lines()
        .flat_map(|line| ids_in_json("logs", line.as_bytes()))
        .collect()
}

fn files(folder: &TempDir) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

fn all_ids(folder: &TempDir) -> Vec<String> {
    let mut ids: Vec<_> = files(folder).iter().flat_map(|file| ids_in(file)).collect();
    ids.sort();
    ids
}

#[tokio::test]
async fn each_batch_of_any_signal_is_one_line_of_otlp_json() {
    let folder = TempDir::new().unwrap();
    let exporter = FileExporter::open(&settings(&folder)).unwrap();
    let mut sent = Vec::new();
    for fixture in fixtures() {
        let signal = Signal::from_name(fixture.signal).unwrap();
        // Real sidecars send bytes that are not UTF-8; the receiver repairs them before an exporter sees them.
        let checked = penstock_otlp::check::check(signal, fixture.body).unwrap();
        let batch = ExportBatch {
            signal,
            chunks: vec![checked.body],
            items: checked.items,
        };
        assert_eq!(exporter.export(&batch).await, Ok(Exported::default()));
        sent.push(batch);
    }
    let text = fs::read_to_string(folder.path().join("items.json")).unwrap();
    assert_eq!(text.lines().count(), sent.len());
    for (line, batch) in text.lines().zip(sent) {
        let read = Request::from_json(batch.signal.name(), line.as_bytes()).unwrap();
        assert_eq!(read.count(), batch.items);
        let mut expected = Vec::new();
        json::from_proto(batch.signal, &batch.body(), &mut expected);
        assert!(line.as_bytes() == expected, "{line}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_batches_are_all_in_the_file_when_answered() {
    let folder = TempDir::new().unwrap();
    let exporter = FileExporter::open(&settings(&folder)).unwrap();
    let ids = numbered("item", 200);
    join_all(ids.iter().map(|id| export(&exporter, id))).await;
    assert_eq!(all_ids(&folder), ids);
}

#[tokio::test]
async fn batch_given_up_by_its_sender_does_not_stop_the_others() {
    let folder = TempDir::new().unwrap();
    let exporter = FileExporter::open(&settings(&folder)).unwrap();
    for id in numbered("dropped", 20) {
        let batch = batch(Signal::Logs, &[id]);
        let given_up = exporter.export(&batch);
        tokio::select! {
            biased;
            outcome = given_up => assert_eq!(outcome, Ok(Exported::default())),
            () = tokio::task::yield_now() => {}
        }
    }
    export(&exporter, "kept").await;
    assert!(all_ids(&folder).contains(&"kept".to_owned()));
}

#[tokio::test]
async fn rotation_keeps_every_line_in_files_below_the_limit() {
    let folder = TempDir::new().unwrap();
    let rotation = Some(rotation(2000));
    let exporter = FileExporter::open(&File {
        rotation,
        ..settings(&folder)
    })
    .unwrap();
    let ids = numbered("item", 60);
    for ids in ids.chunks(6) {
        join_all(ids.iter().map(|id| export(&exporter, id))).await;
    }
    assert_eq!(all_ids(&folder), ids);
    assert!(
        files(&folder).len() > 3,
        "no rotation: {:?}",
        files(&folder)
    );
    for file in files(&folder) {
        assert!(
            fs::metadata(&file).unwrap().len() <= 2000,
            "{} is too large",
            file.display()
        );
    }
}

#[tokio::test]
async fn batch_larger_than_a_file_may_be_gets_one_of_its_own() {
    let folder = TempDir::new().unwrap();
    let rotation = Some(rotation(10));
    let exporter = FileExporter::open(&File {
        rotation,
        ..settings(&folder)
    })
    .unwrap();
    export(&exporter, "one").await;
    export(&exporter, "two").await;
    assert_eq!(all_ids(&folder), ["one", "two"]);
    assert_eq!(files(&folder).len(), 2);
}

#[tokio::test]
async fn restart_appends_to_what_is_there() {
    let folder = TempDir::new().unwrap();
    for id in ["one", "two"] {
        export(&FileExporter::open(&settings(&folder)).unwrap(), id).await;
    }
    assert_eq!(ids_in(&folder.path().join("items.json")), ["one", "two"]);
}

#[tokio::test]
async fn restart_without_append_begins_anew_and_keeps_the_old_file_aside() {
    let folder = TempDir::new().unwrap();
    for id in ["one", "two"] {
        let settings = File {
            append: false,
            ..settings(&folder)
        };
        export(&FileExporter::open(&settings).unwrap(), id).await;
    }
    assert_eq!(ids_in(&folder.path().join("items.json")), ["two"]);
    assert_eq!(all_ids(&folder), ["one", "two"]);
}

#[tokio::test]
async fn line_torn_by_a_crash_is_cut_off_before_the_next_is_written() {
    let folder = TempDir::new().unwrap();
    export(&FileExporter::open(&settings(&folder)).unwrap(), "one").await;
    let path = folder.path().join("items.json");
    let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
    file.write_all(&[b'{'; 100_000]).unwrap();
    export(&FileExporter::open(&settings(&folder)).unwrap(), "two").await;
    assert_eq!(ids_in(&path), ["one", "two"]);
}

#[tokio::test]
async fn compressed_records_have_the_collectors_framing_and_survive_a_torn_one() {
    let folder = TempDir::new().unwrap();
    let settings = File {
        zstd: true,
        ..settings(&folder)
    };
    export(&FileExporter::open(&settings).unwrap(), "one").await;
    let whole = fs::read(&settings.path).unwrap();
    let mut file = fs::OpenOptions::new()
        .append(true)
        .open(&settings.path)
        .unwrap();
    file.write_all(&whole[..whole.len() - 3]).unwrap();
    export(&FileExporter::open(&settings).unwrap(), "two").await;

    let mut rest = Bytes::from(fs::read(&settings.path).unwrap());
    let mut ids = Vec::new();
    while !rest.is_empty() {
        let mut record = rest.split_off(4);
        let length = u32::from_be_bytes(rest[..].try_into().unwrap());
        rest = record.split_off(length as usize);
        let json = decompress(Encoding::Zstd, &record, 1 << 20).unwrap();
        ids.extend(ids_in_json("logs", &json));
    }
    assert_eq!(ids, ["one", "two"]);
}

#[tokio::test]
async fn file_that_holds_something_else_is_left_as_it_is() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("items.json");
    fs::write(&path, "precious").unwrap();
    export(&FileExporter::open(&settings(&folder)).unwrap(), "one").await;
    assert_eq!(ids_in(&path), ["one"]);
    let [aside, _] = &files(&folder)[..] else {
        panic!("two files")
    };
    assert_eq!(fs::read_to_string(aside).unwrap(), "precious");
}

#[test]
fn second_exporter_on_the_same_file_does_not_start() {
    let folder = TempDir::new().unwrap();
    let _first = FileExporter::open(&settings(&folder)).unwrap();
    let error = FileExporter::open(&settings(&folder))
        .unwrap_err()
        .to_string();
    assert!(
        error.ends_with("items.json: another process writes to it"),
        "{error}"
    );
}

#[test]
fn folder_that_is_missing_is_named_at_start() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("nowhere").join("items.json");
    let error = FileExporter::open(&File {
        path,
        ..settings(&folder)
    })
    .unwrap_err()
    .to_string();
    assert!(
        error.contains("nowhere/items.json: the folder does not exist"),
        "{error}"
    );
}
