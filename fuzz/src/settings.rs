//! What must hold for any text that is given as configuration.

use penstock_settings::{Environment, Source, check};

/// Longest line of a printed configuration that is read again: YAML's own limit for keys is a little more.
const LINE: usize = 1000;

/// Any two texts are read without a panic; they make settings exactly if nothing is wrong, every diagnostic has a place, and
/// what is printed of them is printed again when it is read.
pub(crate) fn settings(data: &[u8]) {
    // A device would be waited for, and a file of this machine is nobody's input.
    let text = String::from_utf8_lossy(data).replace("file:", "fil_:");
    let (first, second) = text.split_once('\0').unwrap_or((&text, ""));
    let checked = check(&[source(first), source(second)], &environment());
    let faults = checked.faults().0;
    assert_eq!(checked.settings.is_some(), faults.is_empty(), "{faults:?}");
    for found in &checked.diagnostics {
        assert!(found.line > 0 && found.column > 0, "{found}");
        assert!(!found.report().is_empty());
    }
    let Some(printed) = checked.merged() else {
        assert!(!faults.is_empty());
        return;
    };
    if printed.len() > data.len() * 4 || printed.lines().any(|line| line.len() > LINE) {
        return;
    }
    let again = check(&[source(&printed)], &environment());
    assert_eq!(
        again.merged().as_deref(),
        Some(printed.as_str()),
        "{:?}",
        again.diagnostics
    );
}

fn source(yaml: &str) -> Source {
    Source::Text {
        name: "text".to_owned(),
        yaml: yaml.to_owned(),
    }
}

fn environment() -> Environment {
    let variables = [
        ("ONE", "1"),
        ("LIST", "[a, {b: c}]"),
        ("AGAIN", "${ONE}$$"),
        ("CIRCLE", "x${CIRCLE}"),
        ("PENSTOCK_SHARDS", "2"),
    ];
    Environment {
        variables: variables
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        memory_bytes: 1 << 30,
        cpus: 2,
    }
}
