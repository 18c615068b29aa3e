//! What an operator sees of dead letters.

use super::*;
use penstock_batcher::DeadLetters;
use penstock_batcher::dead_letter::Meta;
use penstock_settings::DeadLetter;
use penstock_testkit::{Answer, Backend, numbered, request};
use tempfile::{TempDir, tempdir};

const INVALID_ARGUMENT: i32 = 3;
const FAILED_PRECONDITION: i32 = 9;
const INTERNAL: i32 = 13;

/// A folder with a letter of one item for each of these exporters.
async fn folder(exporters: &[&str]) -> TempDir {
    let folder = tempdir().unwrap();
    let settings = DeadLetter {
        directory: folder.path().to_owned(),
        max_bytes: 1 << 20,
    };
    let files = DeadLetters::open(&settings, false);
    for exporter in exporters {
        let meta = Meta::now(Signal::Logs, "logs/a", exporter, "permanent", "bad\nitem");
        let ids = numbered(exporter, 1);
        let batch = Batch {
            signal: Signal::Logs,
            chunks: vec![request("logs", &ids)],
            items: 1,
            origin: Origin {
                log_id: "log".to_owned(),
                first_block: 0,
                last_block: 0,
                part: 0,
                parts: 1,
                share: None,
            },
        };
        files.put(meta, &batch).await;
    }
    folder
}

async fn replay_to<'a>(folder: &TempDir, backend: &Backend, only: Option<&'a str>) -> Replay<'a> {
    let to = backend.address().to_string();
    let mut replay = Replay::new((&to, &Towards::default()), only);
    for file in &files(folder.path()).unwrap() {
        replay.file(file).await.unwrap();
    }
    replay
}

fn whom(backend: &Backend) -> Vec<String> {
    let recorded = backend.recorded();
    let exporter = |recorded: &penstock_testkit::Recorded| {
        let value = &recorded.headers["penstock-hand-over-exporter"];
        assert_eq!(recorded.headers["penstock-hand-over-pipeline"], "logs/a");
        value.to_str().unwrap().to_owned()
    };
    recorded.iter().map(exporter).collect()
}

#[tokio::test]
async fn a_letter_is_listed_with_its_request_as_otlp_json() {
    let folder = folder(&["otlp/a"]).await;
    let file = files(folder.path()).unwrap().remove(0);
    let letter = file.read().unwrap().letters.remove(0);
    let line = serde_json::to_value(listed(file.path(), &letter, true)).unwrap();
    assert_eq!(line["exporter"], "otlp/a");
    assert_eq!(line["items"], 1);
    assert!(line["time"].as_str().unwrap().starts_with("20"), "{line}");
    assert!(line["request"]["resourceLogs"].is_array(), "{line}");

    let mut out = Vec::new();
    text(&mut out, &listed(file.path(), &letter, false)).unwrap();
    let out = String::from_utf8(out).unwrap();
    assert_eq!(out.lines().count(), 1, "{out}");
    assert!(out.contains(r#"error="bad\nitem""#), "{out}");
}

#[tokio::test]
async fn what_was_taken_is_sent_once_and_its_file_goes() {
    let folder = folder(&["otlp/a", "otlp/b"]).await;
    let backend = Backend::start().await;
    let replay = replay_to(&folder, &backend, None).await;
    assert_eq!((replay.taken.items, replay.left.letters), (2, 0));
    assert_eq!(whom(&backend), ["otlp/a", "otlp/b"]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn letters_of_other_exporters_stay() {
    let folder = folder(&["otlp/a", "otlp/b"]).await;
    let backend = Backend::start().await;
    let replay = replay_to(&folder, &backend, Some("otlp/b")).await;
    let counts = (
        replay.taken.letters,
        replay.left.letters,
        replay.others.letters,
    );
    assert_eq!(counts, (1, 0, 1));
    let replay = replay_to(&folder, &backend, None).await;
    assert_eq!(replay.taken.letters, 1);
    assert_eq!(whom(&backend), ["otlp/b", "otlp/a"]);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn an_exporter_that_is_not_served_is_told_once_and_delays_no_other() {
    let folder = folder(&["otlp/gone", "otlp/gone", "otlp/b"]).await;
    let backend = Backend::start().await;
    tokio::time::pause();
    let unknown = Answer::grpc(FAILED_PRECONDITION, "not served here");
    backend.script(vec![unknown; ATTEMPTS as usize]);
    let replay = replay_to(&folder, &backend, None).await;
    assert_eq!((replay.taken.letters, replay.left.letters), (1, 2));
    assert_eq!(whom(&backend).len(), ATTEMPTS as usize + 1);

    backend.otherwise(Answer::Ok);
    let replay = replay_to(&folder, &backend, None).await;
    assert_eq!((replay.taken.letters, replay.left.letters), (2, 0));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_file_in_use_is_left_for_the_next_time() {
    let folder = folder(&["otlp/a"]).await;
    let backend = Backend::start().await;
    let taken = files(folder.path()).unwrap().remove(0).take().unwrap();
    let replay = replay_to(&folder, &backend, None).await;
    assert!(!replay.complete);
    assert_eq!(whom(&backend).len(), 0);
    drop(taken);
    assert!(replay_to(&folder, &backend, None).await.complete);
}

#[tokio::test]
async fn a_letter_that_no_receiver_takes_is_in_no_other_ones_way() {
    let folder = folder(&["otlp/a", "otlp/a", "otlp/a"]).await;
    let backend = Backend::start().await;
    tokio::time::pause();
    let mut answers = vec![Answer::grpc(INVALID_ARGUMENT, "never")];
    answers.extend(vec![Answer::grpc(INTERNAL, "not this"); ATTEMPTS as usize]);
    backend.script(answers);
    let replay = replay_to(&folder, &backend, None).await;
    assert_eq!((replay.taken.letters, replay.left.letters), (1, 2));
    assert_eq!(whom(&backend).len(), 1 + ATTEMPTS as usize + 1);
}
