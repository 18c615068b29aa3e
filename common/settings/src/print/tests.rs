//! What is printed reads back as what it was, but for secrets.

use super::print;
use crate::tree::{Budget, Node, parse, read};
use proptest::prelude::*;
use std::sync::Arc;

fn tree(text: &str) -> Node {
    parse(
        &Arc::from("f"),
        text,
        &mut Budget::default(),
        &mut Vec::new(),
    )
    .unwrap()
}

fn json(text: &str) -> serde_json::Value {
    read(&tree(text)).unwrap()
}

#[test]
fn secrets_are_hidden_and_the_rest_reads_back() {
    let text = "
a: {b: [1, {c: x, d: }, []], e: {}, f: '5', g: true, h: 'true', i: \"a: b\", j: -3, k: 1.5, l: 10.0.0.1:4317}
exporters:
  otlp: {headers: {A: s1, B: [s2]}, auth: {password: s3}, endpoint: 'https://s4:s5@host:1/x', tls: {key_file: /k.pem, key_pem: s6}}
";
    let printed = print(&tree(text));
    for secret in ["s1", "s2", "s3", "s4", "s5", "s6"] {
        assert!(!printed.contains(secret), "{printed}");
    }
    assert_eq!(json(&printed)["a"], json(text)["a"]);
    let tls = &json(&printed)["exporters"]["otlp"];
    assert_eq!(
        (&tls["tls"]["key_file"], &tls["endpoint"]),
        (&"/k.pem".into(), &"https://[hidden]@host:1/x".into())
    );
}

#[test]
fn a_list_of_headers_shows_which_they_are_and_not_what_is_in_them() {
    let text = "headers_setter: {headers: [{action: upsert, key: X-Org, value: s1}, {key: A, value: [s2]}], key: s3}
otlp: {headers: {key: s4, name: {key: s5}}}";
    let printed = print(&tree(text));
    for secret in ["s1", "s2", "s3", "s4", "s5"] {
        assert!(!printed.contains(secret), "{printed}");
    }
    for shown in ["action: upsert", "key: X-Org", "key: A"] {
        assert!(printed.contains(shown), "{printed}");
    }
}

proptest! {
    #[test]
    fn any_value_reads_back(text in "[ -~\u{e9}\n\t]{0,12}", plain in any::<bool>()) {
        prop_assume!(text != "a");
        let value = serde_json::json!({"a": [text.clone()], text: plain});
        let printed = print(&tree(&value.to_string()));
        prop_assume!(!super::is_secret(value.as_object().unwrap().keys().next_back().unwrap()));
        prop_assume!(!printed.contains("[hidden]") && !printed.contains("<<"));
        let mut read = json(&printed);
        // Substitution, which comes after reading, gives values their dollar signs back; keys keep theirs.
        read["a"][0] = read["a"][0].as_str().unwrap().replace("$$", "$").into();
        prop_assert_eq!(read, value, "{}", printed);
    }
}
