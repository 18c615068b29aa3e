//! How many connections there may be, and which of them do not stay.

use crate::support::{Client, Raw, finish_whole, post, settings, start, until};
use penstock_otlp::Signal;
use penstock_receiver::Receiver;
use penstock_testkit::{Backend, request};
use std::time::Duration;

/// The bytes that HTTP/2 begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

fn traces() -> Vec<u8> {
    post(
        "/v1/traces",
        "application/x-protobuf",
        &request("traces", &["a"]),
    )
}

#[tokio::test]
async fn at_the_bound_a_connection_of_any_port_waits_until_one_ends() {
    let backends = [Backend::start().await, Backend::start().await];
    let mut settings = settings(backends.each_ref().map(Backend::address));
    settings.penstock.max_connections = 2;
    let receiver = start(settings).await;
    let address = receiver.http().next().unwrap();
    let mut first = Raw::connect(address).await;
    first.write(traces()).await;
    assert_eq!(first.answer().await.status, 200);
    let grpc = Client::connect(&receiver).await;
    grpc.send(Signal::Metrics, &request("metrics", &["m"]))
        .await
        .unwrap();
    assert_eq!(receiver.connections(), 2);

    // It is let in by the kernel, and may write.
    let mut third = Raw::connect(address).await;
    third.write(traces()).await;
    // Those that are open are served on, and all the while the third is not.
    for _ in 0..20 {
        first.write(traces()).await;
        assert_eq!(first.answer().await.status, 200);
        assert_eq!(receiver.connections(), 2);
    }
    assert_eq!(receiver.counts(Signal::Traces).requests, 21);

    drop(grpc);
    assert_eq!(third.answer().await.status, 200);
    assert_eq!(receiver.connections(), 2);
    drop((first, third));
    until(|| receiver.connections() == 0).await;
    let lines = finish_whole(receiver).await;
    let traces = lines.iter().find(|line| line.signal == "traces").unwrap();
    assert_eq!(traces.delivered, 22);
}

/// With that much time for heads.
async fn with_time_for_heads(time: Duration) -> Receiver {
    let backends = [Backend::start().await, Backend::start().await];
    let mut settings = settings(backends.each_ref().map(Backend::address));
    for receiver in settings.receivers.values_mut() {
        let http = receiver.http.as_mut().unwrap();
        http.read_header_timeout = time;
        http.idle_timeout = Duration::from_secs(3600);
    }
    start(settings).await
}

#[tokio::test]
async fn one_that_does_not_come_to_its_first_request_is_closed() {
    let receiver = with_time_for_heads(Duration::from_millis(50)).await;
    let address = receiver.http().next().unwrap();
    let settings = [PREFACE, &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat();
    let openings = [
        &b""[..],
        &PREFACE[..1],
        &PREFACE[..10],
        PREFACE,
        &settings,
        b"POST /v1/traces HTTP/1.1\r\nhost",
    ];
    for opening in openings {
        let mut raw = Raw::connect(address).await;
        raw.write(opening).await;
        raw.closed().await;
    }
    until(|| receiver.connections() == 0).await;
    finish_whole(receiver).await;
}

#[tokio::test]
async fn those_that_their_peers_have_closed_are_gone() {
    // Nothing but its peer ends a connection within that.
    let receiver = with_time_for_heads(Duration::from_secs(3600)).await;
    let ports: Vec<_> = receiver.http().chain(receiver.grpc()).collect();
    let head = b"POST /v1/traces HTTP/1.1\r\nhost";
    for opening in [&b""[..], &PREFACE[..10], PREFACE, head] {
        let mut open = Vec::new();
        for address in ports.iter().cycle().take(20) {
            let mut raw = Raw::connect(*address).await;
            raw.write(opening).await;
            open.push(raw);
        }
        drop(open);
    }
    until(|| receiver.connections() == 0).await;
    finish_whole(receiver).await;
}
