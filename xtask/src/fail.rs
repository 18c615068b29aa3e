//! Errors of the automation: a sentence for whoever ran it.

use std::error::Error;

/// What a command gives.
pub(crate) type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// Fails with a formatted sentence.
macro_rules! bail {
    ($($words:tt)*) => { return Err(format!($($words)*).into()) };
}
pub(crate) use bail;
