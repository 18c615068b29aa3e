//! Durations and sizes, as written and as meant.

use super::{parse_duration, parse_size};
use proptest::prelude::*;
use std::time::Duration;

#[test]
fn durations_read_as_in_go() {
    for (text, nanos) in [
        ("0", 0),
        ("0s", 0),
        ("200ms", 200_000_000),
        ("1h2m3.5s", 3_723_500_000_000),
        (".5s", 500_000_000),
        ("1.s", 1_000_000_000),
        ("+5s", 5_000_000_000),
        ("100us", 100_000),
        ("100µs", 100_000),
        ("7ns", 7),
        ("1.5h", 5_400_000_000_000),
        ("0.3333333333333333333h", 1_199_999_999_998),
    ] {
        assert_eq!(
            parse_duration(text),
            Ok(Duration::from_nanos(nanos)),
            "{text}"
        );
    }
}

#[test]
fn durations_without_unit_or_sense_are_errors() {
    for text in [
        "",
        "5",
        "-5s",
        "5 s",
        "s",
        ".s",
        "5x",
        "1..2s",
        "1h2",
        "999999999999h",
        "18446744073709551616ns",
    ] {
        assert!(parse_duration(text).is_err(), "{text}");
    }
}

#[test]
fn sizes_read_as_decimal_and_binary_units() {
    for (text, bytes) in [
        ("0", 0),
        ("1048576", 1 << 20),
        ("10B", 10),
        ("1kB", 1000),
        ("1KiB", 1024),
        ("1Ki", 1024),
        ("512MiB", 512 << 20),
        ("512 MiB", 512 << 20),
        ("1.5GiB", 3 << 29),
        ("2GB", 2_000_000_000),
    ] {
        assert_eq!(parse_size(text), Ok(bytes), "{text}");
    }
}

#[test]
fn sizes_that_are_none_are_errors() {
    for text in ["", "MiB", "-1", "1TiBs", "1.2.3", "20000000000GiB", "1e9"] {
        assert!(parse_size(text).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_reads_or_fails_without_panic(text in "\\PC{0,12}") {
        let _ = parse_duration(&text);
        let _ = parse_size(&text);
    }

    #[test]
    fn whole_milliseconds_survive(hours in 0_u64..9, minutes in 0_u64..60, millis in 0_u64..60_000) {
        let text = format!("{hours}h{minutes}m{millis}ms");
        let expected = Duration::from_millis((hours * 60 + minutes) * 60_000 + millis);
        prop_assert_eq!(parse_duration(&text), Ok(expected));
    }
}
