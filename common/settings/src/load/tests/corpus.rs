//! The corpus: every file in `fixtures/config/accepted` loads and every one in `broken` does not, and what is said about
//! each, to the letter, is beside it in a file that somebody has reviewed.
//!
//! With `UPDATE_EXPECTED=1` the tests write these files anew; the diff is what there is to review.

use super::{check, environment, fixtures};
use crate::diagnostic::report;
use crate::source::Source;
use std::fs;

fn corpus(folder: &str, valid: bool, least: usize) {
    let at = fixtures().join(folder);
    let names = fs::read_dir(&at)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.ends_with(".yaml")).collect();
    names.sort();
    assert!(names.len() >= least, "the corpus is not there: {names:?}");
    let write = std::env::var_os("UPDATE_EXPECTED").is_some();
    let mut wrong = String::new();
    for name in names {
        let yaml = fs::read_to_string(at.join(&name)).unwrap();
        let checked = check(
            &[Source::Text {
                name: name.clone(),
                yaml,
            }],
            &environment(),
        );
        let found = report(&checked.diagnostics);
        if checked.settings.is_some() != valid {
            wrong += &format!("== {name}: valid is {}, not {valid}\n{found}\n", !valid);
        }
        let expected = at.join(name.replace(".yaml", ".expected"));
        if write {
            fs::write(&expected, &found).unwrap();
        }
        let expected = fs::read_to_string(&expected).unwrap_or_default();
        if found != expected {
            wrong += &format!("== {name}\n{found}-- expected\n{expected}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_broken_file_says_exactly_what_is_wrong() {
    corpus("broken", false, 90);
}

#[test]
fn every_file_that_a_collector_takes_loads_and_says_what_means_something_else() {
    corpus("accepted", true, 15);
}

#[test]
fn the_page_for_those_who_come_shows_what_is_said() {
    let yaml = fs::read_to_string(fixtures().join("how-to.yaml")).unwrap();
    let name = "collector.yaml".to_owned();
    let checked = check(&[Source::Text { name, yaml }], &environment());
    let page = fs::read_to_string(fixtures().join("../../docs/migrate.md")).unwrap();
    assert!(page.contains(&report(&checked.diagnostics)));
}
