//! Real clients: tonic with the OpenTelemetry services, and the `h2` crate.

use bytes::Bytes;
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::{ExportLogsServiceRequest, logs_service_client::LogsServiceClient},
        metrics::v1::{ExportMetricsServiceRequest, metrics_service_client::MetricsServiceClient},
        trace::v1::{ExportTraceServiceRequest, trace_service_client::TraceServiceClient},
    },
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use tokio::{io::duplex, task::JoinSet};
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

use super::peer::*;
use crate::{Body, End, Head, Http2, Http2Settings, Response};

/// An OTLP receiver that throws everything away.
async fn accept(_head: Head, mut body: Body) -> Response {
    let message = body.collect(64 << 20).await.unwrap();
    assert_eq!(
        message.len(),
        5 + u32::from_be_bytes(message[1..5].try_into().unwrap()) as usize
    );
    answer_with(&[0; 5][..])
}

async fn channel(settings: Http2Settings) -> (Channel, JoinSet<End>) {
    let (client, server) = duplex(256 << 10);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        Http2::new(settings)
            .unwrap()
            .serve(server, accept, std::future::pending())
            .await
    });
    let mut client = Some(TokioIo::new(client));
    let connect = service_fn(move |_| {
        let client = client.take();
        async move { client.ok_or(std::io::Error::from(std::io::ErrorKind::ConnectionRefused)) }
    });
    let channel = Endpoint::from_static("http://receiver")
        .connect_with_connector(connect)
        .await
        .unwrap();
    (channel, tasks)
}

fn spans(name_len: usize) -> ExportTraceServiceRequest {
    let span = Span {
        name: "s".repeat(name_len),
        ..Span::default()
    };
    let scope = ScopeSpans {
        spans: vec![span],
        ..ScopeSpans::default()
    };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans: vec![scope],
            ..ResourceSpans::default()
        }],
    }
}

#[tokio::test]
async fn tonic_sends_all_signals_over_one_connection() {
    let (channel, mut tasks) = channel(Http2Settings::default()).await;
    let mut traces = TraceServiceClient::new(channel.clone());
    let mut logs = LogsServiceClient::new(channel.clone());
    let mut metrics = MetricsServiceClient::new(channel);
    for _ in 0..300 {
        traces.export(spans(900)).await.unwrap();
        logs.export(ExportLogsServiceRequest::default())
            .await
            .unwrap();
        metrics
            .export(ExportMetricsServiceRequest::default())
            .await
            .unwrap();
    }
    drop((traces, logs, metrics));
    assert_eq!(tasks.join_next().await.unwrap().unwrap(), End::Peer);
}

#[tokio::test]
async fn tonic_sends_many_calls_at_once_through_small_windows() {
    let settings = Http2Settings {
        stream_window_bytes: 10_000,
        connection_window_bytes: 65_535,
        max_concurrent_streams: 10,
        ..Http2Settings::default()
    };
    let (channel, _tasks) = channel(settings).await;
    let mut calls = JoinSet::new();
    for index in 0..100 {
        let mut client = TraceServiceClient::new(channel.clone());
        calls.spawn(async move { client.export(spans(index * 1000)).await });
    }
    while let Some(answer) = calls.join_next().await {
        answer.unwrap().unwrap();
    }
}

#[tokio::test]
async fn h2_gets_its_large_body_back() {
    // The whole answer waits for the client's windows.
    let settings = Http2Settings {
        max_blocked_response_bytes: 4 << 20,
        ..Http2Settings::default()
    };
    let (client, server) = duplex(256 << 10);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let http2 = Http2::new(settings).unwrap();
        http2.serve(server, echo, std::future::pending()).await;
    });
    let (mut sender, connection) = h2::client::handshake(client).await.unwrap();
    tasks.spawn(async move { connection.await.unwrap() });
    let body: Vec<u8> = (0..3_000_000u32).map(|i| (i / 7) as u8).collect();
    let request = http::Request::post("http://receiver/echo")
        .body(())
        .unwrap();
    let (response, mut stream) = sender.send_request(request, false).unwrap();
    stream.send_data(Bytes::from(body.clone()), true).unwrap();
    let mut answer = response.await.unwrap().into_body();
    let mut back = Vec::new();
    while let Some(piece) = answer.data().await {
        let piece = piece.unwrap();
        answer.flow_control().release_capacity(piece.len()).unwrap();
        back.extend_from_slice(&piece);
    }
    assert!(back == body, "body came back changed");
    assert_eq!(
        answer.trailers().await.unwrap().unwrap()["grpc-status"],
        "0"
    );
}
