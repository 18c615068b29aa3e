//! Frames that we send, appended to a buffer.

use bytes::{BufMut, BytesMut};

use super::{FrameHeader, flag, kind};
use crate::error::ErrorCode;

/// A frame header alone; the payload follows by other means.
pub(crate) fn header(out: &mut BytesMut, len: usize, kind: u8, flags: u8, stream: u32) {
    out.extend_from_slice(
        &FrameHeader {
            len,
            kind,
            flags,
            stream,
        }
        .encode(),
    );
}

pub(crate) fn settings(out: &mut BytesMut, parameters: &[(u16, u32)]) {
    header(out, parameters.len() * 6, kind::SETTINGS, 0, 0);
    for (id, value) in parameters {
        out.put_u16(*id);
        out.put_u32(*value);
    }
}

pub(crate) fn settings_ack(out: &mut BytesMut) {
    header(out, 0, kind::SETTINGS, flag::ACK, 0);
}

pub(crate) fn ping(out: &mut BytesMut, flags: u8, payload: [u8; 8]) {
    header(out, 8, kind::PING, flags, 0);
    out.extend_from_slice(&payload);
}

pub(crate) fn goaway(out: &mut BytesMut, last_stream: u32, code: ErrorCode) {
    header(out, 8, kind::GOAWAY, 0, 0);
    out.put_u32(last_stream);
    out.put_u32(code.0);
}

pub(crate) fn reset(out: &mut BytesMut, stream: u32, code: ErrorCode) {
    header(out, 4, kind::RST_STREAM, 0, stream);
    out.put_u32(code.0);
}

pub(crate) fn window_update(out: &mut BytesMut, stream: u32, increment: u32) {
    header(out, 4, kind::WINDOW_UPDATE, 0, stream);
    out.put_u32(increment);
}

/// A header block, in as many frames as the peer's frame size asks for.
pub(crate) fn headers(
    out: &mut BytesMut,
    stream: u32,
    block: &[u8],
    end_stream: bool,
    max_frame: usize,
) {
    let mut kind = kind::HEADERS;
    let mut flags = if end_stream { flag::END_STREAM } else { 0 };
    let mut rest = block;
    loop {
        let (fragment, after) = rest.split_at(rest.len().min(max_frame));
        if after.is_empty() {
            flags |= flag::END_HEADERS;
        }
        header(out, fragment.len(), kind, flags, stream);
        out.extend_from_slice(fragment);
        if after.is_empty() {
            return;
        }
        (kind, flags, rest) = (kind::CONTINUATION, 0, after);
    }
}
