//! Limits of the limits.

use super::*;

#[test]
fn defaults_are_valid() {
    assert_eq!(Http2Settings::default().validate(), Ok(()));
}

#[test]
fn value_out_of_range_is_named() {
    let settings = Http2Settings {
        max_frame_bytes: 1000,
        ..Http2Settings::default()
    };
    let error = settings.validate().unwrap_err();
    assert_eq!(
        error.to_string(),
        "max_frame_bytes must be between 16384 and 16777215, not 1000"
    );
}

#[test]
fn tick_follows_the_shortest_timeout() {
    let mut settings = Http2Settings::default();
    assert_eq!(settings.tick(), Duration::from_millis(500));
    settings.keepalive_timeout = Duration::from_millis(100);
    assert_eq!(settings.tick(), Duration::from_millis(25));
    settings.keepalive_timeout = Duration::ZERO;
    assert_eq!(settings.tick(), Duration::from_millis(5));
}
