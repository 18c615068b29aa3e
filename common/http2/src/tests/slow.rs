//! Peers that begin things and do not end them.

use std::{future::pending, time::Duration};

use tokio::time::{Instant, sleep};

use super::peer::*;
use crate::{
    Body, End, ErrorCode, Fault, Head, Http2Settings,
    frame::{PREFACE, flag, kind, setting, write},
};

fn settings() -> Http2Settings {
    Http2Settings::default()
}

/// Waits for the connection to be ended for `fault` with `code`, and checks that this took `expected`, give or take ticks.
async fn ended(mut peer: Peer, since: Instant, expected: Duration, code: ErrorCode, fault: Fault) {
    assert_eq!(peer.goaway().await.1, code);
    let took = since.elapsed();
    assert!(
        took >= expected && took < expected + Duration::from_secs(3),
        "took {took:?}"
    );
    assert_eq!(peer.closed().await, End::Fault(fault));
}

#[tokio::test(start_paused = true)]
async fn handshake_must_come_in_time() {
    for said in [&b""[..], b"PRI * HT", PREFACE] {
        let mut peer = Peer::silent(settings(), echo, pending());
        let start = Instant::now();
        peer.say(said).await;
        let limit = settings().handshake_timeout;
        ended(
            peer,
            start,
            limit,
            ErrorCode::SETTINGS_TIMEOUT,
            Fault::SlowHandshake,
        )
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn settings_must_be_acknowledged_in_time() {
    let mut peer = Peer::silent(settings(), echo, pending());
    let start = Instant::now();
    peer.say(PREFACE).await;
    peer.frame(kind::SETTINGS, 0, 0, &[]).await;
    let limit = settings().handshake_timeout;
    ended(
        peer,
        start,
        limit,
        ErrorCode::SETTINGS_TIMEOUT,
        Fault::SettingsTimeout,
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn header_block_must_end_in_time() {
    let mut peer = Peer::start(settings(), echo).await;
    peer.frame(kind::HEADERS, 0, 1, REQUEST).await;
    let start = Instant::now();
    let limit = settings().header_timeout;
    ended(
        peer,
        start,
        limit,
        ErrorCode::ENHANCE_YOUR_CALM,
        Fault::SlowHeaders,
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn frame_must_end_in_time_however_steadily_it_drips() {
    let mut peer = Peer::start(settings(), echo).await;
    peer.request(1, false).await;
    let start = Instant::now();
    let data = frame(kind::DATA, 0, 1, &[0; 1000]);
    for byte in &data[..20] {
        peer.say(&[*byte]).await;
        sleep(Duration::from_secs(1)).await;
    }
    let limit = settings().frame_timeout;
    ended(
        peer,
        start,
        limit,
        ErrorCode::ENHANCE_YOUR_CALM,
        Fault::SlowFrame,
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn body_that_drips_is_reset_and_others_go_on() {
    let mut peer = Peer::start(settings(), echo).await;
    let start = Instant::now();
    peer.request(1, false).await;
    for _ in 0..29 {
        peer.data(1, b"drip", false).await;
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(peer.reset(1).await, ErrorCode::CANCEL);
    assert!(start.elapsed() < Duration::from_secs(33));
    peer.request(3, true).await;
    peer.answer(3).await;
}

#[tokio::test(start_paused = true)]
async fn slow_but_steady_body_is_taken() {
    let mut peer = Peer::start(settings(), echo).await;
    peer.request(1, false).await;
    for _ in 0..12 {
        peer.data(1, &[0; 5000], false).await;
        sleep(Duration::from_secs(20)).await;
    }
    peer.data(1, b"", true).await;
    assert_eq!(peer.answer(1).await.len(), 60_000);
}

#[tokio::test(start_paused = true)]
async fn sender_that_we_hold_is_not_slow() {
    let limits = Http2Settings {
        stream_window_bytes: 10_000,
        ..settings()
    };
    let gate = Gate::closed();
    let mut peer = Peer::start(limits, gate.service()).await;
    peer.request(1, false).await;
    peer.data(1, &[1; 10_000], false).await;
    for _ in 0..10 {
        sleep(Duration::from_secs(50)).await;
        // Answers keepalives meanwhile.
        peer.frame(kind::PING, flag::ACK, 0, &[0; 8]).await;
    }
    gate.permits.add_permits(1);
    peer.hear_kind(kind::WINDOW_UPDATE).await;
    peer.data(1, b"rest", true).await;
    assert_eq!(peer.answer(1).await.len(), 10_004);
}

#[tokio::test(start_paused = true)]
async fn answer_that_gets_no_window_is_given_up() {
    let mut peer = Peer::start(settings(), echo).await;
    let mut no_window = bytes::BytesMut::new();
    write::settings(&mut no_window, &[(setting::INITIAL_WINDOW_SIZE, 0)]);
    peer.say(&no_window).await;
    peer.request(1, false).await;
    peer.data(1, b"abc", true).await;
    let start = Instant::now();
    assert_eq!(peer.reset(1).await, ErrorCode::CANCEL);
    assert!(start.elapsed() >= settings().response_timeout);
}

#[tokio::test(start_paused = true)]
async fn connection_that_takes_nothing_is_given_up() {
    let big = |_head: Head, _body: Body| async { answer_with(vec![0; 65_000]) };
    let mut peer = Peer::start(settings(), big).await;
    let mut window = bytes::BytesMut::new();
    write::window_update(&mut window, 0, 1 << 20);
    peer.say(&window).await;
    for id in [1, 3, 5, 7] {
        peer.request(id, true).await;
    }
    let start = Instant::now();
    assert_eq!(peer.end_unread().await, End::Fault(Fault::WriteStalled));
    assert!(start.elapsed() >= settings().write_timeout);
}

#[tokio::test(start_paused = true)]
async fn keepalive_finds_the_dead_and_keeps_the_living() {
    let limits = Http2Settings {
        keepalive_interval: Some(Duration::from_secs(10)),
        keepalive_timeout: Duration::from_secs(5),
        ..settings()
    };
    let mut peer = Peer::start(limits, echo).await;
    for _ in 0..5 {
        let (ping, payload) = peer.hear_kind(kind::PING).await;
        assert!(!ping.has(flag::ACK));
        peer.frame(kind::PING, flag::ACK, 0, &payload).await;
    }
    peer.hear_kind(kind::PING).await;
    let start = Instant::now();
    ended(
        peer,
        start,
        Duration::from_secs(5),
        ErrorCode::NO_ERROR,
        Fault::KeepaliveTimeout,
    )
    .await;
}
