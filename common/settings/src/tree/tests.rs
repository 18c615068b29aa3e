//! Reading text into trees: places, bounds, substitution, merge.

use super::{Budget, Fault, MAX_DEPTH, Node, Value, merge, nest, parse, read, substitute};
use crate::environment::Environment;
use proptest::prelude::*;
use std::sync::Arc;

fn tree(text: &str) -> Result<Node, Fault> {
    parse_in("f", text)
}

fn parse_in(file: &str, text: &str) -> Result<Node, Fault> {
    let mut faults = Vec::new();
    let parsed = parse(&Arc::from(file), text, &mut Budget::default(), &mut faults);
    match faults.into_iter().next() {
        Some(fault) => Err(fault),
        None => Ok(parsed.unwrap()),
    }
}

fn json(node: &Node) -> String {
    read::<serde_json::Value>(node).unwrap().to_string()
}

fn fault(result: Result<Node, Fault>) -> String {
    let fault = result.unwrap_err();
    let key = if fault.key.is_empty() {
        String::new()
    } else {
        format!("{}: ", fault.key)
    };
    format!(
        "{}:{}: {key}{}",
        fault.place.line, fault.place.column, fault.message
    )
}

fn expand(text: &str) -> Result<(String, Vec<String>), Fault> {
    let variables = [
        ("PORT", "4317"),
        ("EMPTY", ""),
        ("NAME", "PORT"),
        ("LIST", "[a, b]"),
        ("ODD", "$${PORT}$$"),
        ("AGAIN", "${env:PORT}"),
        ("CIRCLE", "${CIRCLE}"),
    ];
    let environment = Environment {
        variables: variables
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        ..Environment::default()
    };
    let mut node = tree(text)?;
    let came = substitute(&mut node, &environment, &mut Budget::default());
    if let Some(fault) = came.faults.into_iter().next() {
        return Err(fault);
    }
    let warnings = came.warnings.into_iter();
    Ok((
        json(&node),
        warnings.map(|warning| warning.message).collect(),
    ))
}

fn value(text: &str) -> String {
    expand(text).unwrap().0
}

#[test]
fn keys_and_values_know_their_places() {
    let node = tree("a:\n  b: [x,\n    y]\n").unwrap();
    let b = node.entry("a").unwrap().value.entry("b").unwrap();
    assert_eq!((b.place.line, b.place.column), (2, 3));
    let Value::List(items) = &b.value.value else {
        panic!("not a list")
    };
    assert_eq!((items[1].place.line, items[1].place.column), (3, 5));
}

#[test]
fn scalars_are_what_the_collector_reads() {
    let text = "[1, -2, 1.5, 0x10, true, yes, '1', null, ~, nan, 1e3, 010, 1_000, 08]";
    assert_eq!(
        json(&tree(text).unwrap()),
        r#"[1,-2,1.5,16,true,"yes","1",null,null,"nan",1000.0,8,1000,8.0]"#
    );
}

#[test]
fn anchors_and_merge_keys_expand() {
    let text = "base: &base {a: 1, b: 2}\nsame: *base\nover: {<<: *base, b: 3}\nlist: {<<: [*base, {c: 4}]}";
    assert_eq!(
        json(&tree(text).unwrap()),
        r#"{"base":{"a":1,"b":2},"list":{"a":1,"b":2,"c":4},"over":{"a":1,"b":3},"same":{"a":1,"b":2}}"#
    );
}

#[test]
fn broken_yaml_says_what_and_where() {
    for (text, expected) in [
        ("a: 1\na: 2\n", "2:1: a: is given twice; first in line 1"),
        (
            "a:\n\tb: 1\n",
            "2:1: a tab in the indentation; YAML takes only spaces there",
        ),
        (
            "a:\n  b: 1\n\tc: 2\n",
            "3:1: a tab in the indentation; YAML takes only spaces there",
        ),
        (
            "a: 1\n---\nb: 2\n",
            "3:1: a second YAML document; a file holds one",
        ),
        (
            "a: !secret x\n",
            "1:4: a: YAML tag `!secret` has no meaning here; remove it",
        ),
        (
            "? [a]\n: b\n",
            "1:3: a key is plain text, not a list, map or alias",
        ),
        (
            "a: &a [*a]\n",
            "1:8: a: the alias stands inside of what it refers to",
        ),
    ] {
        assert_eq!(fault(tree(text)), expected, "{text:?}");
    }
}

