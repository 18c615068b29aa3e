//! Well-formed and malformed requests.

use super::peer::*;
use crate::{
    Block, Body, End, ErrorCode, Fault, Head, Http2Settings, Response,
    frame::{flag, kind},
};

fn settings() -> Http2Settings {
    Http2Settings::default()
}

fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = Block::trailers();
    for (name, value) in fields {
        builder = builder.field(name, value.as_bytes());
    }
    builder.build().as_bytes().to_vec()
}

const PARTS: [(&str, &str); 3] = [(":method", "POST"), (":scheme", "http"), (":path", "/a")];

#[tokio::test(start_paused = true)]
async fn call_is_answered_with_headers_message_and_trailers() {
    let mut peer = Peer::start(settings(), echo).await;
    peer.request(1, false).await;
    peer.data(1, b"hello", true).await;
    let (headers, block) = peer.hear().await.unwrap();
    assert_eq!(
        (headers.kind, headers.flags),
        (kind::HEADERS, flag::END_HEADERS)
    );
    assert_eq!(block[0], 0x88);
    let (data, payload) = peer.hear().await.unwrap();
    assert_eq!(
        (data.kind, data.flags, &payload[..]),
        (kind::DATA, 0, &b"hello"[..])
    );
    let (trailers, _) = peer.hear().await.unwrap();
    assert_eq!(trailers.flags, flag::END_HEADERS | flag::END_STREAM);
    peer.assert_silence().await;
    assert_eq!(peer.hang_up().await, End::Peer);
}

#[tokio::test(start_paused = true)]
async fn authority_of_a_legacy_mesh_reaches_the_service_as_it_is() {
    let service = |head: Head, _body: Body| async move {
        answer_with(head.authority().unwrap_or(b"none").to_vec())
    };
    let mut peer = Peer::start(settings(), service).await;
    let fields = [
        &[(":authority", "meshaccesslog:opentelemetry:0")],
        &PARTS[..],
    ]
    .concat();
    let end = flag::END_HEADERS | flag::END_STREAM;
    peer.frame(kind::HEADERS, end, 1, &block(&fields)).await;
    assert_eq!(peer.answer(1).await, "meshaccesslog:opentelemetry:0");
    peer.request(3, true).await;
    assert_eq!(peer.answer(3).await, "none");
}

#[tokio::test(start_paused = true)]
async fn body_in_one_frame_is_one_piece_and_trailers_end_a_body() {
    let service = |_head: Head, mut body: Body| async move {
        let mut pieces = Vec::new();
        while let Some(Ok(piece)) = body.chunk().await {
            pieces.push(piece.len() as u8);
        }
        answer_with(pieces)
    };
    let mut peer = Peer::start(settings(), service).await;
    peer.request(1, false).await;
    peer.data(1, &[7; 9000], true).await;
    assert!(
        peer.answer(1)
            .await
            .iter()
            .map(|n| usize::from(*n))
            .eq([9000 % 256])
    );
    peer.request(3, false).await;
    peer.data(3, b"abc", false).await;
    let end = flag::END_HEADERS | flag::END_STREAM;
    peer.frame(kind::HEADERS, end, 3, &block(&[("x-trailer", "1")]))
        .await;
    assert_eq!(&peer.answer(3).await[..], [3]);
}

#[tokio::test(start_paused = true)]
async fn padding_and_priority_are_stripped_and_padding_is_credited() {
    let mut peer = Peer::start(settings(), echo).await;
    let mut padded = vec![2, 0x80, 0, 0, 0, 200];
    padded.extend_from_slice(REQUEST);
    padded.extend_from_slice(&[0, 0]);
    let flags = flag::PADDED | flag::PRIORITY | flag::END_HEADERS;
    peer.frame(kind::HEADERS, flags, 1, &padded).await;
    peer.frame(
        kind::DATA,
        flag::PADDED | flag::END_STREAM,
        1,
        b"\x03body\0\0\0",
    )
    .await;
    assert_eq!(peer.answer(1).await, "body");
}

#[tokio::test(start_paused = true)]
async fn window_of_padding_is_given_back_although_nobody_takes_it() {
    let limits = Http2Settings {
        connection_window_bytes: 65_536,
        ..settings()
    };
    let mut peer = Peer::start(limits, hold).await;
    peer.request(1, false).await;
    let mut payload = [0; 256];
    payload[0] = 255;
    for _ in 0..128 {
        peer.frame(kind::DATA, flag::PADDED, 1, &payload).await;
    }
    let (update, increment) = peer.hear_kind(kind::WINDOW_UPDATE).await;
    assert_eq!(
        (update.stream, &increment[..]),
        (0, &32_768u32.to_be_bytes()[..])
    );
}

#[tokio::test(start_paused = true)]
async fn malformed_requests_reset_their_stream_only() {
    let mut peer = Peer::start(settings(), echo).await;
    let bad: [&[(&str, &str)]; 5] = [
        &[],
        &[("x-early", "1"), (":path", "/")],
        &[("connection", "close")],
        &[("te", "gzip")],
        &[("content-length", "5")],
    ];
    let mut id = 1;
    for extra in bad {
        let parts = if extra.is_empty() {
            &PARTS[1..]
        } else {
            &PARTS[..]
        };
        let fields = [parts, extra].concat();
        let end = flag::END_HEADERS | flag::END_STREAM;
        peer.frame(kind::HEADERS, end, id, &block(&fields)).await;
        assert_eq!(
            peer.reset(id).await,
            ErrorCode::PROTOCOL_ERROR,
            "{fields:?}"
        );
        id += 2;
    }
    peer.request(id, true).await;
    assert_eq!(peer.answer(id).await, "");
}

