//! Several addresses behind one name.

use super::Transport;
use crate::Tls;
use http::{HeaderValue, Method, Request};
use penstock_settings::ClientTls;
use penstock_testkit::{Backend, logs};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::Instant;

const AMPLE: Duration = Duration::from_secs(60);

/// A way to `backend.test`, whose name has these addresses.
fn transport(addresses: &[SocketAddr]) -> Transport {
    let uri = "http://backend.test/".parse().unwrap();
    let transport = Transport::new(&uri, &Tls::new(&ClientTls::default()), false).unwrap();
    let list = addresses
        .iter()
        .map(|address| transport.peer(*address))
        .collect();
    {
        let mut peers = transport.peers();
        peers.list = list;
        peers.resolved = Some(Instant::now() + AMPLE);
    }
    transport
}

async fn send(transport: &Transport) {
    let mut head = Request::new(());
    *head.method_mut() = Method::POST;
    *head.uri_mut() = "http://backend.test/v1/logs".parse().unwrap();
    head.headers_mut().insert(
        "content-type",
        HeaderValue::from_static("application/x-protobuf"),
    );
    let answer = transport.send(&head, &[logs(&["a"])], AMPLE).await.unwrap();
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn addresses_take_turns() {
    let backends = [
        Backend::start().await,
        Backend::start().await,
        Backend::start().await,
    ];
    let transport = transport(&backends.each_ref().map(Backend::address));
    for _ in 0..6 {
        send(&transport).await;
    }
    assert_eq!(
        backends.each_ref().map(|backend| backend.recorded().len()),
        [2, 2, 2]
    );
}

#[tokio::test]
async fn address_without_a_server_is_passed_over_within_the_attempt() {
    let gone = Backend::start().await;
    let here = Backend::start().await;
    let transport = transport(&[gone.address(), here.address()]);
    gone.stop().await;
    for _ in 0..4 {
        send(&transport).await;
    }
    assert_eq!(here.recorded().len(), 4);
    let failed: Vec<_> = transport
        .peers()
        .list
        .iter()
        .map(|peer| peer.failed.is_some())
        .collect();
    assert_eq!(failed, [true, false]);
}

#[tokio::test]
async fn new_addresses_join_and_those_that_stay_keep_their_connections() {
    let backend = Backend::start().await;
    let uri = format!("http://localhost:{}/", backend.address().port())
        .parse()
        .unwrap();
    let transport = Transport::new(&uri, &Tls::new(&ClientTls::default()), false).unwrap();
    let stale = SocketAddr::from(([192, 0, 2, 1], backend.address().port()));
    {
        let mut known = transport.peer(backend.address());
        known.generation = 7;
        transport.peers().list = vec![transport.peer(stale), known];
    }
    transport.resolve().await.unwrap();
    let peers = transport.peers();
    let here = peers
        .list
        .iter()
        .find(|peer| peer.address == backend.address())
        .unwrap();
    assert_eq!(here.generation, 7);
    assert!(peers.list.iter().all(|peer| peer.address != stale));
}