#[test]
fn aliases_cannot_multiply_beyond_the_budget() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let alias = format!("*a{}", level - 1);
        text += &format!("a{level}: &a{level} [{}]\n", [alias.as_str(); 9].join(", "));
    }
    assert!(fault(tree(&text)).contains("too much"));
}

#[test]
fn aliases_of_long_text_cannot_multiply_either() {
    let text = format!(
        "a: &a {}\nb: [{}]\n",
        "x".repeat(1 << 20),
        ["*a"; 100].join(", ")
    );
    assert!(fault(tree(&text)).contains("too much"));
}

#[test]
fn nesting_is_bounded_through_aliases_and_expressions_too() {
    let deep =
        |levels: usize, inner: &str| format!("{}{inner}{}", "[".repeat(levels), "]".repeat(levels));
    assert!(tree(&deep(MAX_DEPTH - 1, "x")).is_ok());
    assert!(fault(tree(&deep(MAX_DEPTH, "x"))).contains("nested deeper"));
    let half = MAX_DEPTH / 2 + 1;
    let text = format!("a: &a {}\nb: {}\n", deep(half, "x"), deep(half, "*a"));
    assert!(fault(tree(&text)).contains("nested deeper"));
    let error = expand(&deep(MAX_DEPTH - 1, "\"${LIST}\"")).unwrap_err();
    assert!(error.message.contains("nested deeper"));
}

