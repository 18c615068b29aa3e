//! Merging requests of one signal.

use bytes::Bytes;

/// One request with everything that `chunks` hold, in order.
///
/// An export request is one repeated field, so concatenating encoded requests merges them. All chunks must be valid
/// requests of one signal. A single chunk with content is given back without a copy.
#[must_use]
pub fn join(chunks: &[Bytes]) -> Bytes {
    let mut filled = chunks.iter().filter(|chunk| !chunk.is_empty());
    match (filled.next(), filled.next()) {
        (None, _) => Bytes::new(),
        (Some(only), None) => only.clone(),
        _ => chunks.concat().into(),
    }
}
