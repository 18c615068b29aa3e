//! How durations are written.

use super::*;

#[test]
fn durations_are_written_as_go_does() {
    for (millis, text) in [
        (0, "0s"),
        (10_000, "10s"),
        (1_500, "1.5s"),
        (61_004, "1m1.004s"),
        (3_600_000, "1h0m0s"),
        (90_000_000, "25h0m0s"),
    ] {
        assert_eq!(go_duration(Duration::from_millis(millis)), text);
    }
}
