//! How connections end: age, idleness, drain, and the peer's own end.

use std::time::Duration;

use tokio::{sync::oneshot, time::Instant};

use super::peer::*;
use crate::{
    End, ErrorCode, Http2Settings,
    frame::{flag, kind},
};

const NO_LAST: u32 = 0x7fff_ffff;

fn settings() -> Http2Settings {
    Http2Settings::default()
}

/// A peer behind a gate, and what makes the server drain for ten seconds at most.
async fn draining(gate: &Gate) -> (Peer, oneshot::Sender<()>) {
    let (drain, drained) = oneshot::channel::<()>();
    let signal = async move {
        drained.await.unwrap();
        Instant::now() + Duration::from_secs(10)
    };
    (
        Peer::start_until(settings(), gate.service(), signal).await,
        drain,
    )
}

/// Hears the first GOAWAY and the PING behind it. Gives what answers that PING.
async fn first_goaway(peer: &mut Peer) -> Vec<u8> {
    assert_eq!(peer.goaway().await, (NO_LAST, ErrorCode::NO_ERROR));
    let (ping, payload) = peer.hear().await.unwrap();
    assert_eq!((ping.kind, ping.flags), (kind::PING, 0));
    frame(kind::PING, flag::ACK, 0, &payload).to_vec()
}

