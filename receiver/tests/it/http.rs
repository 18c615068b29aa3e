//! OTLP/HTTP over real connections.

use crate::support::{Answer, Raw, finish_whole, post, receiver, settings, start};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use penstock_otlp::{Signal, json};
use penstock_testkit::{Backend, request};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;

fn as_json(signal: Signal, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    json::from_proto(signal, body, &mut out);
    out
}

fn chunked(path: &str, content_type: &str, body: &[u8], size: usize) -> Vec<u8> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    let mut out = head.into_bytes();
    for chunk in body.chunks(size) {
        out.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        out.extend_from_slice(chunk);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"0\r\n\r\n");
    out
}

#[tokio::test]
async fn chunked_json_and_plain_protobuf_arrive_over_one_connection() {
    let (receiver, backends) = receiver().await;
    let mut raw = Raw::connect(receiver.http().next().unwrap()).await;
    for signal in Signal::ALL {
        let body = request(signal.name(), &["a", "b"]);
        let json = as_json(signal, &body);
        raw.write(chunked(signal.http_path(), "application/json", &json, 7))
            .await;
        let answer = raw.answer().await;
        assert_eq!((answer.status, &answer.body[..]), (200, &b"{}"[..]));
        raw.write(post(signal.http_path(), "application/x-protobuf", &body))
            .await;
        let answer = raw.answer().await;
        assert_eq!((answer.status, answer.body.len()), (200, 0));
    }
    drop(raw);
    let lines = finish_whole(receiver).await;
    assert!(lines.iter().all(|line| line.delivered == 4), "{lines:?}");
    assert!(backends.iter().all(|backend| backend.faults().is_empty()));
}

async fn h2c(address: SocketAddr, request: Request<Full<Bytes>>) -> (u16, Bytes) {
    let stream = TcpStream::connect(address).await.unwrap();
    let io = TokioIo::new(stream);
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await;
    let (mut sender, connection) = handshake.unwrap();
    let exchange = async {
        let response = sender.send_request(request).await.unwrap();
        let status = response.status().as_u16();
        (
            status,
            response.into_body().collect().await.unwrap().to_bytes(),
        )
    };
    tokio::select! {
        answer = exchange => answer,
        ended = connection => panic!("connection ended: {ended:?}"),
    }
}

#[tokio::test]
async fn http2_without_tls_is_served_on_the_same_port() {
    let (receiver, [one, _two]) = receiver().await;
    let address = receiver.http().next().unwrap();
    let request = Request::post(format!("http://{address}/v1/traces"))
        .header("content-type", "application/x-protobuf")
        .body(Full::new(request("traces", &["a"])))
        .unwrap();
    assert_eq!(h2c(address, request).await, (200, Bytes::new()));
    finish_whole(receiver).await;
    assert_eq!(one.delivered("traces"), ["a"]);
}

#[tokio::test]
async fn a_refusal_reaches_a_sender_that_is_still_sending_its_body() {
    let (receiver, _backends) = receiver().await;
    let mut raw = Raw::connect(receiver.http().next().unwrap()).await;
    raw.write(post(
        "/v1/nothing",
        "application/x-protobuf",
        &vec![0; 300_000],
    ))
    .await;
    let answer = raw.answer().await;
    assert_eq!(answer.status, 404);
    assert!(
        String::from_utf8(answer.body)
            .unwrap()
            .contains("/v1/metrics")
    );
    // The connection is still good.
    raw.write(post(
        "/v1/traces",
        "application/x-protobuf",
        &request("traces", &["a"]),
    ))
    .await;
    assert_eq!(raw.answer().await.status, 200);
    drop(raw);
    finish_whole(receiver).await;
}

#[tokio::test]
async fn paths_can_be_configured() {
    let backends = [Backend::start().await, Backend::start().await];
    let mut settings = settings(backends.each_ref().map(Backend::address));
    for receiver in settings.receivers.values_mut() {
        receiver.http.as_mut().unwrap().paths[0] = "/otlp/spans".to_owned();
    }
    let receiver = start(settings).await;
    let mut raw = Raw::connect(receiver.http().next().unwrap()).await;
    for (path, status) in [("/otlp/spans", 200), ("/v1/traces", 404), ("/v1/logs", 200)] {
        let signal = if path == "/v1/logs" { "logs" } else { "traces" };
        raw.write(post(
            path,
            "application/x-protobuf",
            &request(signal, &["a"]),
        ))
        .await;
        assert_eq!(raw.answer().await.status, status, "{path}");
    }
    drop(raw);
    finish_whole(receiver).await;
}

#[tokio::test]
async fn a_connection_that_never_ends_its_head_is_closed() {
    let backends = [Backend::start().await, Backend::start().await];
    let mut settings = settings(backends.each_ref().map(Backend::address));
    for receiver in settings.receivers.values_mut() {
        receiver.http.as_mut().unwrap().read_header_timeout = Duration::from_millis(50);
    }
    let receiver = start(settings).await;
    let mut raw = Raw::connect(receiver.http().next().unwrap()).await;
    raw.write("POST /v1/traces HTTP/1.1\r\nhost").await;
    raw.closed().await;
    finish_whole(receiver).await;
}

#[tokio::test]
async fn a_body_cut_off_by_its_sender_leaves_nothing_behind() {
    let (receiver, [one, _two]) = receiver().await;
    let body = request("traces", &["a"]);
    let whole = post("/v1/traces", "application/x-protobuf", &body);
    let mut cut = Raw::connect(receiver.http().next().unwrap()).await;
    cut.write(&whole[..whole.len() - 10]).await;
    drop(cut);
    let mut raw = Raw::connect(receiver.http().next().unwrap()).await;
    raw.write(&whole).await;
    let Answer { status, .. } = raw.answer().await;
    assert_eq!(status, 200);
    drop(raw);
    finish_whole(receiver).await;
    assert_eq!(one.delivered("traces"), ["a"]);
}
