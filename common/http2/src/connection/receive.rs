//! Frames from the peer, one after the other, with the rules of each (RFC 9113, section 6).
//!
//! *Invariant:* a stream error touches one stream; a [`Fatal`] ends the connection; nothing else is possible.

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Connection, EMPTY, Expect};
use crate::{
    Service,
    error::{End, ErrorCode, Fatal, Fault},
    frame::{FrameHeader, HEADER_LEN, PREFACE, flag, kind, read, write},
    lifecycle::Phase,
    limits::Exhausted,
    streams::{Ended, Known},
};

/// Payload of the PING behind the first GOAWAY.
pub(super) const GOAWAY_PING: [u8; 8] = *b"pnsgoawy";
/// Payload of keepalive PINGs.
pub(super) const KEEPALIVE_PING: [u8; 8] = *b"pnsalive";

impl<IO, S> Connection<IO, S>
where
    IO: AsyncRead + AsyncWrite + Unpin,
    S: Service,
{
    /// Handles all whole frames in `buf` and leaves the rest.
    pub(super) fn parse(&mut self, buf: &mut BytesMut) -> Result<(), Fatal> {
        if self.expect == Expect::Preface {
            let have = buf.len().min(PREFACE.len());
            if buf[..have] != PREFACE[..have] {
                return Err(Fatal(ErrorCode::PROTOCOL_ERROR, Fault::Preface));
            }
            if have < PREFACE.len() {
                return Ok(());
            }
            buf.advance(PREFACE.len());
            self.expect = Expect::Settings;
        }
        let before = buf.len();
        while let Some(header) = FrameHeader::parse(buf) {
            if header.len > self.context.settings.max_frame_bytes as usize {
                return Err(Fatal::FRAME_SIZE);
            }
            if self.expect == Expect::Settings
                && (header.kind != kind::SETTINGS || header.has(flag::ACK))
            {
                return Err(Fatal(ErrorCode::PROTOCOL_ERROR, Fault::Preface));
            }
            let total = HEADER_LEN + header.len;
            if buf.len() < total {
                break;
            }
            if header.kind == kind::DATA && self.expect != Expect::Continuation {
                buf.advance(HEADER_LEN);
                let payload = if header.len == 0 {
                    EMPTY
                } else {
                    buf.split_to(header.len).freeze()
                };
                self.on_data(header, payload)?;
            } else {
                self.on_frame(header, &buf[HEADER_LEN..total])?;
                buf.advance(total);
            }
        }
        if buf.is_empty() {
            self.life.frame_since = None;
        } else if buf.len() < before || self.life.frame_since.is_none() {
            self.life.frame_since = Some(self.now);
        }
        Ok(())
    }

    fn on_frame(&mut self, header: FrameHeader, payload: &[u8]) -> Result<(), Fatal> {
        if (self.expect == Expect::Continuation) != (header.kind == kind::CONTINUATION) {
            return Err(Fatal::PROTOCOL);
        }
        match header.kind {
            kind::HEADERS => self.on_headers(header, payload),
            kind::CONTINUATION => self.on_continuation(header, payload),
            kind::PRIORITY => self.on_priority(header, payload),
            kind::RST_STREAM => self.on_reset(header, payload),
            kind::SETTINGS => self.on_settings(header, payload),
            kind::PUSH_PROMISE => Err(Fatal::PROTOCOL),
            kind::PING => self.on_ping(header, payload),
            kind::GOAWAY => self.on_goaway(header, payload),
            kind::WINDOW_UPDATE => self.on_window_update(header, payload),
            _ => self.spend_control(),
        }
    }

    /// Takes a frame that brings nothing from the budget.
    pub(super) fn spend_control(&mut self) -> Result<(), Fatal> {
        self.budget
            .control(self.now)
            .map_err(|Exhausted| Fatal(ErrorCode::ENHANCE_YOUR_CALM, Fault::ControlFlood))
    }

    /// Takes a stream that ended badly by the peer's doing from the budget.
    pub(super) fn spend_reset(&mut self) -> Result<(), Fatal> {
        self.budget
            .reset(self.now)
            .map_err(|Exhausted| Fatal(ErrorCode::ENHANCE_YOUR_CALM, Fault::ResetFlood))
    }

    fn on_data(&mut self, header: FrameHeader, mut payload: Bytes) -> Result<(), Fatal> {
        if header.stream == 0 {
            return Err(Fatal::PROTOCOL);
        }
        self.recv
            .take(payload.len())
            .map_err(|_| Fatal::FLOW_CONTROL)?;
        let (before, after) = read::padding(header, &payload)?;
        let slot = match self.streams.known(header.stream) {
            Known::Open(slot) => slot,
            Known::Idle => return Err(Fatal::PROTOCOL),
            Known::Ended(Ended::ByUs) => {
                self.credit_connection(payload.len());
                return if payload.is_empty() {
                    self.spend_control()
                } else {
                    Ok(())
                };
            }
            Known::Ended(Ended::ForBoth) | Known::Past => {
                self.credit_connection(payload.len());
                return self.refuse_closed(header.stream);
            }
        };
        let end = header.has(flag::END_STREAM);
        let stream = self.streams.get(slot);
        if stream.recv_ended {
            self.credit_connection(payload.len());
            return self.stream_error(slot, ErrorCode::STREAM_CLOSED, Fault::ClosedStream);
        }
        if stream.recv.take(payload.len()).is_err() {
            self.credit_connection(payload.len());
            return self.stream_error(slot, ErrorCode::FLOW_CONTROL_ERROR, Fault::FlowControl);
        }
        let whole = payload.len();
        payload.truncate(whole - after);
        payload.advance(before);
        let len = payload.len();
        stream.recv_ended = end;
        stream.fresh_data = true;
        stream.period_bytes += len;
        let kept_promise = match &mut stream.promised {
            None => true,
            Some(left) => match left.checked_sub(len as u64) {
                Some(rest) => {
                    *left = rest;
                    !end || rest == 0
                }
                None => false,
            },
        };
        let waker = self.shared.push(slot, payload, whole - len, end);
        if let Some(waker) = waker {
            waker.wake();
        }
        if !kept_promise {
            return self.stream_error(slot, ErrorCode::PROTOCOL_ERROR, Fault::MalformedRequest);
        }
        if len == 0 && !end {
            self.spend_control()
        } else {
            Ok(())
        }
    }

    /// A frame for a stream that both sides had ended.
    fn refuse_closed(&mut self, id: u32) -> Result<(), Fatal> {
        self.context.metrics.fault(Fault::ClosedStream);
        write::reset(self.out.frames(), id, ErrorCode::STREAM_CLOSED);
        self.streams.skip(id, Ended::ByUs);
        self.spend_reset()
    }

    fn on_priority(&mut self, header: FrameHeader, payload: &[u8]) -> Result<(), Fatal> {
        if header.stream == 0 {
            return Err(Fatal::PROTOCOL);
        }
        let known = self.streams.known(header.stream);
        let Some(depends) = payload
            .first_chunk()
            .filter(|_| payload.len() == read::PRIORITY_LEN)
        else {
            return match known {
                Known::Open(slot) => {
                    self.stream_error(slot, ErrorCode::FRAME_SIZE_ERROR, Fault::FrameSize)
                }
                _ => Err(Fatal::FRAME_SIZE),
            };
        };
        if u32::from_be_bytes(*depends) & 0x7fff_ffff == header.stream {
            return match known {
                Known::Open(slot) => {
                    self.stream_error(slot, ErrorCode::PROTOCOL_ERROR, Fault::Protocol)
                }
                _ => Err(Fatal::PROTOCOL),
            };
        }
        self.spend_control()
    }

    fn on_reset(&mut self, header: FrameHeader, payload: &[u8]) -> Result<(), Fatal> {
        read::number(payload)?;
        match self.streams.known(header.stream) {
            Known::Idle => Err(Fatal::PROTOCOL),
            Known::Open(slot) => {
                self.close_stream(slot, Ended::ForBoth);
                self.spend_reset()
            }
            Known::Ended(_) | Known::Past => self.spend_control(),
        }
    }

    fn on_settings(&mut self, header: FrameHeader, payload: &[u8]) -> Result<(), Fatal> {
        if header.stream != 0 {
            return Err(Fatal::PROTOCOL);
        }
        self.spend_control()?;
        if header.has(flag::ACK) {
            if !payload.is_empty() {
                return Err(Fatal::FRAME_SIZE);
            }
            self.life.settings_acked = true;
            return Ok(());
        }
        let before = self.peer;
        self.peer = before.apply(payload)?;
        if self.expect == Expect::Settings {
            self.expect = Expect::Frames;
        }
        let difference = i64::from(self.peer.initial_window) - i64::from(before.initial_window);
        if difference != 0 {
            for (_, stream) in self.streams.iter_mut() {
                stream
                    .send
                    .add(difference)
                    .map_err(|_| Fatal::FLOW_CONTROL)?;
            }
        }
        write::settings_ack(self.out.frames());
        if difference > 0 {
            self.resume_all();
        }
        Ok(())
    }

    fn on_ping(&mut self, header: FrameHeader, payload: &[u8]) -> Result<(), Fatal> {
        if header.stream != 0 {
            return Err(Fatal::PROTOCOL);
        }
        let payload: [u8; 8] = payload.try_into().map_err(|_| Fatal::FRAME_SIZE)?;
        self.spend_control()?;
        if !header.has(flag::ACK) {
            write::ping(self.out.frames(), flag::ACK, payload);
        } else if payload == GOAWAY_PING && matches!(self.life.phase, Phase::Leaving { .. }) {
            self.name_last_call();
        }
        Ok(())
    }

    fn on_goaway(&mut self, header: FrameHeader, payload: &[u8]) -> Result<(), Fatal> {
        if header.stream != 0 {
            return Err(Fatal::PROTOCOL);
        }
        if payload.len() < 8 {
            return Err(Fatal::FRAME_SIZE);
        }
        self.spend_control()?;
        self.leave(End::Peer, None);
        Ok(())
    }

    fn on_window_update(&mut self, header: FrameHeader, payload: &[u8]) -> Result<(), Fatal> {
        let increment = i64::from(read::number(payload)? & 0x7fff_ffff);
        self.spend_control()?;
        if header.stream == 0 {
            if increment == 0 {
                return Err(Fatal::PROTOCOL);
            }
            self.send.add(increment).map_err(|_| Fatal::FLOW_CONTROL)?;
            self.resume_all();
            return Ok(());
        }
        match self.streams.known(header.stream) {
            Known::Idle => Err(Fatal::PROTOCOL),
            Known::Ended(_) | Known::Past => Ok(()),
            Known::Open(slot) if increment == 0 => {
                self.stream_error(slot, ErrorCode::PROTOCOL_ERROR, Fault::Protocol)
            }
            Known::Open(slot) => {
                if self.streams.get(slot).send.add(increment).is_err() {
                    return self.stream_error(
                        slot,
                        ErrorCode::FLOW_CONTROL_ERROR,
                        Fault::FlowControl,
                    );
                }
                self.resume(slot);
                Ok(())
            }
        }
    }
}
