//! Which changes of files are seen, and when.

use super::*;
use clap::Parser;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

fn files(paths: &[&Path]) -> Files {
    let mut words = vec!["penstock-receiver".to_owned()];
    for path in paths {
        words.extend(["--config".to_owned(), path.display().to_string()]);
    }
    Files::new(&Args::parse_from(words))
}

fn text(contents: &Contents) -> Vec<&str> {
    let text = |content| match content {
        &Ok(Source::Text { ref yaml, .. }) => yaml.as_str(),
        _ => "-",
    };
    contents.iter().map(text).collect()
}

#[test]
fn a_change_is_told_once_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    fs::write(&one, "1").unwrap();
    fs::write(&two, "2").unwrap();
    let files = files(&[&one, &two]);
    let mut settled = Settled::new(files.read());
    assert!(settled.look(files.read()).is_none());

    // Somebody writes piece by piece.
    for piece in ["", "half", "half of"] {
        fs::write(&two, piece).unwrap();
        assert!(settled.look(files.read()).is_none());
    }
    fs::write(&two, "half of a file").unwrap();
    assert!(settled.look(files.read()).is_none());
    let told = settled.look(files.read()).unwrap();
    assert_eq!(text(&told), ["1", "half of a file"]);
    assert!(settled.look(files.read()).is_none());

    // Written again with what was there: no change.
    fs::write(&one, "1").unwrap();
    assert!(settled.look(files.read()).is_none());
    assert!(settled.look(files.read()).is_none());
}

#[test]
fn a_swapped_symlink_is_a_change() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (name, text) in [("..1", "old"), ("..2", "new")] {
        fs::create_dir(at(name)).unwrap();
        fs::write(at(name).join("config.yaml"), text).unwrap();
    }
    symlink("..1", at("..data")).unwrap();
    symlink("..data/config.yaml", at("config.yaml")).unwrap();
    let files = files(&[&at("config.yaml")]);
    let mut settled = Settled::new(files.read());
    symlink("..2", at("..data_tmp")).unwrap();
    fs::rename(at("..data_tmp"), at("..data")).unwrap();
    assert!(settled.look(files.read()).is_none());
    assert_eq!(text(&settled.look(files.read()).unwrap()), ["new"]);
}

#[test]
fn a_file_that_has_gone_is_a_change_that_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    fs::write(&path, "").unwrap();
    let files = files(&[&path]);
    let mut settled = Settled::new(files.read());
    fs::remove_file(&path).unwrap();
    assert!(settled.look(files.read()).is_none());
    let told = settled.look(files.read()).unwrap();
    let found = files.judge(told, false);
    assert!(found.config.unwrap_err().contains("cannot be read"));
}
