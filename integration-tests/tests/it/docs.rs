//! Docs that are made of the code are what the code says.

use std::fs;
use std::process::Command;

#[test]
fn the_page_of_metrics_is_what_the_code_says() {
    let page = Command::new(env!("CARGO_BIN_EXE_docs")).output().unwrap();
    let page = String::from_utf8(page.stdout).unwrap();
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
    let file = fs::read_to_string(file).unwrap();
    for (told, made) in file.lines().zip(page.lines()) {
        assert_eq!(told, made, "run `cargo xtask docs`");
    }
    assert_eq!(file.len(), page.len(), "run `cargo xtask docs`");
}