#[test]
fn variables_are_substituted_in_values() {
    assert_eq!(value("a: ${env:PORT}"), r#"{"a":4317}"#);
    assert_eq!(value("a: ${PORT}"), r#"{"a":4317}"#);
    assert_eq!(value("a: \"${env:PORT}\""), r#"{"a":4317}"#);
    assert_eq!(value("a: 0.0.0.0:${env:PORT}"), r#"{"a":"0.0.0.0:4317"}"#);
    assert_eq!(value("a: ${env:${NAME}}"), r#"{"a":4317}"#);
    assert_eq!(value("a: ${env:LIST}"), r#"{"a":["a","b"]}"#);
    assert_eq!(value("a: x${env:LIST}"), r#"{"a":"x[a, b]"}"#);
    assert_eq!(value("${PORT}: a"), r#"{"${PORT}":"a"}"#);
}

#[test]
fn defaults_stand_in_for_what_is_not_set() {
    assert_eq!(
        expand("a: ${env:NONE:-5}").unwrap(),
        (r#"{"a":5}"#.to_owned(), vec![])
    );
    assert_eq!(value("a: ${HOST:-localhost}:1"), r#"{"a":"localhost:1"}"#);
    assert_eq!(value("a: ${env:NONE:-${env:PORT}}"), r#"{"a":4317}"#);
    assert_eq!(value("a: ${env:EMPTY:-5}"), r#"{"a":""}"#);
}

#[test]
fn unset_variable_is_empty_text_with_a_warning() {
    let (json, warnings) = expand("a: ${env:NONE}\nb: x${NONE}").unwrap();
    assert_eq!(json, r#"{"a":"","b":"x"}"#);
    assert_eq!(
        warnings,
        ["environment variable NONE is not set; taken as empty"; 2]
    );
}

#[test]
fn doubled_dollar_is_one_and_a_single_one_stays() {
    assert_eq!(
        value("a: $$x $$$$ ${env:EMPTY}$${PORT} $5"),
        r#"{"a":"$x $$ ${PORT} $5"}"#
    );
}

#[test]
fn what_an_expression_stands_for_may_have_expressions() {
    assert_eq!(
        value("a: ${AGAIN}\nb: x${AGAIN}"),
        r#"{"a":4317,"b":"x4317"}"#
    );
    assert_eq!(value("a: ${ODD}"), r#"{"a":"${PORT}$"}"#);
    let circle = expand("a: ${CIRCLE}").unwrap_err();
    assert!(circle.message.contains("more than 16 deep"), "{circle:?}");
    assert!(expand("a: x${CIRCLE}").is_err());
}

#[test]
fn expressions_cannot_multiply_beyond_the_budget() {
    // Each stands for the one before it twice, the first for nothing at all.
    let mut variables = vec![("V0".to_owned(), String::new())];
    for level in 1..16 {
        let before = format!("${{V{}}}", level - 1);
        variables.push((format!("V{level}"), before.repeat(8)));
    }
    let environment = Environment {
        variables: variables.into_iter().collect(),
        ..Environment::default()
    };
    let mut node = tree("a: x${V15}").unwrap();
    let came = substitute(&mut node, &environment, &mut Budget::default());
    assert!(came.faults[0].message.contains("too much"));
}

#[test]
fn keys_with_colons_are_paths() {
    let nested = |text: &str| {
        let mut node = tree(text).unwrap();
        nest(&mut node, &mut Budget::default()).map(|()| json(&node))
    };
    assert_eq!(
        nested("a::b: {c: 1}\na::b::d: 2\nx: {y::z: 3}").unwrap(),
        r#"{"a":{"b":{"c":1,"d":2}},"x":{"y":{"z":3}}}"#
    );
    let deep = format!("{}: 1", "a::".repeat(MAX_DEPTH));
    assert!(nested(&deep).unwrap_err().message.contains("nested deeper"));
}

#[test]
fn everything_wrong_in_a_text_is_found_at_once() {
    let mut faults = Vec::new();
    let text = "a: 1\na: 2\nb: !secret x\nc: {<<: 5, d: 1}\n";
    let tree = parse(&Arc::from("f"), text, &mut Budget::default(), &mut faults).unwrap();
    assert_eq!(json(&tree), r#"{"a":1,"b":"x","c":{"d":1}}"#);
    let lines: Vec<_> = faults.iter().map(|fault| fault.place.line).collect();
    assert_eq!(lines, [2, 3, 4]);
    assert!(tree_with_two_wrong_expressions());
}

fn tree_with_two_wrong_expressions() -> bool {
    let mut node = tree("a: ${env:PORT\nb: ${1}\nc: ${PORT}").unwrap();
    let came = substitute(&mut node, &Environment::default(), &mut Budget::default());
    came.faults.len() == 2 && came.warnings.len() == 1
}

#[test]
fn broken_expressions_are_errors() {
    for (text, part) in [
        ("a: ${env:PORT", "`${` without `}`"),
        ("a: ${}", "names no environment variable"),
        ("a: ${env:A B}", "names no environment variable"),
        ("a: ${https://x/y}", "`${https:...}` is not available"),
        ("a: ${file:/no/such/file}", "the file cannot be read"),
    ] {
        let message = expand(text).unwrap_err().message;
        assert!(message.contains(part), "{text}: {message}");
    }
}

#[test]
fn files_are_included_as_text_or_as_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let secret = path("secret", "007\n");
    let part = path("part.yaml", "port: ${env:PORT}\n");
    assert_eq!(
        value(&format!("a: Bearer ${{file:{secret}}}")),
        r#"{"a":"Bearer 007"}"#
    );
    assert_eq!(
        value(&format!("a: ${{file:{part}}}")),
        r#"{"a":{"port":4317}}"#
    );
    let mut node = tree(&format!("a: ${{file:{secret}}}")).unwrap();
    substitute(&mut node, &Environment::default(), &mut Budget::default());
    assert_eq!(
        read::<String>(&node.entry("a").unwrap().value).unwrap(),
        "007"
    );
    let cycle = folder.path().join("cycle.yaml").display().to_string();
    std::fs::write(&cycle, format!("again: ${{file:{cycle}}}\n")).unwrap();
    assert!(
        expand(&format!("a: ${{file:{cycle}}}"))
            .unwrap_err()
            .message
            .contains("stand in each other")
    );
}

#[test]
fn maps_merge_and_all_else_replaces() {
    let mut base = tree("a: {x: 1, y: [1, 2]}\nb: {c: 1}\nd: 1\n").unwrap();
    merge(&mut base, tree("a: {y: [3], z: 4}\nb:\ne: 5\n").unwrap());
    assert_eq!(
        json(&base),
        r#"{"a":{"x":1,"y":[3],"z":4},"b":null,"d":1,"e":5}"#
    );
}

#[test]
fn merged_values_keep_their_own_places() {
    let mut base = tree("a:\n  x: 1\n").unwrap();
    merge(&mut base, parse_in("g", "\n\na: {x: 2}\n").unwrap());
    let a = base.entry("a").unwrap();
    assert_eq!((a.place.file.as_ref(), a.place.line), ("f", 1));
    let x = a.value.entry("x").unwrap();
    assert_eq!((x.place.file.as_ref(), x.place.line), ("g", 3));
}

proptest! {
    #[test]
    fn any_text_parses_or_fails_without_panic(text in "[a-c:\\-{}\\[\\],&*<! \t\n\"'|>#%?$~1]{0,60}") {
        let mut budget = Budget::default();
        if let Some(mut node) = parse(&Arc::from("f"), &text, &mut budget, &mut Vec::new()) {
            let _ = nest(&mut node, &mut budget);
            substitute(&mut node, &Environment::default(), &mut budget);
        }
    }
}