#[tokio::test(start_paused = true)]
async fn body_that_differs_from_its_declared_length_is_reset() {
    for body in [&b"1234"[..], b"123456"] {
        let mut peer = Peer::start(settings(), echo).await;
        let fields = [&PARTS[..], &[("content-length", "5")]].concat();
        peer.frame(kind::HEADERS, flag::END_HEADERS, 1, &block(&fields))
            .await;
        peer.data(1, body, true).await;
        assert_eq!(peer.reset(1).await, ErrorCode::PROTOCOL_ERROR);
    }
}

#[tokio::test(start_paused = true)]
async fn early_answer_tells_the_peer_to_stop_and_ignores_what_still_comes() {
    let refuse = |_head: Head, _body: Body| async {
        Response::headers(Block::response(200).field("grpc-status", b"14").build())
    };
    let mut peer = Peer::start(settings(), refuse).await;
    peer.request(1, false).await;
    peer.answer(1).await;
    assert_eq!(peer.reset(1).await, ErrorCode::NO_ERROR);
    peer.data(1, &[0; 1000], false).await;
    peer.data(1, &[0; 1000], true).await;
    let end = flag::END_HEADERS | flag::END_STREAM;
    peer.frame(kind::HEADERS, end, 1, &block(&[("x-late-trailer", "1")]))
        .await;
    peer.assert_silence().await;
}

#[tokio::test(start_paused = true)]
async fn too_many_headers_get_status_431() {
    let limits = Http2Settings {
        max_header_list_bytes: 300,
        ..settings()
    };
    let mut peer = Peer::start(limits, echo).await;
    let long = "x".repeat(300);
    let fields = [&PARTS[..], &[("x-long", &long)]].concat();
    let end = flag::END_HEADERS | flag::END_STREAM;
    peer.frame(kind::HEADERS, end, 1, &block(&fields)).await;
    let (headers, payload) = peer.hear().await.unwrap();
    assert_eq!((headers.stream, headers.flags), (1, end));
    assert_eq!(payload, Block::response(431).build().as_bytes());
    peer.request(3, true).await;
    peer.answer(3).await;
}

#[tokio::test(start_paused = true)]
async fn streams_above_the_limit_are_refused_for_a_retry() {
    let limits = Http2Settings {
        max_concurrent_streams: 2,
        ..settings()
    };
    let gate = Gate::closed();
    let mut peer = Peer::start(limits, gate.service()).await;
    for id in [1, 3, 5] {
        peer.request(id, true).await;
    }
    assert_eq!(peer.reset(5).await, ErrorCode::REFUSED_STREAM);
    gate.permits.add_permits(2);
    peer.answer(1).await;
}

#[tokio::test(start_paused = true)]
async fn connection_errors_name_their_code() {
    let reset = |code, fault| (code, End::Fault(fault));
    let protocol = reset(ErrorCode::PROTOCOL_ERROR, Fault::Protocol);
    let size = reset(ErrorCode::FRAME_SIZE_ERROR, Fault::FrameSize);
    let end = flag::END_HEADERS | flag::END_STREAM;
    let cases = [
        (frame(kind::DATA, 0, 0, b"x"), protocol),
        (frame(kind::DATA, 0, 1, b"x"), protocol),
        (frame(kind::HEADERS, end, 2, REQUEST), protocol),
        (frame(kind::CONTINUATION, end, 1, REQUEST), protocol),
        (frame(kind::PUSH_PROMISE, end, 1, REQUEST), protocol),
        (frame(kind::PING, 0, 0, b"1234567"), size),
        (frame(kind::PING, 0, 1, b"12345678"), protocol),
        (frame(kind::SETTINGS, flag::ACK, 0, &[0; 6]), size),
        (frame(kind::RST_STREAM, 0, 1, &[0; 4]), protocol),
        (frame(kind::WINDOW_UPDATE, 0, 0, &[0; 4]), protocol),
        (
            frame(kind::WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]),
            reset(ErrorCode::FLOW_CONTROL_ERROR, Fault::FlowControl),
        ),
        (
            frame(kind::HEADERS, end, 1, &[0xbe]),
            reset(ErrorCode::COMPRESSION_ERROR, Fault::Compression),
        ),
        (frame(kind::DATA, 0, 1, &[0; (16 << 10) + 1]), size),
    ];
    for (bytes, (code, fault)) in cases {
        let mut peer = Peer::start(settings(), echo).await;
        peer.say(&bytes).await;
        assert_eq!(peer.goaway().await.1, code, "{bytes:02x?}");
        assert_eq!(peer.closed().await, fault);
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_speaks_another_protocol_is_told_and_closed() {
    let mut peer = Peer::silent(settings(), echo, std::future::pending());
    peer.say(b"GET / HTTP/1.1\r\n\r\n").await;
    assert_eq!(peer.goaway().await, (0, ErrorCode::PROTOCOL_ERROR));
    assert_eq!(peer.closed().await, End::Fault(Fault::Preface));
}

#[tokio::test(start_paused = true)]
async fn cancelled_call_is_dropped_and_its_place_is_free() {
    let limits = Http2Settings {
        max_concurrent_streams: 1,
        ..settings()
    };
    let gate = Gate::closed();
    let mut peer = Peer::start(limits, gate.service()).await;
    peer.request(1, true).await;
    peer.assert_silence().await;
    peer.frame(kind::RST_STREAM, 0, 1, &8u32.to_be_bytes())
        .await;
    peer.request(3, true).await;
    gate.permits.add_permits(1);
    peer.answer(3).await;
    assert_eq!(gate.taken.lock().unwrap().len(), 1);
}
