//! What answers' headers mean.

use super::retry_after;
use http::{HeaderMap, HeaderValue};
use std::time::{Duration, SystemTime};

fn headers(name: &'static str, value: &str) -> HeaderMap {
    HeaderMap::from_iter([(name.parse().unwrap(), HeaderValue::from_str(value).unwrap())])
}

#[test]
fn retry_after_is_seconds_or_a_date() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770);
    let wait = |value: &str| retry_after(&headers("retry-after", value), now);
    assert_eq!(wait("120"), Some(Duration::from_secs(120)));
    assert_eq!(
        wait("Sun, 06 Nov 1994 08:49:37 GMT"),
        Some(Duration::from_secs(7))
    );
    assert_eq!(wait("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
    assert_eq!(wait("soon"), None);
    assert_eq!(wait("-1"), None);
}
