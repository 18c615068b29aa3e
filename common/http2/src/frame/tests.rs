//! Headers round trip; payloads that do not fit their type are refused with the right code.

use bytes::BytesMut;

use super::{
    read::{PeerSettings, headers, number, padding},
    *,
};
use crate::error::{ErrorCode, Fatal};

const PEER: PeerSettings = PeerSettings {
    initial_window: 65_535,
    max_frame: 1 << 14,
};

fn frame(kind: u8, flags: u8, len: usize) -> FrameHeader {
    FrameHeader {
        len,
        kind,
        flags,
        stream: 1,
    }
}

#[test]
fn header_round_trips_without_the_reserved_bit() {
    let header = FrameHeader {
        len: 0x01_02_03,
        kind: 9,
        flags: 0x2d,
        stream: 0x7fff_fffe,
    };
    let mut bytes = header.encode();
    assert_eq!(FrameHeader::parse(&bytes), Some(header));
    bytes[5] |= 0x80;
    assert_eq!(FrameHeader::parse(&bytes), Some(header));
    assert_eq!(FrameHeader::parse(&bytes[..8]), None);
}

#[test]
fn padding_must_leave_room_for_itself() {
    let padded = frame(kind::DATA, flag::PADDED, 3);
    assert_eq!(padding(padded, &[2, 0, 0]), Ok((1, 2)));
    assert_eq!(padding(padded, &[3, 0, 0]), Err(Fatal::PROTOCOL));
    assert_eq!(padding(padded, &[]), Err(Fatal::FRAME_SIZE));
    assert_eq!(padding(frame(kind::DATA, 0, 1), &[9]), Ok((0, 0)));
}

#[test]
fn priority_part_of_headers_is_cut_off() {
    let both = frame(kind::HEADERS, flag::PADDED | flag::PRIORITY, 0);
    let payload = [1, 0x80, 0, 0, 7, 16, b'x', 0];
    assert_eq!(headers(both, &payload), Ok((&b"x"[..], Some(7))));
    assert_eq!(headers(both, &payload[..5]), Err(Fatal::FRAME_SIZE));
}

#[test]
fn numbers_have_four_bytes() {
    assert_eq!(number(&[0, 0, 1, 0]), Ok(256));
    assert_eq!(number(&[0, 0, 1]), Err(Fatal::FRAME_SIZE));
}

#[test]
fn settings_apply_in_order_and_unknown_ones_are_ignored() {
    let mut out = BytesMut::new();
    write::settings(
        &mut out,
        &[
            (0x99, 7),
            (setting::INITIAL_WINDOW_SIZE, 1),
            (setting::INITIAL_WINDOW_SIZE, 2),
            (setting::MAX_FRAME_SIZE, 20_000),
        ],
    );
    let applied = PEER.apply(&out[HEADER_LEN..]);
    assert_eq!(
        applied,
        Ok(PeerSettings {
            initial_window: 2,
            max_frame: 20_000
        })
    );
}

#[test]
fn impossible_settings_are_refused() {
    let cases = [
        (setting::ENABLE_PUSH, 2, ErrorCode::PROTOCOL_ERROR),
        (
            setting::INITIAL_WINDOW_SIZE,
            1 << 31,
            ErrorCode::FLOW_CONTROL_ERROR,
        ),
        (
            setting::MAX_FRAME_SIZE,
            (1 << 14) - 1,
            ErrorCode::PROTOCOL_ERROR,
        ),
        (setting::MAX_FRAME_SIZE, 1 << 24, ErrorCode::PROTOCOL_ERROR),
    ];
    for (id, value, code) in cases {
        let mut out = BytesMut::new();
        write::settings(&mut out, &[(id, value)]);
        assert_eq!(
            PEER.apply(&out[HEADER_LEN..]).map_err(|fatal| fatal.0),
            Err(code)
        );
    }
    assert_eq!(PEER.apply(&[0; 7]), Err(Fatal::FRAME_SIZE));
}

#[test]
fn long_blocks_go_out_in_continuations() {
    let mut out = BytesMut::new();
    write::headers(&mut out, 5, &[7; 25], true, 10);
    let mut seen = Vec::new();
    let mut rest = &out[..];
    while let Some(header) = FrameHeader::parse(rest) {
        seen.push((header.kind, header.flags, header.len));
        rest = &rest[HEADER_LEN + header.len..];
    }
    let expected = [
        (kind::HEADERS, flag::END_STREAM, 10),
        (kind::CONTINUATION, 0, 10),
        (kind::CONTINUATION, flag::END_HEADERS, 5),
    ];
    assert_eq!(seen, expected);
}
