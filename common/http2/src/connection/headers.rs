//! Header blocks: put together, decoded, and made into calls, trailers or refusals.
//!
//! *Invariant:* every block that came whole is decoded, whatever becomes of its stream, because the header table must follow.

use tokio::io::{AsyncRead, AsyncWrite};

use super::{Connection, Expect};
use crate::{
    Service,
    error::{ErrorCode, Fatal, Fault},
    frame::{FrameHeader, flag, read, write},
    head::{Head, HeadBuilder, Unfit, check_trailers},
    hpack::Block,
    lifecycle::Phase,
    streams::{Ended, Known},
};

/// A header block of which CONTINUATION frames are still to come.
#[derive(Debug)]
pub(super) struct PartialBlock {
    stream: u32,
    end_stream: bool,
    self_dependent: bool,
    bytes: Vec<u8>,
    continuations: u32,
    pub(super) since: tokio::time::Instant,
}

const COMPRESSION: Fatal = Fatal(ErrorCode::COMPRESSION_ERROR, Fault::Compression);

impl<IO, S> Connection<IO, S>
where
    IO: AsyncRead + AsyncWrite + Unpin,
    S: Service,
{
    pub(super) fn on_headers(&mut self, header: FrameHeader, payload: &[u8]) -> Result<(), Fatal> {
        // Even ids are for the server to open.
        if header.stream.is_multiple_of(2) {
            return Err(Fatal::PROTOCOL);
        }
        let (fragment, depends) = read::headers(header, payload)?;
        let self_dependent = depends == Some(header.stream);
        let end_stream = header.has(flag::END_STREAM);
        if header.has(flag::END_HEADERS) {
            return self.on_block(header.stream, fragment, end_stream, self_dependent);
        }
        self.block = Some(PartialBlock {
            stream: header.stream,
            end_stream,
            self_dependent,
            bytes: fragment.to_vec(),
            continuations: 0,
            since: self.now,
        });
        self.expect = Expect::Continuation;
        Ok(())
    }

    pub(super) fn on_continuation(
        &mut self,
        header: FrameHeader,
        payload: &[u8],
    ) -> Result<(), Fatal> {
        let mut block = self.block.take().ok_or(Fatal::PROTOCOL)?;
        if header.stream != block.stream {
            return Err(Fatal::PROTOCOL);
        }
        block.continuations += 1;
        block.bytes.extend_from_slice(payload);
        let settings = &self.context.settings;
        let max_bytes = settings.max_header_list_bytes as usize + settings.max_frame_bytes as usize;
        if block.continuations > settings.max_continuation_frames || block.bytes.len() > max_bytes {
            return Err(Fatal(
                ErrorCode::ENHANCE_YOUR_CALM,
                Fault::ContinuationFlood,
            ));
        }
        if !header.has(flag::END_HEADERS) {
            self.block = Some(block);
            return Ok(());
        }
        self.expect = Expect::Frames;
        self.on_block(
            block.stream,
            &block.bytes,
            block.end_stream,
            block.self_dependent,
        )
    }

    /// A whole header block.
    fn on_block(
        &mut self,
        id: u32,
        block: &[u8],
        end_stream: bool,
        self_dependent: bool,
    ) -> Result<(), Fatal> {
        match self.streams.known(id) {
            Known::Open(slot) => self.on_trailers(slot, block, end_stream && !self_dependent),
            Known::Ended(Ended::ByUs) => {
                self.decoder
                    .decode(block, |_, _| {})
                    .map_err(|_| COMPRESSION)?;
                self.spend_control()
            }
            Known::Ended(Ended::ForBoth) => {
                Err(Fatal(ErrorCode::STREAM_CLOSED, Fault::ClosedStream))
            }
            Known::Past => Err(Fatal::PROTOCOL),
            Known::Idle => {
                let head = self.decode_head(block)?;
                let head = if self_dependent {
                    Err(Unfit::Malformed)
                } else {
                    head
                };
                self.on_request(id, head, end_stream)
            }
        }
    }

    fn decode_head(&mut self, block: &[u8]) -> Result<Result<Head, Unfit>, Fatal> {
        let version = self.decoder.version();
        if let Some(head) = self.heads.get(block, version) {
            return Ok(Ok(head));
        }
        let limit = self.context.settings.max_header_list_bytes as usize;
        let mut builder = HeadBuilder::new(limit);
        self.decoder
            .decode(block, |name, value| builder.push(name, value))
            .map_err(|_| COMPRESSION)?;
        let head = builder.finish();
        if let Ok(head) = &head
            && self.decoder.version() == version
        {
            self.heads.put(block, version, head);
        }
        Ok(head)
    }

    fn on_request(
        &mut self,
        id: u32,
        head: Result<Head, Unfit>,
        end_stream: bool,
    ) -> Result<(), Fatal> {
        if self.life.phase == Phase::Left {
            // The peer knows from the GOAWAY that it must send this call elsewhere.
            self.streams.skip(id, Ended::ByUs);
            return Ok(());
        }
        let head = match head {
            Ok(head) => head,
            Err(Unfit::Malformed) => {
                return self.refuse(id, ErrorCode::PROTOCOL_ERROR, Fault::MalformedRequest);
            }
            Err(Unfit::TooLarge) => return self.too_large(id, end_stream),
        };
        if end_stream && head.content_length().is_some_and(|promised| promised > 0) {
            return self.refuse(id, ErrorCode::PROTOCOL_ERROR, Fault::MalformedRequest);
        }
        if self.streams.active() >= self.context.settings.max_concurrent_streams as usize {
            return self.refuse(id, ErrorCode::REFUSED_STREAM, Fault::RefusedStream);
        }
        let windows = (
            self.context.settings.stream_window_bytes,
            self.peer.initial_window,
        );
        let slot = self
            .streams
            .open(id, head, windows, self.now, &self.shared.ready);
        self.streams.get(slot).recv_ended = end_stream;
        self.shared.open(slot, id, end_stream);
        self.arrived.push((slot, id));
        self.life.idle_since = None;
        Ok(())
    }

    /// Resets a stream that was never opened.
    fn refuse(&mut self, id: u32, code: ErrorCode, fault: Fault) -> Result<(), Fatal> {
        self.context.metrics.fault(fault);
        write::reset(self.out.frames(), id, code);
        self.streams.skip(id, Ended::ByUs);
        self.spend_reset()
    }

    fn too_large(&mut self, id: u32, end_stream: bool) -> Result<(), Fatal> {
        self.context.metrics.fault(Fault::HeaderListTooLarge);
        let block = Block::response(431).build();
        let max_frame = self.peer.max_frame;
        write::headers(self.out.frames(), id, block.as_bytes(), true, max_frame);
        if end_stream {
            self.streams.skip(id, Ended::ForBoth);
        } else {
            write::reset(self.out.frames(), id, ErrorCode::NO_ERROR);
            self.streams.skip(id, Ended::ByUs);
        }
        self.spend_reset()
    }

    /// A second block of a stream must end it. Its fields are of no use to a unary call, but must be valid.
    fn on_trailers(&mut self, slot: u32, block: &[u8], end_stream: bool) -> Result<(), Fatal> {
        let mut valid = end_stream;
        self.decoder
            .decode(block, |name, value| valid &= check_trailers(name, value))
            .map_err(|_| COMPRESSION)?;
        let stream = self.streams.get(slot);
        if stream.recv_ended {
            return self.stream_error(slot, ErrorCode::STREAM_CLOSED, Fault::ClosedStream);
        }
        if !valid || stream.promised.is_some_and(|left| left > 0) {
            return self.stream_error(slot, ErrorCode::PROTOCOL_ERROR, Fault::MalformedRequest);
        }
        stream.recv_ended = true;
        let waker = self.shared.push(slot, super::EMPTY, 0, true);
        if let Some(waker) = waker {
            waker.wake();
        }
        Ok(())
    }
}
