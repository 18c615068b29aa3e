//! What becomes of folders that are not logs. What logs hold is shown where receivers write them.

use super::*;
use penstock_batcher::log::verify::verify;
use std::fs;
use tempfile::tempdir;

fn args(directory: &Path) -> LogArgs {
    LogArgs {
        directory: directory.to_owned(),
        json: true,
    }
}

#[test]
fn a_folder_without_logs_is_an_error_that_names_it() {
    let folder = tempdir().unwrap();
    for directory in [folder.path().to_owned(), folder.path().join("missing")] {
        let error = tell_to(&mut Vec::new(), &args(&directory), verify).unwrap_err();
        let named = directory.display().to_string();
        assert!(error.to_string().contains(&named), "{error}");
    }
}

#[test]
fn what_is_no_segment_is_not_sound() {
    let folder = tempdir().unwrap();
    let log = folder.path().join("log/otlp/traces/0");
    fs::create_dir_all(&log).unwrap();
    fs::write(log.join("0000000000000000.seg"), [7; 500]).unwrap();
    let mut out = Vec::new();
    let sound = tell_to(&mut out, &args(folder.path()), verify).unwrap();
    assert!(!sound, "{}", String::from_utf8_lossy(&out));
}
