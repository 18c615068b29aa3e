//! The Collector's own rules of merging and substitution: what its confmap made of each case stands beside it in
//! `fixtures/config/together.json` (`cargo xtask confmap` asks it again), and what is made here instead where that is meant.

use super::super::Reading;
use super::fixtures;
use crate::environment::Environment;
use crate::source::Source;
use crate::tree::read;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// What is made of a case here: the same form as the Collector's.
fn ours(case: &Value, folder: &Path) -> Value {
    let placed = |text: &str| text.replace("@DIR@", folder.to_str().unwrap());
    let texts = |key: &str| {
        let texts = case[key].as_object().into_iter().flatten();
        texts.map(|(name, text)| (name.clone(), text.as_str().unwrap().to_owned()))
    };
    for (name, text) in texts("files") {
        fs::write(folder.join(name), placed(&text)).unwrap();
    }
    let environment = Environment {
        variables: texts("variables").collect(),
        ..Environment::default()
    };
    let configs = case["configs"].as_array().unwrap().iter();
    let sources: Result<Vec<_>, _> = configs
        .map(|uri| Source::from_uri(&placed(uri.as_str().unwrap())))
        .collect();
    let sources = match sources {
        Ok(sources) => sources,
        Err(error) => return json!({"error": error}),
    };
    let mut reading = Reading::default();
    let tree = reading.all(&sources, &environment);
    match reading.found.iter().find(|found| found.kind.is_error()) {
        Some(error) => json!({"error": error.message}),
        None => json!({"config": read::<Value>(&tree.unwrap()).unwrap()}),
    }
}

/// Numbers are the same if they are equal, and errors whatever they say.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let pairs = one.iter().zip(other);
            one.len() == other.len()
                && pairs.into_iter().all(|((key, one), (other_key, other))| {
                    key == other_key && (key == "error" || same(one, other))
                })
        }
        (one, other) => one == other,
    }
}

#[test]
fn sources_are_merged_and_expressions_replaced_as_in_the_collector() {
    let cases = fs::read_to_string(fixtures().join("together.json")).unwrap();
    let cases: Vec<Value> = serde_json::from_str(&cases).unwrap();
    assert!(cases.len() >= 60, "the cases are not there");
    let mut wrong = String::new();
    for case in &cases {
        let folder = tempfile::tempdir().unwrap();
        let made = ours(case, folder.path());
        let is_theirs = same(&made, &case["collector"]);
        let expected = case.get("ours").unwrap_or(&case["collector"]);
        if !same(&made, expected) {
            wrong += &format!("{}: {made}, not {expected}\n", case["name"]);
        }
        // Each difference is meant, and says why.
        if is_theirs != case.get("ours").is_none()
            || case.get("ours").is_some() != case["why"].is_string()
        {
            wrong += &format!("{}: as in the Collector is {is_theirs}\n", case["name"]);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
