//! What is printed, and what the exit code says.

use super::*;
use penstock_settings::Source;
use std::path::Path;

fn of(uris: &[&str]) -> Checked {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/config");
    let source = |uri: &&str| match uri.strip_prefix("fixture:") {
        Some(name) => Source::File(fixtures.join(name)),
        None => Source::from_uri(uri).unwrap(),
    };
    let config = ConfigArgs {
        configs: uris.iter().map(source).collect(),
        sets: Vec::new(),
    };
    let environment = Environment {
        variables: [("TOKEN".to_owned(), "s3cret".to_owned())].into(),
        memory_bytes: 1 << 30,
        cpus: 1,
    };
    look(&config, &environment)
}

fn validated(uris: &[&str], format: Format, strict: bool) -> (bool, String) {
    let mut out = Vec::new();
    let valid = validate(&mut out, &of(uris), format, strict).unwrap();
    (valid, String::from_utf8(out).unwrap())
}

#[test]
fn warnings_fail_only_who_asked_for_it() {
    let how_to = ["fixture:how-to.yaml"];
    let (valid, text) = validated(&how_to, Format::Text, false);
    assert!(
        valid && text.ends_with("\n0 errors, 1 warning, 2 notes\n"),
        "{text}"
    );
    assert!(!validated(&how_to, Format::Text, true).0);
}

#[test]
fn what_is_wrong_is_told_to_people_and_to_programs() {
    let broken = ["fixture:broken/several-errors-at-once.yaml"];
    let (valid, text) = validated(&broken, Format::Text, false);
    assert!(
        !valid && text.contains("did you mean `endpoint`?"),
        "{text}"
    );
    let (valid, json) = validated(&broken, Format::Json, false);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (valid, &json["valid"], &json["errors"]),
        (false, &false.into(), &5.into())
    );
    let first = &json["diagnostics"][0];
    assert_eq!(
        (&first["line"], &first["severity"]),
        (&5.into(), &"error".into())
    );
}

#[test]
fn the_whole_is_printed_without_secrets() {
    let token = "yaml:exporters::otlp/tempo::headers: {Authorization: 'Bearer ${env:TOKEN}'}";
    let (mut out, mut said) = (Vec::new(), Vec::new());
    let valid = print(
        &mut out,
        &mut said,
        &of(&["fixture:how-to.yaml", "fixture:penstock.yaml", token]),
    );
    assert!(valid.unwrap() && said.is_empty());
    let text = String::from_utf8(out).unwrap();
    assert!(text.contains("Authorization: \"[hidden]\""), "{text}");
    assert!(!text.contains("s3cret"), "{text}");
    // As it is read again.
    let again = of(&[&format!("yaml:{text}")]);
    assert_eq!(again.settings.unwrap().penstock.shards, Some(2));
}

#[test]
fn what_cannot_be_used_is_printed_with_the_reason() {
    let (mut out, mut said) = (Vec::new(), Vec::new());
    let valid = print(&mut out, &mut said, &of(&["yaml:{a: {b: 1}}"]));
    assert!(!valid.unwrap());
    assert_eq!(String::from_utf8(out).unwrap(), "a:\n  b: 1\n");
    assert!(String::from_utf8(said).unwrap().contains("unknown section"));
    let nothing = print(&mut Vec::new(), &mut Vec::new(), &of(&["/none/such.yaml"]));
    assert!(!nothing.unwrap());
}
