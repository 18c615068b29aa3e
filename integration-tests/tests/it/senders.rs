//! Senders of every kind, and what real sidecars send.

use crate::support::{
    Client, Seat, Setup, Tiers, assert_law, attributes, eventually, frame, grpc, parts, set, settle,
};
use bytes::Bytes;
use futures_util::stream;
use http::Request;
use http::request::Builder;
use http_body::Frame;
use http_body_util::{Full, StreamBody};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use penstock_otlp::Signal;
use penstock_otlp::compress::{Encoding, compress};
use penstock_testkit::{Backend, Fixture, Request as Otlp, fixtures, numbered, request};
use std::convert::Infallible;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tonic::codec::CompressionEncoding;

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";
/// What a sidecar's Envoy says of its pod.
const POD: &str = "10.1.2.3";

#[tokio::test]
async fn every_kind_of_sender_arrives_the_same() {
    let tiers = Tiers::start(&["traces", "metrics", "logs"], "").await;
    let (http2, http1) = (tiers.grpc().await, tiers.http().await);
    let h2c = Client::http2(tiers.receiver.http().next().unwrap()).await;
    for signal in Signal::ALL {
        let ids = numbered(signal.name(), 5);
        let body = request(signal.name(), &ids);
        let mut replies = Vec::new();
        for call in calls(signal, &body) {
            replies.push(http2.send(call).await.unwrap());
        }
        for client in [&http1, &h2c] {
            for post in posts(signal, &body) {
                replies.push(client.send(post).await.unwrap());
            }
            replies.push(client.send(chunked(signal, &body)).await.unwrap());
        }
        assert!(replies.iter().all(|reply| reply.is_ack()), "{replies:?}");
        settle(&tiers.receiver).await;

        let mut sent = Otlp::decode(signal.name(), &body).unwrap();
        set(attributes(&mut sent)[0], "k8s.pod.ip", "127.0.0.1");
        let arrived: Vec<_> = delivered(&tiers.backend, signal.name());
        assert_eq!(arrived.len(), replies.len());
        for arrived in arrived {
            assert_eq!(arrived, sent);
        }
        tiers.oracle.issue(&ids);
        tiers.oracle.ack(&ids);
        tiers.oracle.arrive(&tiers.backend.delivered(signal.name()));
    }
    let verdict = tiers.oracle.verdict();
    assert_eq!((verdict.missing.len(), verdict.invented.len()), (0, 0));
    assert_law(&tiers.receiver.ledger().lines());
    drop((http2, http1, h2c));
    assert_eq!(tiers.receiver.stop().await.dropped, 0);
    tiers.process.stop().await;
}

/// Over gRPC, in every encoding.
fn calls(signal: Signal, body: &Bytes) -> Vec<Request<Full<Bytes>>> {
    let call = |encoding: Encoding| {
        let flag = u8::from(encoding != Encoding::Identity);
        let message = frame(flag, &compress(encoding, std::slice::from_ref(body)));
        let head = grpc(signal.grpc_path()).header("grpc-encoding", encoding.as_str());
        head.body(Full::new(message)).unwrap()
    };
    [Encoding::Identity, Encoding::Gzip, Encoding::Zstd]
        .map(call)
        .into()
}

fn post(signal: Signal, content_type: &str) -> Builder {
    Request::post(signal.http_path()).header("content-type", content_type)
}

/// Over HTTP, protobuf and JSON, in every encoding.
fn posts(signal: Signal, body: &Bytes) -> Vec<Request<Full<Bytes>>> {
    let json = as_json(&Otlp::decode(signal.name(), body).unwrap());
    let mut posts = Vec::new();
    for (content_type, body) in [(PROTOBUF, body), (JSON, &json)] {
        for encoding in [
            Encoding::Identity,
            Encoding::Gzip,
            Encoding::Zstd,
            Encoding::Deflate,
        ] {
            let head = post(signal, content_type).header("content-encoding", encoding.as_str());
            let body = compress(encoding, std::slice::from_ref(body));
            posts.push(head.body(Full::new(body)).unwrap());
        }
    }
    posts
}

