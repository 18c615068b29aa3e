//! What both protocols do to a request: compression.
//!
//! *Invariant:* nothing here holds up the runtime.

use crate::verdict::Failure;
use bytes::Bytes;
use penstock_otlp::compress::{Encoding, compress};
use tokio::task::spawn_blocking;

/// Compresses where it delays nobody.
pub(crate) async fn compressed(
    encoding: Encoding,
    chunks: Vec<Bytes>,
) -> Result<Vec<Bytes>, Failure> {
    if encoding == Encoding::Identity {
        return Ok(chunks);
    }
    let compressed = blocking(move || compress(encoding, &chunks)).await?;
    Ok(vec![compressed])
}

/// Runs what takes long elsewhere.
pub(crate) async fn blocking(
    work: impl FnOnce() -> Bytes + Send + 'static,
) -> Result<Bytes, Failure> {
    spawn_blocking(work)
        .await
        .map_err(|error| Failure::retry(format!("encoding was interrupted: {error}")))
}
