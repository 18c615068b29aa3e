//! The form of lines.

use super::testing::logged;
use super::*;
use std::fs;
use tempfile::tempdir;

#[test]
fn fields_are_fields_and_every_line_has_the_common_ones() {
    let error = io::Error::other("no \"room\"");
    let told = logged(tracing_subscriber::registry(), || {
        tracing::error!(%error, items = 7, "items dropped");
    });
    let lines = told.lines();
    let line = &lines[0];
    assert_eq!(line["message"], "items dropped");
    assert_eq!(line["items"], 7);
    assert_eq!(line["error"], "no \"room\"");
    assert_eq!(line["level"], "ERROR");
    assert_eq!(line["cluster"], "a \"b\"");
    assert!(
        line["timestamp"].is_string() && line["target"].is_string(),
        "{line}"
    );
}

#[test]
fn a_line_goes_to_every_output_as_a_whole() {
    let folder = tempdir().unwrap();
    let paths = ["a", "b"].map(|name| folder.path().join(name).to_string_lossy().into_owned());
    fs::write(&paths[0], "before\n").unwrap();
    let outputs = Outputs::open(&paths).unwrap();
    (&outputs).write_all(b"line\n").unwrap();
    assert_eq!(fs::read_to_string(&paths[0]).unwrap(), "before\nline\n");
    assert_eq!(fs::read_to_string(&paths[1]).unwrap(), "line\n");
    let error = Outputs::open(&["/nowhere/at/all".to_owned()]).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("cannot write logs to /nowhere/at/all: ")
    );
}
