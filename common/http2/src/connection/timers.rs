//! Everything that happens because nothing happened.
//!
//! One timer serves all clocks. While anything is under way it ticks, so that calls cost no timer work; a connection
//! at rest gives memory back and sleeps until its first long clock runs out.

use std::{
    task::{Context as TaskContext, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};

use super::{Connection, Expect};
use crate::{
    Service,
    error::{End, ErrorCode, Fatal, Fault},
    lifecycle::{Phase, REST},
    streams::Stage,
};

impl<IO, S> Connection<IO, S>
where
    IO: AsyncRead + AsyncWrite + Unpin,
    S: Service,
{
    /// Looks at the clocks if it is time to.
    pub(super) fn poll_timer(&mut self, cx: &mut TaskContext<'_>) {
        if self.timer.as_mut().poll(cx).is_ready() {
            if let Err(fatal) = self.look_at_clocks() {
                self.fail(fatal);
            }
            let next = self.next_look();
            self.set_timer(next, cx);
        }
    }

    /// Sees to it that the timer ticks if anything is under way, and once more when nothing is.
    pub(super) fn arm(&mut self, cx: &mut TaskContext<'_>) {
        let rests = self.streams.active() == 0 && self.life.holds_memory;
        let soon = if rests { REST } else { self.tick };
        if self.timer.deadline() > self.now + soon || self.life.cut_at.is_some() {
            let next = self.next_look();
            if next < self.timer.deadline() {
                self.set_timer(next, cx);
            }
        }
    }

    fn set_timer(&mut self, at: Instant, cx: &mut TaskContext<'_>) {
        self.timer.as_mut().reset(at);
        if let Poll::Ready(()) = self.timer.as_mut().poll(cx) {
            cx.waker().wake_by_ref();
        }
    }

    fn next_look(&self) -> Instant {
        let busy = self.streams.active() > 0 || self.block.is_some() || self.is_held();
        self.life
            .next_look(&self.context.settings, self.tick, busy, self.now)
    }

    fn look_at_clocks(&mut self) -> Result<(), Fatal> {
        let now = self.now;
        let settings = &self.context.settings;
        let passed = |since: Option<Instant>, limit: Duration| {
            since.is_some_and(|since| now.duration_since(since) >= limit)
        };
        if passed(self.life.write_since, settings.write_timeout) {
            self.context.metrics.fault(Fault::WriteStalled);
            self.life.end.get_or_insert(End::Fault(Fault::WriteStalled));
            self.close();
            self.out.clear();
            self.life.write_since = None;
            self.life.phase = Phase::Orphaned { until: now };
            return Ok(());
        }
        match self.life.phase {
            Phase::Closing { until } | Phase::Orphaned { until } => {
                if now >= until {
                    self.cut_off();
                    self.out.clear();
                    self.life.phase = Phase::Orphaned { until };
                }
                return Ok(());
            }
            // Calls that the peer made before it was told may not be read yet.
            Phase::Leaving { since }
                if !self.is_held() && passed(Some(since), settings.goaway_timeout) =>
            {
                self.name_last_call();
            }
            _ => {}
        }
        if self.life.cut_at.is_some_and(|at| now >= at) {
            if self.life.phase != Phase::Left {
                self.name_last_call();
            }
            self.cut_off();
            self.close();
            return Ok(());
        }
        if !self.is_held() {
            self.check_peer(now)?;
        }
        self.check_streams(now)?;
        self.check_age(now);
        if self.streams.active() == 0 && self.life.rests_at().is_some_and(|at| now >= at) {
            self.give_memory_back();
        }
        Ok(())
    }

    /// What the peer owes the connection as a whole.
    fn check_peer(&mut self, now: Instant) -> Result<(), Fatal> {
        let settings = &self.context.settings;
        let passed = |since: Instant, limit: Duration| now.duration_since(since) >= limit;
        if passed(self.life.started, settings.handshake_timeout) {
            if matches!(self.expect, Expect::Preface | Expect::Settings) {
                return Err(Fatal(ErrorCode::SETTINGS_TIMEOUT, Fault::SlowHandshake));
            }
            if !self.life.settings_acked {
                return Err(Fatal(ErrorCode::SETTINGS_TIMEOUT, Fault::SettingsTimeout));
            }
        }
        if self
            .block
            .as_ref()
            .is_some_and(|block| passed(block.since, settings.header_timeout))
        {
            return Err(Fatal(ErrorCode::ENHANCE_YOUR_CALM, Fault::SlowHeaders));
        }
        if self
            .life
            .frame_since
            .is_some_and(|since| passed(since, settings.frame_timeout))
            && !self.out_is_full()
        {
            return Err(Fatal(ErrorCode::ENHANCE_YOUR_CALM, Fault::SlowFrame));
        }
        if self
            .life
            .ping_sent
            .is_some_and(|sent| passed(sent, settings.keepalive_timeout))
        {
            return Err(Fatal(ErrorCode::NO_ERROR, Fault::KeepaliveTimeout));
        }
        let quiet = settings
            .keepalive_interval
            .is_some_and(|i| passed(self.life.last_read, i));
        if quiet && self.life.ping_sent.is_none() {
            self.ask_alive();
        }
        Ok(())
    }

    /// Bodies and answers that do not get on although they could.
    fn check_streams(&mut self, now: Instant) -> Result<(), Fatal> {
        let settings = &self.context.settings;
        let min_bytes = settings.body_min_bytes as usize;
        let may_send = self.recv.available() > 0 && !self.out_is_full() && !self.is_held();
        let held_until = self.held_until;
        let (mut slow, mut stalled) = (Vec::new(), Vec::new());
        for (slot, stream) in self.streams.iter_mut() {
            let quiet = now.duration_since(stream.period);
            if let Stage::Sending(_) = stream.stage {
                if quiet >= settings.response_timeout {
                    stalled.push(slot);
                }
            } else if !stream.recv_ended && quiet >= settings.body_timeout {
                let could = may_send
                    && stream.recv.available() > 0
                    && held_until.is_none_or(|until| until <= stream.period);
                if could && stream.period_bytes < min_bytes {
                    slow.push(slot);
                }
                (stream.period, stream.period_bytes) = (now, 0);
            }
        }
        for slot in slow {
            self.stream_error(slot, ErrorCode::CANCEL, Fault::SlowBody)?;
        }
        for slot in stalled {
            self.stream_error(slot, ErrorCode::CANCEL, Fault::ResponseStalled)?;
        }
        Ok(())
    }

    fn check_age(&mut self, now: Instant) {
        if self.life.phase != Phase::Open {
            return;
        }
        if self.life.age_at.is_some_and(|at| now >= at) {
            let grace = self.context.settings.max_connection_age_grace;
            self.leave(End::Aged, grace.map(|grace| now + grace));
            return;
        }
        let idle = self.life.idle_since.zip(self.context.settings.idle_timeout);
        let idle = idle.is_some_and(|(since, limit)| now.duration_since(since) >= limit);
        if idle && !self.is_held() {
            self.leave(End::Idle, None);
        }
    }

    /// Ends the calls whose time is over.
    fn cut_off(&mut self) {
        for _ in 0..self.streams.active() {
            self.context.metrics.fault(Fault::Deadline);
        }
        self.abort_calls();
    }

    /// A connection at rest keeps what the peer relies on and nothing else.
    fn give_memory_back(&mut self) {
        self.streams.shrink();
        self.shared.shrink();
        self.decoder.shrink();
        self.heads.clear();
        self.out.shrink();
        self.arrived = Vec::new();
        self.queue = Vec::new();
        if self.carry.is_empty() {
            self.carry = bytes::BytesMut::new();
        }
        self.life.holds_memory = false;
    }
}
