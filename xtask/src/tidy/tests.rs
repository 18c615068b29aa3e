//! What tidy finds.

use super::*;

#[test]
fn imports_against_the_stream_are_faults() {
    let manifest_of = |name: &str, dependency: &str| {
        format!(
            "[package]\nname = \"{name}\"\n[lints]\nworkspace = true\n[dependencies]\n{dependency}.workspace = true\n"
        )
    };
    let good = manifest_of("penstock-batcher", "penstock-hop");
    assert_eq!(
        manifest(Path::new("batcher/Cargo.toml"), &good),
        Vec::<String>::new()
    );
    let bad = manifest_of("penstock-hop", "penstock-batcher");
    let faults = manifest(Path::new("common/hop/Cargo.toml"), &bad);
    assert!(faults[0].contains("uses batcher"), "{faults:?}");
}

#[test]
fn a_file_says_what_it_is_for_and_stays_small() {
    assert_eq!(
        source(Path::new("a.rs"), "//! Purpose.\n"),
        Vec::<String>::new()
    );
    assert_eq!(source(Path::new("a.rs"), "fn a() {}\n").len(), 1);
    assert_eq!(
        source(
            Path::new("a/mod.rs"),
            &format!("//! Long.\n{}", "\n".repeat(500))
        )
        .len(),
        2
    );
}

#[test]
fn package_names_follow_the_folder() {
    assert_eq!(package_name("common/otlp"), "penstock-otlp");
    assert_eq!(package_name("exporters/file"), "penstock-exporter-file");
    assert_eq!(package_name("receiver"), "penstock-receiver");
}
