//! What becomes of items, and why some are lost.
//!
//! *Invariant:* every reason is one of a closed set, for it is a metric label.

use std::ops::{AddAssign, SubAssign};

/// How the items of one batch, or piece of a batch, ended. The first three sum to its items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fate {
    pub(crate) delivered: u64,
    pub(crate) rejected: u64,
    pub(crate) dropped: u64,
    /// Of the delivered: taken by another receiver.
    pub(crate) handed_over: u64,
}

impl AddAssign for Fate {
    fn add_assign(&mut self, other: Self) {
        self.delivered += other.delivered;
        self.rejected += other.rejected;
        self.dropped += other.dropped;
        self.handed_over += other.handed_over;
    }
}

impl SubAssign for Fate {
    fn sub_assign(&mut self, other: Self) {
        self.delivered -= other.delivered;
        self.rejected -= other.rejected;
        self.dropped -= other.dropped;
        self.handed_over -= other.handed_over;
    }
}

/// Why items were rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RejectReason {
    /// The exporter will never take the batch.
    Permanent,
    /// The backend took the batch but for these.
    PartialSuccess,
    /// One item alone is larger than the exporter takes.
    TooLarge,
}

impl RejectReason {
    pub(crate) const ALL: [Self; 3] = [Self::Permanent, Self::PartialSuccess, Self::TooLarge];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Permanent => "permanent",
            Self::PartialSuccess => "partial_success",
            Self::TooLarge => "too_large",
        }
    }
}

/// Why items were dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DropReason {
    /// `retry_on_failure.enabled` is false.
    RetryDisabled,
    /// `retry_on_failure.max_elapsed_time` is over.
    MaxElapsedTime,
    /// Still in memory when the process had to stop.
    Shutdown,
    /// The disk was full and the policy is `drop_oldest`.
    DiskFull,
    /// More was unread than `sending_queue.queue_size` allows.
    QueueFull,
    /// The exporter is gone from the configuration.
    ExporterRemoved,
    /// The disk gives back other bytes than were written, or none.
    Corrupt,
    /// A part of the log is not there any more.
    LogLost,
}

impl DropReason {
    pub(crate) const ALL: [Self; 8] = [
        Self::RetryDisabled,
        Self::MaxElapsedTime,
        Self::Shutdown,
        Self::DiskFull,
        Self::QueueFull,
        Self::ExporterRemoved,
        Self::Corrupt,
        Self::LogLost,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::RetryDisabled => "retry_disabled",
            Self::MaxElapsedTime => "max_elapsed_time",
            Self::Shutdown => "shutdown",
            Self::DiskFull => "disk_full",
            Self::QueueFull => "queue_full",
            Self::ExporterRemoved => "exporter_removed",
            Self::Corrupt => "corrupt",
            Self::LogLost => "log_lost",
        }
    }
}
