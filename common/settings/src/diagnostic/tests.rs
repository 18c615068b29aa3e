//! What people and programs get to see.

use super::*;

fn diagnostic(kind: Kind, key: &str, line: usize, column: usize) -> Diagnostic {
    let place = Place {
        file: "a.yaml".into(),
        line,
        column,
    };
    let mut found = Diagnostic::at(kind, &place, key.to_owned(), format!("about {key}"));
    found.show("a:\n  b: 1\n  password: x\n");
    found
}

#[test]
fn the_place_is_marked_below_its_line() {
    let report = diagnostic(Kind::Error, "a.b", 2, 3).report();
    assert_eq!(
        report,
        "error: about a.b\n --> a.yaml:2:3: a.b\n  |\n2 |   b: 1\n  |   ^\n"
    );
    let beyond = diagnostic(Kind::Warning, "a.b", 2, 9).report();
    assert!(beyond.ends_with("\n  |         ^\n"), "{beyond}");
}

#[test]
fn no_secret_is_shown() {
    let shown = [
        diagnostic(Kind::Error, "a.password", 3, 3).report(),
        report_json(&[diagnostic(Kind::Error, "", 3, 1)]).to_string(),
    ];
    assert!(
        shown
            .iter()
            .all(|shown| shown.contains("password: [hidden]")),
        "{shown:?}"
    );
}

#[test]
fn components_that_there_are_not_stand_in_one_list() {
    let found = [
        diagnostic(Kind::Component, "receivers.x", 2, 3),
        diagnostic(Kind::Error, "a.b", 2, 3),
        diagnostic(Kind::Note, "a", 1, 1),
        diagnostic(Kind::Component, "exporters.y", 1, 1),
    ];
    let text = report(&found);
    let order = [
        "error: about a.b",
        "error: 2 components are not available here",
        "receivers.x",
        "exporters.y",
        "note: about a",
        "3 errors, 0 warnings, 1 note",
    ];
    let places: Vec<_> = order
        .iter()
        .map(|part| text.find(part).unwrap_or_else(|| panic!("{part}: {text}")))
        .collect();
    assert!(places.is_sorted(), "{text}");
    let json = report_json(&found);
    assert_eq!(
        (
            &json["valid"],
            &json["errors"],
            &json["diagnostics"][0]["unknown_component"]
        ),
        (&false.into(), &3.into(), &true.into())
    );
}