/// Without a length and in pieces, as Envoy's tracer sends over HTTP.
fn chunked(
    signal: Signal,
    body: &Bytes,
) -> Request<impl http_body::Body<Data = Bytes, Error = Infallible> + Send + use<>> {
    let pieces: Vec<_> = body.chunks(100).map(Bytes::copy_from_slice).collect();
    let frames = pieces.into_iter().map(|piece| Ok(Frame::data(piece)));
    let body = StreamBody::new(stream::iter(frames));
    post(signal, PROTOBUF).body(body).unwrap()
}

fn as_json(request: &Otlp) -> Bytes {
    let json = match request {
        Otlp::Traces(request) => serde_json::to_vec(request),
        Otlp::Metrics(request) => serde_json::to_vec(request),
        Otlp::Logs(request) => serde_json::to_vec(request),
    };
    Bytes::from(json.unwrap())
}

/// What a backend has said yes to, one request per Resource.
fn delivered(backend: &Backend, signal: &str) -> Vec<Otlp> {
    let recorded = backend.recorded().into_iter();
    recorded
        .filter(|recorded| recorded.signal == signal && recorded.answered)
        .flat_map(|recorded| parts(recorded.request))
        .collect()
}

#[tokio::test]
async fn a_client_of_another_hand_is_served() {
    let tiers = Tiers::start(&["traces"], "").await;
    let url = format!("http://{}", tiers.receiver.grpc().next().unwrap());
    let mut client = TraceServiceClient::connect(url)
        .await
        .unwrap()
        .send_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Gzip);
    let sent = numbered("span", 50);
    tiers.oracle.issue(&sent);
    for some in sent.chunks(5) {
        let Otlp::Traces(request) = Otlp::decode("traces", &request("traces", some)).unwrap()
        else {
            panic!("not traces");
        };
        let response = client.export(request).await.unwrap().into_inner();
        assert_eq!(response.partial_success, None);
        tiers.oracle.ack(some);
    }
    drop(client);
    tiers.end().await;
}

/// Envoy calls its cluster's name an authority, and Kuma's names of clusters are no `host:port`.
#[tokio::test]
async fn an_authority_that_is_no_host_is_nobodys_loss() {
    let tiers = Tiers::start(&["logs"], "").await;
    let ids = numbered("record", 5);
    tiers.oracle.issue(&ids);
    let address = tiers.receiver.grpc().next().unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", Signal::Logs.grpc_path()),
        (":authority", "meshaccesslog:opentelemetry:0"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ];
    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(http2_frame(4, 0, 0, &[]));
    bytes.extend(http2_frame(1, 4, 1, &literals(&head)));
    bytes.extend(http2_frame(0, 1, 1, &frame(0, &request("logs", &ids))));
    stream.write_all(&bytes).await.unwrap();
    eventually("the call is accepted", || {
        tiers.receiver.ledger().accepted(Signal::Logs) == 5
    })
    .await;
    tiers.oracle.ack(&ids);
    drop(stream);
    tiers.end().await;
}

fn http2_frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// HPACK without tables or Huffman's code.
fn literals(head: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in head {
        block.push(0);
        for text in [name, value] {
            block.push(text.len().try_into().unwrap());
            block.extend(text.bytes());
        }
    }
    block
}

