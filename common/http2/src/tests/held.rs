//! A service that wants nothing to be read, and how long a connection reads before others get their turn.

use std::{
    future::{pending, poll_fn},
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{
    io::{AsyncWriteExt, duplex},
    sync::oneshot,
    task::JoinSet,
    time::{Instant, sleep},
};

use super::peer::*;
use crate::{
    Body, End, Fault, Gated, Head, Http2, Http2Settings, Service,
    frame::{PREFACE, flag, kind},
};

/// Whether the connection may be read, and whom to tell.
#[derive(Clone, Default)]
struct Door(Arc<Mutex<(bool, Option<Waker>)>>);

impl Door {
    fn set(&self, open: bool) {
        let mut state = self.0.lock().unwrap();
        state.0 = open;
        if let Some(waker) = state.1.take() {
            waker.wake();
        }
    }

    fn before<S: Service<Call: Send> + Send>(
        &self,
        service: S,
    ) -> impl Service<Call: Send> + Send + use<S> {
        let door = self.clone();
        let gate = move |cx: &mut Context<'_>| {
            let mut state = door.0.lock().unwrap();
            if state.0 {
                return Poll::Ready(());
            }
            state.1 = Some(cx.waker().clone());
            Poll::Pending
        };
        Gated { service, gate }
    }
}

/// A peer that is through with the handshake, and its door, open.
async fn start(settings: Http2Settings) -> (Peer, Door) {
    let door = Door::default();
    door.set(true);
    let peer = Peer::start(settings, door.before(echo)).await;
    (peer, door)
}

#[tokio::test(start_paused = true)]
async fn nothing_is_read_while_the_service_is_not_ready() {
    let (mut peer, door) = start(Http2Settings::default()).await;
    peer.request(1, false).await;
    peer.assert_open().await;
    door.set(false);
    peer.data(1, b"late", true).await;
    peer.frame(kind::PING, 0, 0, b"are you?").await;
    peer.assert_silence().await;
    door.set(true);
    assert_eq!(peer.answer(1).await, "late");
    peer.assert_open().await;
}

#[tokio::test(start_paused = true)]
async fn calls_that_are_here_are_answered_while_nothing_is_read() {
    let (gate, door) = (Gate::closed(), Door::default());
    door.set(true);
    let service = door.before(gate.service());
    let mut peer = Peer::start(Http2Settings::default(), service).await;
    peer.request(1, false).await;
    peer.data(1, b"here", true).await;
    peer.assert_open().await;
    door.set(false);
    gate.permits.add_permits(1);
    assert_eq!(peer.answer(1).await, "here");
}

#[tokio::test(start_paused = true)]
async fn the_peer_is_not_blamed_for_what_we_do_not_read() {
    let limits = Http2Settings {
        keepalive_interval: Some(Duration::from_secs(10)),
        keepalive_timeout: Duration::from_secs(5),
        idle_timeout: Some(Duration::from_secs(60)),
        ..Http2Settings::default()
    };
    let (mut peer, door) = start(limits).await;
    // A body, a frame and the answer to a ping are all on the way.
    peer.request(1, false).await;
    let data = frame(kind::DATA, flag::END_STREAM, 1, b"body");
    peer.say(&data[..11]).await;
    let (_, ping) = peer.hear_kind(kind::PING).await;
    door.set(false);
    for _ in 0..3 {
        sleep(Duration::from_secs(1000)).await;
        door.set(false);
    }
    peer.assert_silence().await;
    door.set(true);
    sleep(Duration::from_secs(1)).await;
    peer.say(&data[11..]).await;
    assert_eq!(peer.answer(1).await, "body");
    peer.frame(kind::PING, flag::ACK, 0, &ping).await;
    peer.assert_open().await;
    // From here on its clocks run as before.
    let ended = peer.closed().await;
    assert_eq!(ended, End::Fault(Fault::KeepaliveTimeout));
}

#[tokio::test(start_paused = true)]
async fn calls_made_before_the_goaway_are_served_however_late_they_are_read() {
    let (leave, left) = oneshot::channel();
    let door = Door::default();
    door.set(true);
    let shutdown = async { left.await.unwrap_or_else(|_| unreachable!()) };
    let service = door.before(echo);
    let mut peer = Peer::start_until(Http2Settings::default(), service, shutdown).await;
    door.set(false);
    peer.request(1, false).await;
    peer.data(1, b"early", true).await;
    leave
        .send(Instant::now() + Duration::from_secs(3600))
        .unwrap();
    let (_, ping) = peer.hear_kind(kind::PING).await;
    peer.frame(kind::PING, flag::ACK, 0, &ping).await;
    sleep(Duration::from_secs(100)).await;
    door.set(true);
    assert_eq!(peer.goaway().await.0, 1);
    assert_eq!(peer.answer(1).await, "early");
    assert_eq!(peer.closed().await, End::Drained);
}

#[tokio::test(start_paused = true)]
async fn others_get_their_turn_after_a_buffer_of_what_a_peer_sends() {
    const CALLS: u32 = 200;
    let mut sent = PREFACE.to_vec();
    sent.extend_from_slice(&frame(kind::SETTINGS, 0, 0, &[]));
    for id in (1..2 * CALLS).step_by(2) {
        sent.extend_from_slice(&frame(kind::HEADERS, flag::END_HEADERS, id, REQUEST));
        sent.extend_from_slice(&frame(kind::DATA, flag::END_STREAM, id, &[7; 4400]));
    }
    let (mut io, server_io) = duplex(1 << 20);
    io.write_all(&sent).await.unwrap();
    let served = Arc::new(Mutex::new(0));
    let service = {
        let served = Arc::clone(&served);
        move |_head: Head, _body: Body| {
            *served.lock().unwrap() += 1;
            pending()
        }
    };
    let mut tasks = JoinSet::new();
    let http2 = Http2::new(Http2Settings::default()).unwrap();
    tasks.spawn(async move {
        http2.serve(server_io, service, pending()).await;
    });
    // Another task of the thread, always ready.
    let mut turns = Vec::new();
    let other = poll_fn(move |cx| {
        let so_far = *served.lock().unwrap();
        turns.push(so_far);
        if so_far == CALLS {
            return Poll::Ready(std::mem::take(&mut turns));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    });
    let (tell, turns) = oneshot::channel();
    tasks.spawn(async move { tell.send(other.await).unwrap() });
    let turns = turns.await.unwrap();
    let most = turns.windows(2).map(|pair| pair[1] - pair[0]).max();
    let most = most.unwrap_or(CALLS);
    // Two buffers of 64 KiB at the most, when the first was short.
    assert!(most <= 2 * (64 << 10) / 4400, "{most} calls in one turn");
}
