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
