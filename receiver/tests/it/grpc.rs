//! OTLP/gRPC over real connections.

use crate::frames::Frames;
use crate::support::{Client, MIB, finish_whole, large_traces, page, receiver, settings, start};
use bytes::Bytes;
use penstock_otlp::Signal;
use penstock_testkit::{Backend, fixtures, numbered, request};
use tonic::Code;
use tonic::codec::CompressionEncoding;

#[tokio::test]
async fn every_signal_arrives_at_each_of_its_exporters_once() {
    let (receiver, [one, two]) = receiver().await;
    let plain = Client::connect(&receiver).await;
    let clients = [
        plain.clone(),
        plain.with(CompressionEncoding::Gzip),
        plain.with(CompressionEncoding::Zstd),
    ];
    for signal in Signal::ALL {
        for (number, client) in clients.iter().enumerate() {
            let ids = numbered(&format!("{signal}-{number}"), 100);
            client
                .send(signal, &request(signal.name(), &ids))
                .await
                .unwrap();
        }
    }
    drop((plain, clients));
    let lines = finish_whole(receiver).await;
    assert_eq!(lines.len(), 4);
    assert!(lines.iter().all(|line| line.delivered == 300), "{lines:?}");
    for (backend, signal) in [
        (&one, "traces"),
        (&two, "metrics"),
        (&one, "logs"),
        (&two, "logs"),
    ] {
        let mut ids = backend.delivered(signal);
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 300, "{signal}");
        assert_eq!(backend.faults(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn captured_requests_arrive_item_for_item() {
    let (receiver, backends) = receiver().await;
    let client = Client::connect(&receiver).await;
    let mut sent = [0; 3];
    for fixture in fixtures() {
        let signal = Signal::from_name(fixture.signal).unwrap();
        client.send(signal, &fixture.body).await.unwrap();
        sent[signal.index()] += penstock_otlp::check::count(signal, &fixture.body) as u64;
    }
    drop(client);
    for line in finish_whole(receiver).await {
        let signal = Signal::from_name(&line.signal).unwrap();
        assert_eq!(line.delivered, sent[signal.index()], "{line:?}");
    }
    assert!(backends.iter().all(|backend| backend.faults().is_empty()));
}

#[tokio::test]
async fn oversized_calls_and_bombs_are_rejected_for_good_and_their_neighbours_are_not() {
    let backends = [Backend::start().await, Backend::start().await];
    let mut settings = settings(backends.each_ref().map(Backend::address));
    for receiver in settings.receivers.values_mut() {
        receiver.grpc.as_mut().unwrap().max_message_bytes = MIB;
    }
    let receiver = start(settings).await;
    let client = Client::connect(&receiver).await;
    let (large, _) = large_traces("large", 2 * MIB);
    let bomb = Bytes::from(prost::Message::encode_to_vec(&bomb()));
    let gzip = client.with(CompressionEncoding::Gzip);
    for (client, body) in [(&client, &large), (&gzip, &bomb)] {
        let status = client.send(Signal::Traces, body).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(
            status.details(),
            [0; 0],
            "RetryInfo would invite it to come back"
        );
    }
    client
        .send(Signal::Traces, &request("traces", &["a"]))
        .await
        .unwrap();
    assert_eq!(receiver.counts(Signal::Traces).rejected_requests, 2);
    assert_eq!(page(&receiver, "/ledger").await.0, 200);
    drop((client, gzip));
    let lines = finish_whole(receiver).await;
    assert!(
        lines
            .iter()
            .any(|line| line.signal == "traces" && line.delivered == 1)
    );
}

/// A span with a name of 64 MiB that packs well.
fn bomb() -> opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest {
    use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
    let span = Span {
        name: "x".repeat(64 * MIB),
        ..Span::default()
    };
    let spans = ScopeSpans {
        spans: vec![span],
        ..ScopeSpans::default()
    };
    let resource = ResourceSpans {
        scope_spans: vec![spans],
        ..ResourceSpans::default()
    };
    opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest {
        resource_spans: vec![resource],
    }
}

#[tokio::test]
async fn signals_that_are_not_served_are_unimplemented() {
    let backends = [Backend::start().await, Backend::start().await];
    let mut settings = settings(backends.each_ref().map(Backend::address));
    settings.penstock.signals = vec![Signal::Logs];
    let receiver = start(settings).await;
    let client = Client::connect(&receiver).await;
    let status = client
        .send(Signal::Traces, &request("traces", &["a"]))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    assert!(status.message().contains("LogsService"), "{status}");
    client
        .send(Signal::Logs, &request("logs", &["a"]))
        .await
        .unwrap();
    drop(client);
    let lines = finish_whole(receiver).await;
    assert!(
        lines
            .iter()
            .all(|line| line.signal == "logs" && line.delivered == 1),
        "{lines:?}"
    );
}

#[tokio::test]
async fn an_authority_that_is_no_host_is_no_hindrance() {
    let (receiver, [one, _two]) = receiver().await;
    let authorities = [
        Some("meshaccesslog:opentelemetry:0"),
        Some("meshtrace:opentelemetry"),
        Some("[::1]:x y"),
        Some(""),
        None,
    ];
    let mut client = Frames::connect(receiver.grpc().next().unwrap()).await;
    for (number, authority) in authorities.iter().enumerate() {
        let body = request("traces", &[format!("span-{number}")]);
        client.call(Signal::Traces, *authority, &body).await;
    }
    for _ in authorities {
        client.answered().await;
    }
    drop(client);
    assert_eq!(
        receiver.counts(Signal::Traces).accepted_items,
        authorities.len() as u64
    );
    finish_whole(receiver).await;
    assert_eq!(one.delivered("traces").len(), authorities.len());
}
