//! Holding senders by their windows, and being held by ours.

use std::future::pending;

use super::peer::*;
use crate::{
    Body, End, ErrorCode, Fault, Head, Http2Settings,
    frame::{flag, kind, setting, write},
};

/// The smallest windows there are.
fn small() -> Http2Settings {
    Http2Settings {
        stream_window_bytes: 20_000,
        connection_window_bytes: 65_535,
        ..Http2Settings::default()
    }
}

async fn start(
    settings: Http2Settings,
    service: impl crate::Service<Call: Send> + Send + 'static,
) -> Peer {
    // A connection window of the default size is not announced, so the handshake differs.
    let mut peer = Peer::silent(settings, service, pending());
    let mut hello = crate::frame::PREFACE.to_vec();
    hello.extend_from_slice(&frame(kind::SETTINGS, 0, 0, &[]));
    hello.extend_from_slice(&frame(kind::SETTINGS, flag::ACK, 0, &[]));
    peer.say(&hello).await;
    peer.hear_kind(kind::SETTINGS).await;
    peer.hear_kind(kind::SETTINGS).await;
    peer
}

fn update(stream: u32, increment: u32) -> Vec<u8> {
    let mut out = bytes::BytesMut::new();
    write::window_update(&mut out, stream, increment);
    out.to_vec()
}

#[tokio::test(start_paused = true)]
async fn held_call_gets_no_window_until_it_takes_its_body() {
    let gate = Gate::closed();
    let mut peer = start(small(), gate.service()).await;
    peer.request(1, false).await;
    peer.data(1, &[1; 15_000], false).await;
    peer.assert_silence().await;
    gate.permits.add_permits(1);
    let (header, increment) = peer.hear_kind(kind::WINDOW_UPDATE).await;
    assert_eq!(
        (header.stream, &increment[..]),
        (1, &15_000u32.to_be_bytes()[..])
    );
    peer.data(1, &[2; 15_000], true).await;
    assert_eq!(peer.answer(1).await.len(), 30_000);
}

#[tokio::test(start_paused = true)]
async fn window_of_taken_bytes_stays_until_they_are_released() {
    let (released, release) = tokio::sync::oneshot::channel::<()>();
    let mut release = Some(release);
    let service = move |_head: Head, mut body: Body| {
        let release = release.take();
        async move {
            let bytes = body.take().await.unwrap().unwrap();
            release.unwrap().await.unwrap();
            body.release(bytes.len());
            pending::<()>().await;
            answer_with("")
        }
    };
    let mut peer = start(small(), service).await;
    peer.request(1, false).await;
    peer.data(1, &[1; 15_000], false).await;
    peer.assert_silence().await;
    released.send(()).unwrap();
    assert_eq!(peer.hear_kind(kind::WINDOW_UPDATE).await.0.stream, 1);
}

#[tokio::test(start_paused = true)]
async fn body_is_discarded_to_its_end_or_its_limit_and_the_window_comes_back() {
    let service = |_head: Head, mut body: Body| async move {
        let whole = body.discard(30_000).await;
        assert_eq!(body.waiting_bytes(), 0, "nothing is kept");
        answer_with(if whole { "whole" } else { "more" })
    };
    let mut peer = start(small(), service).await;
    peer.request(1, false).await;
    peer.data(1, &[0; 15_000], false).await;
    assert_eq!(peer.hear_kind(kind::WINDOW_UPDATE).await.0.stream, 1);
    peer.assert_silence().await;
    peer.data(1, &[0; 15_000], true).await;
    assert_eq!(peer.answer(1).await, "whole");
    peer.request(3, false).await;
    peer.data(3, &[0; 15_000], false).await;
    peer.data(3, &[0; 5_000], false).await;
    peer.assert_open().await;
    peer.data(3, &[0; 10_001], false).await;
    assert_eq!(peer.answer(3).await, "more");
}

#[tokio::test(start_paused = true)]
async fn overrun_of_a_stream_window_resets_the_stream() {
    let mut peer = start(small(), hold).await;
    peer.request(1, false).await;
    peer.data(1, &[0; 16_000], false).await;
    peer.data(1, &[0; 4_001], false).await;
    assert_eq!(peer.reset(1).await, ErrorCode::FLOW_CONTROL_ERROR);
}

#[tokio::test(start_paused = true)]
async fn overrun_of_the_connection_window_ends_the_connection() {
    let mut peer = start(small(), hold).await;
    for id in [1, 3, 5, 7] {
        peer.request(id, false).await;
        peer.data(id, &[0; 16_384], false).await;
    }
    assert_eq!(peer.goaway().await.1, ErrorCode::FLOW_CONTROL_ERROR);
    assert_eq!(peer.closed().await, End::Fault(Fault::FlowControl));
}

