//! The environment over the files.

use crate::environment::Environment;
use crate::load::{Checked, check};
use crate::model::Storage;
use crate::source::Source;

const CONFIG: &str = "
receivers: {otlp: {protocols: {grpc: }}}
exporters: {debug: , otlp/Tempo: {endpoint: tempo:4317}}
service: {pipelines: {traces: {receivers: [otlp], exporters: [debug, otlp/Tempo]}, logs: {receivers: [otlp], exporters: [debug]}}}
penstock: {log: {directory: /from/file, max_bytes: 4GiB}}
";

fn with(variables: &[(&str, &str)]) -> Checked {
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let environment = Environment {
        variables: variables.collect(),
        memory_bytes: 1 << 30,
        cpus: 2,
    };
    let file = Source::Text {
        name: "c.yaml".to_owned(),
        yaml: CONFIG.to_owned(),
    };
    let set = Source::from_set("penstock.shards=3").unwrap();
    check(&[file, set], &environment)
}

fn said(checked: &Checked) -> Vec<String> {
    checked
        .diagnostics
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn variables_win_over_files_and_sets() {
    let checked = with(&[
        ("PENSTOCK_LOG__DIRECTORY", "/from/environment"),
        ("PENSTOCK_SHARDS", "5"),
        ("PENSTOCK_SIGNALS", "[logs]"),
        ("PENSTOCK_MEMORY__HIGH_MARK", "0.5"),
        ("PENSTOCK_EXPORTERS__OTLP_TEMPO__REPLICAS", "[a:1, b:2]"),
        ("PENSTOCK_DRAIN__DEADLINE", ""),
    ]);
    let settings = checked
        .settings
        .as_ref()
        .unwrap_or_else(|| panic!("{:?}", said(&checked)));
    let Storage::Disk(disk) = &settings.penstock.log.storage else {
        panic!("on disk")
    };
    assert_eq!(disk.directory.to_str(), Some("/from/environment"));
    assert_eq!(disk.max_bytes, 4 << 30, "the rest of the section stays");
    assert_eq!(
        (settings.penstock.shards, settings.penstock.signals.len()),
        (Some(5), 1)
    );
    assert_eq!(settings.penstock.memory.high_mark, 0.5);
    assert_eq!(
        settings.exporter("otlp/Tempo").unwrap().hop.replicas,
        ["a:1", "b:2"]
    );
    assert_eq!(said(&checked), Vec::<String>::new());
}

#[test]
fn variables_of_services_never_keep_it_from_starting() {
    let checked = with(&[
        ("PENSTOCK_PORT", "tcp://10.0.0.1:4317"),
        ("PENSTOCK_PORT_4317_TCP", "tcp://10.0.0.1:4317"),
        ("PENSTOCK_PORT_4317_TCP_ADDR", "10.0.0.1"),
        ("PENSTOCK_PORT_4317_TCP_PORT", "4317"),
        ("PENSTOCK_PORT_4317_TCP_PROTO", "tcp"),
        ("PENSTOCK_SERVICE_HOST", "10.0.0.1"),
        ("PENSTOCK_SERVICE_PORT", "4317"),
        ("PENSTOCK_SERVICE_PORT_OTLP__GRPC", "4317"),
        ("PENSTOCK_RECEIVER_SERVICE_HOST", "10.0.0.1"),
        ("PENSTOCK_RECEIVER_SERVICE_PORT_OTLP_HTTP", "4318"),
        ("PENSTOCK_RECEIVER_PORT", "tcp://10.0.0.1:4317"),
        ("PENSTOCK_EXPORTER_OTLP_TEMPO_PORT_4400_TCP_PROTO", "tcp"),
        ("PENSTOCK_LOG__A_SERVICE_PORT", "1"),
    ]);
    assert!(checked.settings.is_some());
    assert_eq!(said(&checked), Vec::<String>::new());
}

#[test]
fn unknown_variables_are_told() {
    let checked = with(&[("PENSTOCK_SHARD", "5"), ("PENSTOCK_VERSION", "1.2")]);
    assert!(checked.settings.is_some(), "they may be somebody else's");
    let found = said(&checked);
    assert!(found[0].contains("PENSTOCK_SHARD is not a setting of the `penstock` section and has no effect; did you mean `shards`?"), "{found:?}");
    assert_eq!(found.len(), 2);

    let checked = with(&[
        ("PENSTOCK_LOG__DIRECTRY", "/x"),
        ("PENSTOCK_LOG__SYNC", "always"),
        ("PENSTOCK_EXPORTERS__LOKI__LISTEN", ":1"),
        ("PENSTOCK_SIGNALS", "[logs"),
    ]);
    assert!(checked.settings.is_none(), "they can be nobody else's");
    let found = said(&checked);
    for (found, part) in found.iter().zip([
        "environment variable PENSTOCK_EXPORTERS__LOKI__LISTEN:1:1: penstock.exporters.loki: there is no such exporter",
        "environment variable PENSTOCK_LOG__DIRECTRY:1:1: penstock.log.directry: unknown key; did you mean `directory`?",
        "environment variable PENSTOCK_LOG__SYNC:1:1: penstock.log.sync: unknown value `always`",
        "environment variable PENSTOCK_SIGNALS:1:1: penstock.signals: not valid YAML",
    ]) {
        assert!(found.starts_with(part), "{found}");
    }
    assert_eq!(found.len(), 4);
}