#[tokio::test]
async fn captured_requests_arrive_unchanged_but_for_who_sent_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("items.json");
    let (backend, to_backend, to_file) = (Backend::start().await, Seat::new(), Seat::new());
    let file = format!("{{path: \"{}\"}}", path.display());
    let setup = ["traces", "metrics", "logs"].iter().fold(
        Setup::new()
            .otlp("otlp/backend", &backend, &[&to_backend])
            .exporter("file/lines", &file, &[&to_file]),
        |setup, signal| setup.pipeline(signal, &["otlp/backend", "file/lines"]),
    );
    let to_backend = setup.process("otlp/backend", &to_backend).await;
    let to_file = setup.process("file/lines", &to_file).await;
    let receiver = setup.receiver().await;
    let client = Client::http2(receiver.grpc().next().unwrap()).await;

    let mut sent = Vec::new();
    for fixture in fixtures() {
        let signal = Signal::from_name(fixture.signal).unwrap();
        let call = grpc(signal.grpc_path()).header("x-forwarded-for", POD);
        let call = call.body(Full::new(frame(0, &fixture.body))).unwrap();
        let reply = client.send(call).await.unwrap();
        assert!(reply.is_ack(), "{}: {reply:?}", fixture.name);
        // One after the other, so that they arrive in order.
        settle(&receiver).await;
        sent.extend(identified(&fixture));
    }
    let ledger = receiver.ledger().clone();
    assert_eq!(receiver.stop().await.dropped, 0);
    to_backend.stop().await;
    to_file.stop().await;
    assert_law(&ledger.lines());

    let recorded = backend.recorded().into_iter();
    let arrived: Vec<_> = recorded
        .flat_map(|recorded| parts(recorded.request))
        .collect();
    compare(&sent, arrived);
    // JSON as the Collector writes it has empty messages for absent ones.
    let sent: Vec<_> = sent
        .into_iter()
        .map(|(name, sent)| (name, filled(sent)))
        .collect();
    let lines = std::fs::read_to_string(&path).unwrap();
    let written = lines.lines().zip(&sent);
    let written = written.flat_map(|(line, (_, like))| {
        parts(Otlp::from_json(signal_of(like), line.as_bytes()).unwrap())
    });
    compare(&sent, written.map(filled).collect());
}

fn compare(sent: &[(String, Otlp)], arrived: Vec<Otlp>) {
    assert_eq!(arrived.len(), sent.len());
    for ((name, sent), mut arrived) in sent.iter().zip(arrived) {
        for attributes in attributes(&mut arrived) {
            attributes.sort_by(|one, other| one.key.cmp(&other.key));
        }
        if arrived != *sent {
            let (arrived, sent) = (format!("{arrived:#?}"), format!("{sent:#?}"));
            let differ = |(arrived, sent): &(&str, &str)| arrived != sent;
            let difference = arrived.lines().zip(sent.lines()).find(differ);
            panic!("{name}: arrived and sent differ in {difference:?}");
        }
    }
}

fn filled(mut request: Otlp) -> Otlp {
    match &mut request {
        Otlp::Traces(request) => {
            for scope in request
                .resource_spans
                .iter_mut()
                .flat_map(|one| &mut one.scope_spans)
            {
                scope.scope.get_or_insert_default();
                for span in &mut scope.spans {
                    span.status.get_or_insert_default();
                }
            }
        }
        Otlp::Metrics(request) => {
            let resources = request.resource_metrics.iter_mut();
            for scope in resources.flat_map(|one| &mut one.scope_metrics) {
                scope.scope.get_or_insert_default();
            }
        }
        Otlp::Logs(request) => {
            for scope in request
                .resource_logs
                .iter_mut()
                .flat_map(|one| &mut one.scope_logs)
            {
                scope.scope.get_or_insert_default();
                for record in &mut scope.log_records {
                    record.body.get_or_insert_default();
                }
            }
        }
    }
    request
}

fn signal_of(request: &Otlp) -> &'static str {
    match request {
        Otlp::Traces(_) => "traces",
        Otlp::Metrics(_) => "metrics",
        Otlp::Logs(_) => "logs",
    }
}

/// A captured request per Resource, with what its Resource lacks and in the order of its attributes' names.
fn identified(fixture: &Fixture) -> Vec<(String, Otlp)> {
    let whole = Otlp::decode(fixture.signal, &fixture.body).unwrap();
    let mut named = Vec::new();
    for mut part in parts(whole) {
        for attributes in attributes(&mut part) {
            set(attributes, "k8s.pod.ip", POD);
            match fixture.signal {
                "metrics" => {
                    // kuma-dp's own name for itself says nothing of its service.
                    let client = fixture.name.contains("kumadp-out");
                    let service = if client { "demo-client" } else { "demo-app" };
                    set(attributes, "service.name", service);
                    set(attributes, "service.instance.id", POD);
                }
                "logs" => {
                    let cluster = attributes.iter().find(|one| one.key == "cluster_name");
                    let cluster = cluster.and_then(|cluster| cluster.value.clone());
                    let service = set(attributes, "service.name", "");
                    service.value = cluster;
                }
                _ => {}
            }
            attributes.sort_by(|one, other| one.key.cmp(&other.key));
        }
        named.push((fixture.name.clone(), part));
    }
    named
}
