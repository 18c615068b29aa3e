//! The command line, and which exporter it means.
use super::*;

const CONFIG: &str = "
receivers: {otlp: {protocols: {grpc: {}}}}
exporters:
  debug: {}
  otlp/tempo: {endpoint: tempo:4317}
  otlphttp/loki: {endpoint: 'http://loki:3100/otlp'}
service:
  pipelines:
    traces: {receivers: [otlp], exporters: [debug, otlp/tempo]}
    logs: {receivers: [otlp], exporters: [otlphttp/loki]}
";
const OTLP: [&str; 4] = ["otlp", "otlp_grpc", "otlphttp", "otlp_http"];

fn settings() -> Settings {
    let source = Source::Text {
        name: "test".to_owned(),
        yaml: CONFIG.to_owned(),
    };
    penstock_settings::load(&[source]).unwrap()
}

fn picked(kinds: &[&str], wanted: Option<&str>) -> Result<String, String> {
    pick(&settings(), kinds, wanted).map(|exporter| exporter.id.to_string())
}

fn line(words: &[&str]) -> Vec<OsString> {
    words.iter().map(OsString::from).collect()
}

#[test]
fn the_only_exporter_of_a_kind_needs_no_name() {
    assert_eq!(picked(&["debug"], None).unwrap(), "debug");
    let mistake = picked(&OTLP, None).unwrap_err();
    assert!(mistake.contains("otlp/tempo, otlphttp/loki"), "{mistake}");
    assert!(
        picked(&["file"], None)
            .unwrap_err()
            .contains("no exporter of kind file")
    );
}

#[test]
fn a_named_exporter_must_be_one_that_the_binary_serves() {
    assert_eq!(picked(&OTLP, Some("otlp/tempo")).unwrap(), "otlp/tempo");
    assert_eq!(
        picked(&OTLP, Some("otlp_grpc/tempo")).unwrap(),
        "otlp/tempo"
    );
    assert!(
        picked(&OTLP, Some("debug"))
            .unwrap_err()
            .contains("another binary")
    );
    assert!(
        picked(&OTLP, Some("otlp/x"))
            .unwrap_err()
            .contains("declared: debug")
    );
}

#[test]
fn several_files_and_addresses_can_be_given() {
    let words = [
        "x", "--config", "a", "--config", "file:b", "--set", "c=d", "--listen", "[::1]:0",
        "--admin", "0:0",
    ];
    let args = Args::read("x", line(&words)).unwrap();
    let files = ["a", "b"].map(|path| Source::File(path.into()));
    assert_eq!(args.config, files);
    assert_eq!(args.set, [Source::from_set("c=d").unwrap()]);
    assert_eq!(
        (args.listen.as_deref(), args.admin.as_deref()),
        (Some("[::1]:0"), Some("0:0"))
    );
    assert_eq!(args.exporter, None);
}

#[test]
fn a_mistake_exits_with_2_and_the_version_with_0() {
    assert_eq!(Args::read("x", line(&["x"])).unwrap_err().exit_code(), 2);
    let version = Args::read("penstock-x", line(&["penstock-x", "--version"])).unwrap_err();
    assert_eq!(version.exit_code(), 0);
    assert!(version.to_string().starts_with("penstock-x "), "{version}");
}
