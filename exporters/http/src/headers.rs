//! Headers of a request and of an answer.
//!
//! *Invariant:* values of the user's headers are never shown.

use crate::BuildError;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use std::time::{Duration, SystemTime};

#[cfg(test)]
mod tests;

/// Headers of the settings.
///
/// # Errors
/// A name or value that cannot be sent.
pub fn header_map(headers: &[(String, String)]) -> Result<HeaderMap, BuildError> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let wrong = || BuildError::Header { name: name.clone() };
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong())?;
        let mut value = HeaderValue::from_str(value).map_err(|_| wrong())?;
        // Usually a token: not for any log.
        value.set_sensitive(true);
        map.insert(key, value);
    }
    Ok(map)
}

/// Retry-After: seconds, or a date of HTTP.
#[must_use]
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}
