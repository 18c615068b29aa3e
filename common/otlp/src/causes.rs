//! Errors as text.
//!
//! *Invariant:* nothing of the chain is left out: the HTTP libraries' own text says only that something went wrong.

use std::error::Error;

/// The text of an error with all that led to it.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
