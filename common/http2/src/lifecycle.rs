//! The phases of a connection's life and its clocks.
//!
//! ```text
//! Open ──▶ Leaving (GOAWAY without an end) ──▶ Left (GOAWAY with the last call) ──▶ Closing (flush, linger)
//!   └──▶ Orphaned (the peer is gone; whole calls finish)     any ──▶ Closing (on a fault)
//! ```
//! *Does not* act: the connection does, on what it reads here.

use std::time::Duration;

use tokio::time::Instant;

use crate::{error::End, settings::Http2Settings};

/// After the last write, how long we read on and discard, so that the peer gets to see what we wrote.
const LINGER: Duration = Duration::from_secs(1);
/// After so much silence without a call, a connection gives back the memory that calls need. Long enough that one in use does
/// not do it between its calls, short enough that of many connections few hold such memory at a time.
pub(crate) const REST: Duration = Duration::from_millis(100);
/// Most that an age is moved either way, in parts of a thousand.
const AGE_JITTER: u64 = 100;

/// Where a connection is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Calls are taken.
    Open,
    /// The peer was told to open no more calls; those under way to us are still taken.
    Leaving { since: Instant },
    /// The last call was named; later ones are ignored.
    Left,
    /// The peer is gone; calls that came whole go on.
    Orphaned { until: Instant },
    /// No more calls: what is left is written, then the peer's end is awaited.
    Closing { until: Instant },
}

/// Phase and clocks.
#[derive(Debug)]
pub(crate) struct Lifecycle {
    pub(crate) phase: Phase,
    /// Why the connection ends, once that is known.
    pub(crate) end: Option<End>,
    pub(crate) started: Instant,
    pub(crate) age_at: Option<Instant>,
    /// When calls under way are cut off.
    pub(crate) cut_at: Option<Instant>,
    pub(crate) last_read: Instant,
    /// Since when a frame is incomplete.
    pub(crate) frame_since: Option<Instant>,
    /// Since when the peer takes nothing of what is to be written.
    pub(crate) write_since: Option<Instant>,
    /// Since when there is no call.
    pub(crate) idle_since: Option<Instant>,
    /// When the keepalive was sent that was not answered yet.
    pub(crate) ping_sent: Option<Instant>,
    pub(crate) settings_acked: bool,
    /// Memory was taken that a connection at rest does not need.
    pub(crate) holds_memory: bool,
}

impl Lifecycle {
    pub(crate) fn new(settings: &Http2Settings, now: Instant) -> Self {
        let age = settings.max_connection_age.map(|age| {
            let parts = fastrand::u64(1000 - AGE_JITTER..=1000 + AGE_JITTER);
            age.mul_f64(parts as f64 / 1000.0)
        });
        Self {
            phase: Phase::Open,
            end: None,
            started: now,
            age_at: age.and_then(|age| now.checked_add(age)),
            cut_at: None,
            last_read: now,
            frame_since: None,
            write_since: None,
            idle_since: Some(now),
            ping_sent: None,
            settings_acked: false,
            holds_memory: true,
        }
    }

    /// Whether frames are still heeded.
    pub(crate) fn hears(&self) -> bool {
        matches!(
            self.phase,
            Phase::Open | Phase::Leaving { .. } | Phase::Left
        )
    }

    /// Nothing more is taken; the first reason stands.
    pub(crate) fn close(&mut self, end: End, now: Instant) {
        self.end.get_or_insert(end);
        self.phase = Phase::Closing {
            until: now + LINGER,
        };
    }

    /// Cuts calls off at `at`, or earlier if that was said before.
    pub(crate) fn cut_by(&mut self, at: Option<Instant>) {
        self.cut_at = self.cut_at.into_iter().chain(at).min();
    }

    /// When a connection without calls is at rest, if it then has memory to give back.
    pub(crate) fn rests_at(&self) -> Option<Instant> {
        self.holds_memory.then(|| self.last_read + REST)
    }

    /// Takes the time in which nothing was read, up to `now`, off the clocks that run for what the peer sends.
    pub(crate) fn excuse(&mut self, held: Duration, now: Instant) {
        let later = |since: Instant| (since + held).min(now);
        self.last_read = later(self.last_read);
        for since in [
            &mut self.ping_sent,
            &mut self.frame_since,
            &mut self.idle_since,
        ] {
            *since = since.map(later);
        }
        if !self.settings_acked {
            self.started = later(self.started);
        }
        if let Phase::Leaving { since } = &mut self.phase {
            *since = later(*since);
        }
    }

    /// When to look next: after a tick if anything is under way, else when the first long clock runs out.
    pub(crate) fn next_look(
        &self,
        settings: &Http2Settings,
        tick: Duration,
        busy: bool,
        now: Instant,
    ) -> Instant {
        let waiting = busy
            || self.phase != Phase::Open
            || !self.settings_acked
            || self.ping_sent.is_some()
            || self.frame_since.is_some()
            || self.write_since.is_some();
        let open = self.phase == Phase::Open;
        let closing = matches!(self.phase, Phase::Closing { .. } | Phase::Orphaned { .. });
        let idle = self
            .idle_since
            .zip(settings.idle_timeout)
            .map(|(since, limit)| since + limit);
        let ping = settings
            .keepalive_interval
            .map(|interval| self.last_read + interval);
        let first = [
            waiting.then(|| now + tick),
            self.age_at.filter(|_| open),
            idle.filter(|_| open),
            ping.filter(|_| self.ping_sent.is_none() && !closing),
            self.cut_at.filter(|_| !closing),
            self.rests_at().filter(|_| !busy && !closing),
        ]
        .into_iter()
        .flatten()
        .min();
        // Never in the past, or the connection would spin.
        let soonest = now + Duration::from_millis(1);
        first
            .unwrap_or(now + Duration::from_secs(3600))
            .max(soonest)
    }
}

#[cfg(test)]
mod tests;
