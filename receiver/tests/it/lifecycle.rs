//! Connections that age, and a receiver that stops.

use crate::support::{
    Client, Raw, finish_whole, large_traces, page, post, receiver, settings, start, until,
};
use hyper_util::rt::TokioIo;
use penstock_otlp::Signal;
use penstock_receiver::{Receiver, Sockets};
use penstock_testkit::{Answer, Backend, Gate, request};
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tonic::transport::Endpoint;

#[tokio::test]
async fn connections_that_reach_their_age_lose_nothing() {
    let backends = [Backend::start().await, Backend::start().await];
    let mut settings = settings(backends.each_ref().map(Backend::address));
    let age = Duration::from_millis(20);
    for receiver in settings.receivers.values_mut() {
        receiver.grpc.as_mut().unwrap().keepalive.max_connection_age = Some(age);
    }
    let receiver = start(settings).await;
    let address = receiver.grpc().next().unwrap();
    let connections = Arc::new(AtomicUsize::new(0));
    let connector = {
        let connections = Arc::clone(&connections);
        tower::service_fn(move |_| {
            connections.fetch_add(1, Ordering::Relaxed);
            async move { TcpStream::connect(address).await.map(TokioIo::new) }
        })
    };
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let client = Client::over(endpoint.connect_with_connector_lazy(connector));
    let mut sent = 0;
    while connections.load(Ordering::Relaxed) < 10 {
        client
            .send(Signal::Logs, &request("logs", &[format!("record-{sent}")]))
            .await
            .unwrap();
        sent += 1;
    }
    drop(client);
    for line in finish_whole(receiver).await {
        assert_eq!(line.delivered, if line.signal == "logs" { sent } else { 0 });
    }
}

#[tokio::test]
async fn a_call_that_is_held_when_draining_begins_is_still_acked_and_delivered() {
    let gate = Gate::new();
    let [one, two] = [Backend::start().await, Backend::start().await];
    one.otherwise(Answer::Ok.behind(&gate));
    let mut settings = settings([one.address(), two.address()]);
    settings.penstock.memory.limit_bytes = 3 << 20;
    settings.penstock.memory.high_mark = 0.5;
    let receiver = start(settings).await;
    let client = Client::connect(&receiver).await;
    let (body, items) = large_traces("span", 400_000);
    client.send(Signal::Traces, &body).await.unwrap();
    let held = {
        let (client, body) = (client.clone(), body.clone());
        let mut sending = tokio::task::JoinSet::new();
        sending.spawn(async move { client.send(Signal::Traces, &body).await });
        sending
    };
    drop(client);
    until(|| receiver.waiting(Signal::Traces) == 1).await;

    assert_eq!(page(&receiver, "/readyz").await.0, 200);
    receiver.begin_drain();
    let (status, reason) = page(&receiver, "/readyz").await;
    assert_eq!(status, 503);
    assert!(reason.contains("closing"), "{reason}");
    // A connection that comes now is served: it might have nowhere else to go.
    let late = Endpoint::from_shared(format!("http://{}", receiver.grpc().next().unwrap()));
    let late = Client::over(late.unwrap().connect().await.unwrap());
    late.send(Signal::Metrics, &request("metrics", &["late"]))
        .await
        .unwrap();
    drop(late);

    // The receiver stops first, as far as it can.
    let (lines, answers) = tokio::join!(biased; finish_whole(receiver), async {
        gate.open();
        held.join_all().await
    });
    for answer in answers {
        answer.unwrap();
    }
    let traces = lines.iter().find(|line| line.signal == "traces").unwrap();
    assert_eq!(traces.delivered, 2 * items as u64);
    assert_eq!(two.delivered("metrics"), ["late"]);
}

#[tokio::test]
async fn http1_is_told_by_an_answer_that_its_connection_ends() {
    let (receiver, [one, _two]) = receiver().await;
    let mut raw = Raw::connect(receiver.http().next().unwrap()).await;
    let post = post(
        "/v1/traces",
        "application/x-protobuf",
        &request("traces", &["a"]),
    );
    raw.write(&post).await;
    assert!(!raw.answer().await.head.contains("connection: close"));
    receiver.begin_drain();
    // The connection hears of it in its own time; until then its answers are as before.
    loop {
        raw.write(&post).await;
        if raw.answer().await.head.contains("connection: close") {
            break;
        }
    }
    raw.closed().await;
    finish_whole(receiver).await;
    assert!(one.delivered("traces").len() >= 2);
}

/// An export request on a connection that the kernel has let in, whether it was accepted or not.
fn waiting(address: SocketAddr, id: &str) -> std::net::TcpStream {
    let mut stream = std::net::TcpStream::connect(address).unwrap();
    let body = request("traces", &[id]);
    stream
        .write_all(&post("/v1/traces", "application/x-protobuf", &body))
        .unwrap();
    stream.set_nonblocking(true).unwrap();
    stream
}

async fn is_acked(stream: std::net::TcpStream) {
    let mut raw = Raw::over(TcpStream::from_std(stream).unwrap());
    assert_eq!(raw.answer().await.status, 200);
}

#[tokio::test]
async fn a_receiver_that_retires_takes_what_waits_and_closes_its_ports_at_once() {
    let (receiver, [one, _two]) = receiver().await;
    let (http, admin) = (receiver.http().next().unwrap(), receiver.admin());
    let last = waiting(http, "last");
    let (drained, ()) = tokio::join!(receiver.retire(), async {
        is_acked(last).await;
        for address in [http, admin] {
            while TcpStream::connect(address).await.is_ok() {}
        }
    });
    assert_eq!(drained.dropped, 0);
    assert_eq!(one.delivered("traces"), ["last"]);
}

#[tokio::test]
async fn what_a_receiver_that_retires_does_not_take_is_served_by_its_successor() {
    let backends = [Backend::start().await, Backend::start().await];
    let mut settings = settings(backends.each_ref().map(Backend::address));
    settings.penstock.max_connections = 1;
    let sockets = Sockets::bind(&settings).await.unwrap();
    let next = sockets.try_clone().unwrap();
    let receiver = Receiver::start_on(settings.clone(), None, sockets)
        .await
        .unwrap();
    let http = receiver.http().next().unwrap();
    let only = Raw::connect(http).await;
    until(|| receiver.connections() == 1).await;
    let left = waiting(http, "left");
    let (drained, ()) = tokio::join!(receiver.retire(), only.closed());
    assert_eq!(drained.dropped, 0);

    let successor = Receiver::start_on(settings, None, next).await.unwrap();
    assert_eq!(successor.http().next().unwrap(), http);
    is_acked(left).await;
    finish_whole(successor).await;
    assert_eq!(backends[0].delivered("traces"), ["left"]);
}
