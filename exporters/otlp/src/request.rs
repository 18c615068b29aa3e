//! What both protocols do to a request: the user's headers, compression.
//!
//! *Invariant:* nothing here holds up the runtime.

use crate::BuildError;
use crate::verdict::Failure;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use penstock_otlp::compress::{Encoding, compress};
use tokio::task::spawn_blocking;

/// Headers of the settings.
pub(crate) fn header_map(headers: &[(String, String)]) -> Result<HeaderMap, BuildError> {
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

/// Compresses where it delays nobody.
pub(crate) async fn compressed(encoding: Encoding, body: Bytes) -> Result<Bytes, Failure> {
    if encoding == Encoding::Identity {
        return Ok(body);
    }
    blocking(move || compress(encoding, &[body])).await
}

/// Runs what takes long elsewhere.
pub(crate) async fn blocking(
    work: impl FnOnce() -> Bytes + Send + 'static,
) -> Result<Bytes, Failure> {
    spawn_blocking(work)
        .await
        .map_err(|error| Failure::retry(format!("encoding was interrupted: {error}")))
}
