//! Answers on their way out, as far as the peer's windows let them.
//!
//! *Invariant:* an answer that does not fit stays where it is, counted, and does not hinder others.

use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    Connection,
    receive::{GOAWAY_PING, KEEPALIVE_PING},
};
use crate::{
    Service,
    error::{ErrorCode, Fault},
    frame::{flag, kind, write},
    lifecycle::Phase,
    response::{Kind, Response},
    settings::MAX_WINDOW,
    streams::{Ended, Outgoing, Stage},
};

impl<IO, S> Connection<IO, S>
where
    IO: AsyncRead + AsyncWrite + Unpin,
    S: Service,
{
    /// Begins to send the answer of a call.
    pub(super) fn answer(&mut self, slot: u32, response: Response) {
        let (headers, message, trailers) = match response.0 {
            Kind::Answer {
                headers,
                message,
                trailers,
            } => (headers, message, trailers),
            Kind::Reset(code) => {
                self.reset_stream(slot, code);
                return;
            }
        };
        let id = self.streams.get(slot).id;
        let only = message.len() == 0 && trailers.is_none();
        write::headers(
            self.out.frames(),
            id,
            headers.as_bytes(),
            only,
            self.peer.max_frame,
        );
        if only {
            self.answered(slot);
            return;
        }
        let mut outgoing = Outgoing { message, trailers };
        if self.send_some(slot, &mut outgoing) {
            self.answered(slot);
            return;
        }
        if matches!(self.life.phase, Phase::Orphaned { .. }) {
            // Nobody is left to open the window.
            self.close_stream(slot, Ended::ByUs);
            return;
        }
        let now = self.now;
        let waiting = outgoing.message.len();
        let stream = self.streams.get(slot);
        stream.period = now;
        stream.stage = Stage::Sending(outgoing);
        self.sending += 1;
        self.sending_bytes += waiting;
        if self.sending_bytes > self.context.settings.max_blocked_response_bytes {
            self.context.metrics.fault(Fault::ResponseOverflow);
            self.reset_stream(slot, ErrorCode::ENHANCE_YOUR_CALM);
        }
    }

    /// Sends what the windows allow. True if that was all.
    fn send_some(&mut self, slot: u32, outgoing: &mut Outgoing) -> bool {
        let stream = self.streams.get(slot);
        let out = &mut self.out;
        while outgoing.message.len() > 0 {
            let room = self
                .send
                .available()
                .min(stream.send.available())
                .min(self.peer.max_frame);
            let len = room.min(outgoing.message.len());
            if len == 0 {
                return false;
            }
            let last = len == outgoing.message.len() && outgoing.trailers.is_none();
            let flags = if last { flag::END_STREAM } else { 0 };
            write::header(out.frames(), len, kind::DATA, flags, stream.id);
            self.send.take(len);
            stream.send.take(len);
            let mut left = len;
            while left > 0 {
                let part = outgoing.message.take(left);
                left -= part.len();
                out.payload(part);
            }
        }
        if let Some(trailers) = &outgoing.trailers {
            let max_frame = self.peer.max_frame;
            write::headers(
                out.frames(),
                stream.id,
                trailers.as_bytes(),
                true,
                max_frame,
            );
        }
        true
    }

    /// The last frame of an answer was framed. A peer that still sends its body is told to stop.
    fn answered(&mut self, slot: u32) {
        let stream = self.streams.get(slot);
        let how = if stream.recv_ended {
            Ended::ForBoth
        } else {
            Ended::ByUs
        };
        if how == Ended::ByUs {
            write::reset(self.out.frames(), stream.id, ErrorCode::NO_ERROR);
        }
        self.context.metrics.calls.increment(1);
        self.budget.call_done();
        self.close_stream(slot, how);
    }

    /// Goes on with an answer that waited.
    pub(super) fn resume(&mut self, slot: u32) {
        let stream = self.streams.get(slot);
        let Stage::Sending(_) = &stream.stage else {
            return;
        };
        let Stage::Sending(mut outgoing) = std::mem::replace(&mut stream.stage, Stage::Running)
        else {
            return;
        };
        let before = outgoing.message.len();
        let done = self.send_some(slot, &mut outgoing);
        let sent = before - outgoing.message.len();
        self.sending_bytes -= sent;
        let now = self.now;
        let stream = self.streams.get(slot);
        if sent > 0 {
            stream.period = now;
        }
        stream.stage = Stage::Sending(outgoing);
        if done {
            self.answered(slot);
        }
    }

    /// Goes on with all answers that waited.
    pub(super) fn resume_all(&mut self) {
        if self.sending == 0 {
            return;
        }
        for slot in self.streams.open_slots() {
            self.resume(slot);
        }
    }

    /// The first GOAWAY names no last call, because calls may be on the way; the answer to the PING behind it says that
    /// they have arrived.
    pub(super) fn say_goaway(&mut self) {
        write::goaway(self.out.frames(), MAX_WINDOW, ErrorCode::NO_ERROR);
        write::ping(self.out.frames(), 0, GOAWAY_PING);
    }

    /// The second GOAWAY.
    pub(super) fn name_last_call(&mut self) {
        write::goaway(
            self.out.frames(),
            self.streams.highest(),
            ErrorCode::NO_ERROR,
        );
        self.life.phase = Phase::Left;
    }

    pub(super) fn ask_alive(&mut self) {
        write::ping(self.out.frames(), 0, KEEPALIVE_PING);
        self.life.ping_sent = Some(self.now);
    }
}
