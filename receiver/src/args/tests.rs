//! The command line's words.

use super::*;

#[test]
fn several_files_and_a_list_of_signals_are_taken() {
    let line =
        "penstock-receiver --set a.b=1 --config a.yaml --config yaml:a::b: --signals traces,logs";
    let args = Args::try_parse_from(line.split(' ')).unwrap();
    let text = |name: &str, yaml: &str| Source::Text {
        name: name.to_owned(),
        yaml: yaml.to_owned(),
    };
    assert_eq!(
        args.config.sources(),
        [
            Source::File("a.yaml".into()),
            text("yaml:a::b", "a::b:"),
            text("--set a.b", "a::b: 1"),
        ]
    );
    assert_eq!(args.signals, Some(vec![Signal::Traces, Signal::Logs]));
}

#[test]
fn unknown_signals_and_missing_files_are_errors() {
    for line in [
        "penstock-receiver",
        "penstock-receiver --config a --signals spans",
        "penstock-receiver --config ftp:a",
        "penstock-receiver --config a --set b",
    ] {
        assert!(Args::try_parse_from(line.split(' ')).is_err(), "{line}");
    }
}

#[test]
fn a_command_needs_no_configuration() {
    let args = Args::try_parse_from(["penstock-receiver", "worker"]).unwrap();
    assert!(matches!(args.command, Some(Command::Worker)));
    assert!(Args::try_parse_from(["penstock-receiver", "--config", "a", "worker"]).is_err());
}

#[test]
fn a_signal_that_no_pipeline_has_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.yaml");
    let traces_only = "
receivers: {otlp: {protocols: {grpc: }}}
exporters: {debug: }
service: {pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}
";
    std::fs::write(&file, traces_only).unwrap();
    let args = |signals: &[Signal]| Args {
        command: None,
        config: ConfigArgs {
            configs: vec![Source::File(file.clone())],
            sets: Vec::new(),
        },
        signals: Some(signals.to_vec()),
    };
    let settings = args(&[Signal::Traces]).settings().unwrap();
    assert_eq!(settings.penstock.signals, [Signal::Traces]);
    let fault = args(&[Signal::Logs]).settings().unwrap_err();
    assert!(fault.to_string().contains("logs"), "{fault}");
}
