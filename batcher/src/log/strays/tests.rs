//! Which logs are told of.

use super::*;
use crate::log::folders::Folders;
use crate::log::store::tests::rig::{blocks, books};
use crate::log::store::{Store, StoreLimits};
use tempfile::TempDir;

/// A log with items that nobody has read, in this folder below the root.
fn log(root: &TempDir, at: &str) -> Folder {
    let folders = Folders::new(root.path().join("log").join(at), Files::shared());
    let folder = folders.claim().unwrap();
    let limits = StoreLimits {
        segment_bytes: 1 << 20,
        keep_unsynced: false,
    };
    let (mut store, ..) = Store::open(&folder, Files::shared(), limits, Signal::Logs).unwrap();
    let next = blocks(store.end(), &[300, 300], 1);
    store.append(&next, Some(&books(0))).unwrap();
    folder
}

fn served(receiver: &str, cursor: (&str, &str)) -> Served {
    Served {
        receiver: receiver.to_owned(),
        signal: Signal::Logs,
        cursors: vec![(cursor.0.to_owned(), cursor.1.to_owned())],
    }
}

fn found(root: &TempDir, served: Served) -> Vec<PathBuf> {
    let found = look(root.path(), &[served], &BTreeMap::new()).unwrap();
    assert!(found.values().all(|items| *items > 0), "{found:?}");
    let relative = |path: PathBuf| path.strip_prefix(root.path()).unwrap().to_owned();
    found.into_keys().map(relative).collect()
}

#[test]
fn a_log_of_a_receiver_that_is_not_served_is_told_of_and_no_other() {
    let root = tempfile::tempdir().unwrap();
    drop(log(&root, "otlp%2Fa/logs"));
    drop(log(&root, "otlp%2Fb/logs"));
    drop(log(&root, "otlp%2Fa/traces"));
    let strays = found(&root, served("otlp/a", ("logs", "otlp/x")));
    let expected = ["log/otlp%2Fa/traces/0", "log/otlp%2Fb/logs/0"];
    assert_eq!(strays, expected.map(PathBuf::from));
}

#[test]
fn so_is_what_was_handed_over_for_an_exporter_that_is_gone() {
    let root = tempfile::tempdir().unwrap();
    for exporter in ["otlp%2Fx", "otlp%2Fgone"] {
        drop(log(&root, &format!("otlp/logs/for/logs%2F2+{exporter}")));
    }
    let strays = found(&root, served("otlp", ("logs/2", "otlp/x")));
    let expected = ["log/otlp/logs/for/logs%2F2+otlp%2Fgone/0"];
    assert_eq!(strays, expected.map(PathBuf::from));
}

#[test]
fn a_log_in_use_is_told_of_when_it_is_left() {
    let root = tempfile::tempdir().unwrap();
    let none = || served("otlp/b", ("logs", "otlp/x"));
    let folder = log(&root, "otlp%2Fa/logs");
    assert_eq!(found(&root, none()).len(), 0);
    drop(folder);
    assert_eq!(found(&root, none()).len(), 1);
}
