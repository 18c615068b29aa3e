//! What operators see of a log that a receiver has left.

use crate::support::{Client, Seat, Setup, push};
use penstock_receiver::commands::{LogArgs, LogTool, Tool, perform};
use penstock_testkit::{Backend, Oracle, numbered};
use std::fs;
use std::path::{Path, PathBuf};
use tempfile::tempdir;

const EXPORTER: &str = "otlp/only";

/// What `log inspect` and `log verify` say of the logs in a folder.
fn sound(directory: &Path) -> (bool, bool) {
    let args = LogArgs {
        directory: directory.to_owned(),
        json: false,
    };
    let inspected = perform(&Tool::Log(LogTool::Inspect(args.clone()))).unwrap();
    let verified = perform(&Tool::Log(LogTool::Verify(args))).unwrap();
    (inspected, verified)
}

/// The largest segment below a folder.
fn segment(directory: &Path) -> PathBuf {
    let mut open = vec![directory.to_owned()];
    let mut largest = (0, PathBuf::new());
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let (path, len) = (entry.path(), entry.metadata().unwrap().len());
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|found| found == "seg") && len > largest.0 {
                largest = (len, path);
            }
        }
    }
    largest.1
}

#[tokio::test]
async fn a_byte_that_changed_in_a_log_is_found() {
    let (backend, seat) = (Backend::start().await, Seat::new());
    let directory = tempdir().unwrap();
    let setup = Setup::new()
        .otlp(EXPORTER, &backend, &[&seat])
        .pipeline("logs", &[EXPORTER])
        .with(format!(
            "penstock: {{log: {{storage: disk, directory: \"{}\"}}, drain: {{deadline: 500ms}}}}",
            directory.path().display()
        ));
    let receiver = setup.receiver().await;
    let client = Client::http2(receiver.grpc().next().unwrap()).await;
    let oracle = Oracle::new();
    for some in numbered("record", 100).chunks(10) {
        assert!(push(&client, &oracle, "logs", some).await.is_ack());
    }
    let drained = receiver.stop().await;
    assert_eq!((drained.kept, drained.dropped), (100, 0));
    assert_eq!(sound(directory.path()), (true, true));

    // In an id, which every request has.
    let segment = segment(directory.path());
    let mut bytes = fs::read(&segment).unwrap();
    let at = bytes.windows(7).position(|bytes| bytes == b"item.id");
    bytes[at.unwrap()] ^= 1;
    fs::write(&segment, bytes).unwrap();
    assert!(!sound(directory.path()).1);
}