#[tokio::test(start_paused = true)]
async fn drain_finishes_calls_even_those_that_cross_the_goaway() {
    let gate = Gate::closed();
    let (mut peer, drain) = draining(&gate).await;
    peer.request(1, true).await;
    drain.send(()).unwrap();
    let pong = first_goaway(&mut peer).await;
    peer.request(3, true).await;
    peer.say(&pong).await;
    assert_eq!(peer.goaway().await, (3, ErrorCode::NO_ERROR));
    // The peer was told; this one it will send elsewhere.
    peer.request(5, true).await;
    peer.assert_silence().await;
    gate.permits.add_permits(3);
    peer.answer(1).await;
    peer.answer(3).await;
    assert_eq!(peer.closed().await, End::Drained);
    assert_eq!(gate.taken.lock().unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn drain_cuts_calls_off_at_its_deadline() {
    let gate = Gate::closed();
    let (mut peer, drain) = draining(&gate).await;
    peer.request(1, true).await;
    drain.send(()).unwrap();
    let start = Instant::now();
    let pong = first_goaway(&mut peer).await;
    peer.say(&pong).await;
    assert_eq!(peer.closed().await, End::Drained);
    let took = start.elapsed();
    assert!(
        took >= Duration::from_secs(10) && took < Duration::from_secs(12),
        "took {took:?}"
    );
    assert!(gate.taken.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn peer_that_does_not_answer_the_ping_is_not_waited_for() {
    let gate = Gate::closed();
    let (mut peer, drain) = draining(&gate).await;
    peer.request(1, true).await;
    drain.send(()).unwrap();
    first_goaway(&mut peer).await;
    let start = Instant::now();
    assert_eq!(peer.goaway().await, (1, ErrorCode::NO_ERROR));
    assert!(start.elapsed() >= settings().goaway_timeout);
    gate.permits.add_permits(1);
    peer.answer(1).await;
    assert_eq!(peer.closed().await, End::Drained);
}

#[tokio::test(start_paused = true)]
async fn old_connection_is_closed_without_losing_a_call() {
    let limits = Http2Settings {
        max_connection_age: Some(Duration::from_secs(100)),
        keepalive_interval: None,
        ..settings()
    };
    let gate = Gate::closed();
    let mut peer = Peer::start(limits, gate.service()).await;
    let start = Instant::now();
    peer.request(1, true).await;
    let pong = first_goaway(&mut peer).await;
    let age = start.elapsed();
    assert!(
        age >= Duration::from_secs(89) && age < Duration::from_secs(112),
        "age {age:?}"
    );
    peer.say(&pong).await;
    gate.permits.add_permits(1);
    peer.answer(1).await;
    assert_eq!(peer.closed().await, End::Aged);
}

#[tokio::test(start_paused = true)]
async fn grace_after_the_age_is_bounded() {
    let limits = Http2Settings {
        max_connection_age: Some(Duration::from_secs(10)),
        max_connection_age_grace: Some(Duration::from_secs(5)),
        ..settings()
    };
    let mut peer = Peer::start(limits, hold).await;
    peer.request(1, false).await;
    first_goaway(&mut peer).await;
    let start = Instant::now();
    assert_eq!(peer.closed().await, End::Aged);
    assert!(start.elapsed() < Duration::from_secs(8));
}

#[tokio::test(start_paused = true)]
async fn idle_connection_is_closed_and_calls_keep_it_open() {
    let limits = Http2Settings {
        idle_timeout: Some(Duration::from_secs(30)),
        keepalive_interval: None,
        ..settings()
    };
    let mut peer = Peer::start(limits, echo).await;
    for id in [1, 3, 5] {
        tokio::time::sleep(Duration::from_secs(20)).await;
        peer.request(id, true).await;
        peer.answer(id).await;
    }
    let start = Instant::now();
    let pong = first_goaway(&mut peer).await;
    let idle = start.elapsed();
    assert!(
        idle >= Duration::from_secs(30) && idle < Duration::from_secs(33),
        "idle {idle:?}"
    );
    peer.say(&pong).await;
    assert_eq!(peer.goaway().await, (5, ErrorCode::NO_ERROR));
    assert_eq!(peer.closed().await, End::Idle);
}

#[tokio::test(start_paused = true)]
async fn goaway_of_the_peer_lets_its_calls_finish() {
    let gate = Gate::closed();
    let mut peer = Peer::start(settings(), gate.service()).await;
    peer.request(1, true).await;
    peer.frame(kind::GOAWAY, 0, 0, &[0; 8]).await;
    let pong = first_goaway(&mut peer).await;
    peer.say(&pong).await;
    gate.permits.add_permits(1);
    peer.answer(1).await;
    assert_eq!(peer.closed().await, End::Peer);
}

#[tokio::test(start_paused = true)]
async fn last_calls_of_a_peer_that_is_gone_are_kept_if_they_came_whole() {
    let gate = Gate::closed();
    let mut peer = Peer::start(settings(), gate.service()).await;
    peer.request(1, false).await;
    peer.data(1, b"whole", true).await;
    peer.request(3, false).await;
    peer.data(3, b"whole too", true).await;
    peer.request(5, false).await;
    peer.data(5, b"par", false).await;
    // A frame that is cut off in its middle.
    peer.say(&frame(kind::DATA, flag::END_STREAM, 5, b"tial")[..11])
        .await;
    peer.assert_silence().await;
    gate.permits.add_permits(9);
    assert_eq!(peer.hang_up().await, End::Peer);
    let taken = gate.taken.lock().unwrap();
    assert_eq!(*taken, ["whole", "whole too"]);
}

#[tokio::test(start_paused = true)]
async fn calls_of_a_peer_that_is_gone_do_not_stay_for_ever() {
    let gate = Gate::closed();
    let mut peer = Peer::start(settings(), gate.service()).await;
    peer.request(1, true).await;
    peer.assert_silence().await;
    let start = Instant::now();
    assert_eq!(peer.hang_up().await, End::Peer);
    assert!(start.elapsed() >= settings().orphan_timeout);
}

#[tokio::test(start_paused = true)]
async fn drain_of_a_connection_without_handshake_is_quick() {
    let signal = async { Instant::now() + Duration::from_secs(60) };
    let mut peer = Peer::silent(settings(), echo, signal);
    let start = Instant::now();
    assert_eq!(peer.closed().await, End::Drained);
    assert!(start.elapsed() < Duration::from_secs(5));
}