#[tokio::test(start_paused = true)]
async fn whatever_becomes_of_a_body_its_connection_window_comes_back() {
    // Dropped unread, cancelled while held, sent after an early answer: each would leak the window in its own way.
    let drops = |_head: Head, body: Body| async move {
        drop(body);
        answer_with("")
    };
    let mut peer = start(small(), drops).await;
    let mut window = 65_535i64;
    for id in (1..2001).step_by(2) {
        peer.request(id, false).await;
        peer.data(id, &[0; 5_000], false).await;
        window -= 5_000;
        let mut answered = false;
        while !answered || window < 20_000 {
            let (header, payload) = peer.hear().await.expect("connection stays open");
            match header.kind {
                kind::WINDOW_UPDATE if header.stream == 0 => {
                    window += i64::from(u32::from_be_bytes(payload[..].try_into().unwrap()));
                }
                kind::RST_STREAM => answered = true,
                _ => {}
            }
        }
        peer.data(id, &[0; 5_000], true).await;
        window -= 5_000;
    }
    let mut peer = start(small(), hold).await;
    for id in (1..201).step_by(2) {
        peer.request(id, false).await;
        peer.data(id, &[0; 10_000], false).await;
        peer.assert_open().await;
        peer.frame(kind::RST_STREAM, 0, id, &[0, 0, 0, 8]).await;
        peer.assert_open().await;
    }
}

#[tokio::test(start_paused = true)]
async fn answer_waits_for_the_stream_window_and_lets_others_pass() {
    let mut peer = Peer::start(Http2Settings::default(), echo).await;
    let mut no_window = bytes::BytesMut::new();
    write::settings(&mut no_window, &[(setting::INITIAL_WINDOW_SIZE, 0)]);
    peer.say(&no_window).await;
    peer.request(1, false).await;
    peer.data(1, b"abcdef", true).await;
    peer.hear_kind(kind::HEADERS).await;
    peer.assert_silence().await;
    peer.request(3, true).await;
    peer.answer(3).await;
    peer.say(&update(1, 4)).await;
    assert_eq!(peer.hear_kind(kind::DATA).await.1, "abcd");
    peer.assert_silence().await;
    let mut window = bytes::BytesMut::new();
    write::settings(&mut window, &[(setting::INITIAL_WINDOW_SIZE, 100)]);
    peer.say(&window).await;
    assert_eq!(peer.answer(1).await, "ef");
}

#[tokio::test(start_paused = true)]
async fn answers_share_the_connection_window() {
    let big = |_head: Head, _body: Body| async { answer_with(vec![7; 40_000]) };
    let mut peer = Peer::start(Http2Settings::default(), big).await;
    peer.request(1, true).await;
    peer.request(3, true).await;
    assert_eq!(peer.answer(1).await.len(), 40_000);
    // Of 65,535 bytes 25,535 are left for the second.
    let mut got = 0;
    while got < 25_535 {
        got += peer.hear_kind(kind::DATA).await.1.len();
    }
    peer.assert_silence().await;
    peer.say(&update(0, 100_000)).await;
    assert_eq!(peer.answer(3).await.len(), 40_000 - 25_535);
}

#[tokio::test(start_paused = true)]
async fn window_beyond_its_maximum_resets_the_stream() {
    let mut peer = Peer::start(Http2Settings::default(), hold).await;
    peer.request(1, false).await;
    peer.say(&update(1, 0x7fff_ffff)).await;
    assert_eq!(peer.reset(1).await, ErrorCode::FLOW_CONTROL_ERROR);
}

#[tokio::test(start_paused = true)]
async fn answers_that_wait_are_bounded_in_memory() {
    let limits = Http2Settings {
        max_blocked_response_bytes: 10_000,
        ..Http2Settings::default()
    };
    let big = |_head: Head, _body: Body| async { answer_with(vec![7; 4_000]) };
    let mut peer = Peer::start(limits, big).await;
    let mut no_window = bytes::BytesMut::new();
    write::settings(&mut no_window, &[(setting::INITIAL_WINDOW_SIZE, 0)]);
    peer.say(&no_window).await;
    for id in [1, 3, 5] {
        peer.request(id, true).await;
    }
    assert_eq!(peer.reset(5).await, ErrorCode::ENHANCE_YOUR_CALM);
    peer.say(&update(3, 4_000)).await;
    assert_eq!(peer.answer(3).await.len(), 4_000);
}
