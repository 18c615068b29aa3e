//! Flow control windows (RFC 9113, section 6.9).

use crate::settings::{DEFAULT_WINDOW, MAX_WINDOW};

/// A window was overrun or grew beyond its maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WindowError;

/// What the peer may still send to us.
#[derive(Debug)]
pub(crate) struct RecvWindow {
    size: u32,
    available: u32,
    /// Taken by the stages and not yet given back to the peer.
    credit: u32,
}

impl RecvWindow {
    /// A window that is fully open.
    pub(crate) fn new(size: u32) -> Self {
        Self {
            size,
            available: size,
            credit: 0,
        }
    }

    /// The window of a new connection, and what to add to it at once.
    pub(crate) fn connection(size: u32) -> (Self, Option<u32>) {
        let increment = size.saturating_sub(DEFAULT_WINDOW);
        (Self::new(size), (increment > 0).then_some(increment))
    }

    pub(crate) fn available(&self) -> u32 {
        self.available
    }

    /// The peer sent this much.
    pub(crate) fn take(&mut self, bytes: usize) -> Result<(), WindowError> {
        let bytes = u32::try_from(bytes).map_err(|_| WindowError)?;
        self.available = self.available.checked_sub(bytes).ok_or(WindowError)?;
        Ok(())
    }

    /// This much was consumed. Gives the increment to send, once it is worth a frame.
    pub(crate) fn give(&mut self, bytes: u32) -> Option<u32> {
        self.credit += bytes;
        if self.credit == 0 || self.credit < self.size / 2 {
            return None;
        }
        let increment = std::mem::take(&mut self.credit);
        self.available += increment;
        Some(increment)
    }
}

/// What we may still send to the peer; below zero when its settings took back what was already used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SendWindow(i64);

impl SendWindow {
    pub(crate) fn new(size: u32) -> Self {
        Self(i64::from(size))
    }

    pub(crate) fn available(self) -> usize {
        usize::try_from(self.0).unwrap_or(0)
    }

    pub(crate) fn take(&mut self, bytes: usize) {
        self.0 -= bytes as i64;
    }

    /// Adds a WINDOW_UPDATE or the difference of two initial window sizes.
    pub(crate) fn add(&mut self, difference: i64) -> Result<(), WindowError> {
        self.0 += difference;
        if self.0 > i64::from(MAX_WINDOW) {
            Err(WindowError)
        } else {
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests;
