//! What counts as a part of a program.

use super::*;

#[test]
fn what_is_linked_is_listed_and_what_only_builds_or_tests_is_not() {
    let package = |id: &str, kind: &str| json!({"id": id, "targets": [{"kind": [kind]}]});
    let need = |id: &str, kind: Value| json!({"pkg": id, "dep_kinds": [{"kind": kind}]});
    let metadata = json!({
        "packages": [package("app", "bin"), package("lib", "lib"), package("derive", "proc-macro"), package("syn", "lib")],
        "resolve": {"nodes": [
            {"id": "app", "deps": [need("lib", Value::Null), need("cc", json!("build")), need("check", json!("dev"))]},
            {"id": "lib", "deps": [need("derive", Value::Null), need("deep", Value::Null)]},
            {"id": "derive", "deps": [need("syn", Value::Null)]},
            {"id": "deep", "deps": []},
        ]},
    });
    let linked = linked(&metadata, "app");
    assert_eq!(
        linked.keys().copied().collect::<Vec<_>>(),
        ["app", "deep", "lib"]
    );
    assert_eq!(linked["lib"], BTreeSet::from(["deep"]));
}

#[test]
fn checksums_are_those_of_the_lock_file() {
    let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nchecksum = \"ab\"\n\n[[package]]\nname = \"ours\"\nversion = \"0.1.0\"\n";
    assert_eq!(checksums(lock), BTreeMap::from([(("a", "1.0.0"), "ab")]));
}
