//! How the processes of a receiver end: 0 after a drain that lost nothing, 1 when something was lost or failed, 2 for
//! settings that cannot be used.

use crate::Drained;
use std::fmt::Display;
use std::io::Write;
use std::process::{ExitCode, ExitStatus};

#[cfg(test)]
mod tests;

/// Nothing was lost.
pub(crate) const WHOLE: u8 = 0;
/// Something was lost, or failed.
pub(crate) const FAILED: u8 = 1;
/// Another try with the same settings is no use.
pub(crate) const BAD_SETTINGS: u8 = 2;

/// For faults before there is a log.
pub(crate) fn complain(error: &dyn Display, code: u8) -> ExitCode {
    // Nobody is left to tell when standard error is gone.
    _ = writeln!(std::io::stderr(), "penstock-receiver: {error}");
    ExitCode::from(code)
}

/// The code for a drain; what is kept on disk is not lost.
pub(crate) fn of_drain(drained: Drained) -> u8 {
    if drained.dropped == 0 { WHOLE } else { FAILED }
}

/// The code that a child's end is worth.
pub(crate) fn of_child(status: ExitStatus) -> u8 {
    // By a signal: it has told nobody what became of its data.
    let code = status.code().unwrap_or(FAILED.into());
    u8::try_from(code).unwrap_or(FAILED)
}
