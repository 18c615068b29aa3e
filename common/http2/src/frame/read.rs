//! Payloads of frames, parsed in place.
//!
//! *Does not* know streams or state: only what the bytes of one frame say.

use super::{FrameHeader, flag, setting};
use crate::{
    error::{ErrorCode, Fatal, Fault},
    settings::MAX_WINDOW,
};

/// Bytes of a PRIORITY payload, and of the priority part of HEADERS.
pub(crate) const PRIORITY_LEN: usize = 5;

/// How many bytes of padding a DATA or HEADERS payload has before (0 or 1) and after its content.
///
/// # Errors
/// The padding is as long as the payload or longer.
pub(crate) fn padding(header: FrameHeader, payload: &[u8]) -> Result<(usize, usize), Fatal> {
    if !header.has(flag::PADDED) {
        return Ok((0, 0));
    }
    match payload.first() {
        Some(pad) if usize::from(*pad) < payload.len() => Ok((1, usize::from(*pad))),
        Some(_) => Err(Fatal::PROTOCOL),
        None => Err(Fatal::FRAME_SIZE),
    }
}

/// The header block fragment of a HEADERS frame, and the stream that its priority part depends on.
pub(crate) fn headers(header: FrameHeader, payload: &[u8]) -> Result<(&[u8], Option<u32>), Fatal> {
    let (before, after) = padding(header, payload)?;
    let content = &payload[before..payload.len() - after];
    if !header.has(flag::PRIORITY) {
        return Ok((content, None));
    }
    let depends = content.first_chunk().ok_or(Fatal::FRAME_SIZE)?;
    let fragment = content.get(PRIORITY_LEN..).ok_or(Fatal::FRAME_SIZE)?;
    Ok((fragment, Some(u32::from_be_bytes(*depends) & MAX_WINDOW)))
}

/// A payload that is one 31-bit number.
pub(crate) fn number(payload: &[u8]) -> Result<u32, Fatal> {
    payload
        .try_into()
        .map(u32::from_be_bytes)
        .map_err(|_| Fatal::FRAME_SIZE)
}

/// What we heed of the peer's settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PeerSettings {
    pub(crate) initial_window: u32,
    pub(crate) max_frame: usize,
}

impl PeerSettings {
    /// The same with the parameters of a SETTINGS payload applied in order. Unknown ones are ignored, and so is the table size:
    /// our answers never use the peer's table.
    pub(crate) fn apply(mut self, payload: &[u8]) -> Result<Self, Fatal> {
        let (parameters, rest) = payload.as_chunks::<6>();
        if !rest.is_empty() {
            return Err(Fatal::FRAME_SIZE);
        }
        for [i0, i1, v0, v1, v2, v3] in parameters {
            let value = u32::from_be_bytes([*v0, *v1, *v2, *v3]);
            match u16::from_be_bytes([*i0, *i1]) {
                setting::ENABLE_PUSH if value > 1 => return Err(Fatal::PROTOCOL),
                setting::INITIAL_WINDOW_SIZE if value > MAX_WINDOW => {
                    return Err(Fatal(ErrorCode::FLOW_CONTROL_ERROR, Fault::FlowControl));
                }
                setting::INITIAL_WINDOW_SIZE => self.initial_window = value,
                setting::MAX_FRAME_SIZE if !(1 << 14..1 << 24).contains(&value) => {
                    return Err(Fatal::PROTOCOL);
                }
                setting::MAX_FRAME_SIZE => self.max_frame = value as usize,
                _ => {}
            }
        }
        Ok(self)
    }
}
