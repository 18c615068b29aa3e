//! Headers of a request and of an answer.
//!
//! *Invariant:* values of the user's headers are never shown.

use crate::BuildError;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use penstock_settings::ClientCredentials;
use penstock_tls::{Credentials, Watched};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

#[cfg(test)]
mod tests;

/// Headers of the settings; an error for a name or value that cannot be sent.
fn header_map(headers: &[(String, String)]) -> Result<HeaderMap, BuildError> {
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

/// Headers of the settings, and credentials whose secrets are in files.
#[derive(Debug)]
pub struct Headers {
    /// What is always the same.
    pub fixed: HeaderMap,
    credentials: Option<Arc<Credentials>>,
}

impl Headers {
    /// Reads the files.
    ///
    /// # Errors
    /// A name or value that cannot be sent, or a file that cannot be read.
    pub fn new(
        headers: &[(String, String)],
        credentials: Option<&ClientCredentials>,
    ) -> Result<Self, BuildError> {
        let credentials = credentials.map(|shown| Credentials::new(shown).map(Arc::new));
        Ok(Self {
            fixed: header_map(headers)?,
            credentials: credentials.transpose()?,
        })
    }

    /// For a request.
    #[must_use]
    pub fn now(&self) -> HeaderMap {
        let mut headers = self.fixed.clone();
        if let Some(credentials) = &self.credentials {
            credentials.insert(&mut headers);
        }
        headers
    }

    /// The files that may change.
    #[must_use]
    pub fn files(&self) -> Vec<Arc<dyn Watched>> {
        let credentials = self.credentials.iter().cloned();
        credentials
            .map(|credentials| credentials as Arc<dyn Watched>)
            .collect()
    }
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
