//! The command line's words.

use super::*;

#[test]
fn several_files_and_a_list_of_signals_are_taken() {
    let line = "penstock-receiver --config a.yaml --config b.yaml --signals traces,logs";
    let args = Args::try_parse_from(line.split(' ')).unwrap();
    assert_eq!(
        args.configs,
        [PathBuf::from("a.yaml"), PathBuf::from("b.yaml")]
    );
    assert_eq!(args.signals, Some(vec![Signal::Traces, Signal::Logs]));
}

#[test]
fn unknown_signals_and_missing_files_are_errors() {
    for line in [
        "penstock-receiver",
        "penstock-receiver --config a --signals spans",
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
        configs: vec![file.clone()],
        signals: Some(signals.to_vec()),
    };
    let settings = args(&[Signal::Traces]).settings().unwrap();
    assert_eq!(settings.penstock.signals, [Signal::Traces]);
    let fault = args(&[Signal::Logs]).settings().unwrap_err();
    assert!(fault.to_string().contains("logs"), "{fault}");
}
