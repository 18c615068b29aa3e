//! Settings, clients and endings that the tests share.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use penstock_batcher::ledger::Line;
use penstock_otlp::Signal;
use penstock_receiver::{Drained, Receiver};
use penstock_settings::{Settings, Source, load};
use penstock_testkit::{Backend, Request};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::codec::CompressionEncoding;
use tonic::transport::{Channel, Endpoint};

pub(crate) const MIB: usize = 1 << 20;

const CONFIG: &str = "
receivers:
  otlp:
    protocols:
      grpc: {endpoint: '127.0.0.1:0'}
      http: {endpoint: '127.0.0.1:0'}
processors: {batch: {timeout: 10ms}}
exporters:
  otlp/one: {endpoint: 'backend:4317'}
  otlp/two: {endpoint: 'backend:4317'}
service:
  pipelines:
    traces: {receivers: [otlp], processors: [batch], exporters: [otlp/one]}
    metrics: {receivers: [otlp], processors: [batch], exporters: [otlp/two]}
    logs: {receivers: [otlp], processors: [batch], exporters: [otlp/one, otlp/two]}
penstock:
  admin: {endpoint: '127.0.0.1:0'}
  shards: 2
  log: {storage: memory}
  identity: {pod_ip: false}
";

/// Traces go to the first exporter, metrics to the second, logs to both.
pub(crate) fn settings(exporters: [SocketAddr; 2]) -> Settings {
    let yaml = CONFIG.to_owned();
    let mut settings = load(&[Source::Text {
        name: "test.yaml".to_owned(),
        yaml,
    }])
    .unwrap();
    for (exporter, address) in settings.exporters.values_mut().zip(exporters) {
        exporter.hop.replicas = vec![address.to_string()];
        exporter.retry.initial_interval = Duration::from_millis(10);
    }
    settings.penstock.drain_deadline = Duration::from_secs(10);
    settings
}

pub(crate) async fn start(settings: Settings) -> Receiver {
    Receiver::start(settings, None).await.unwrap()
}

/// A receiver in front of two backends that take everything.
pub(crate) async fn receiver() -> (Receiver, [Backend; 2]) {
    let backends = [Backend::start().await, Backend::start().await];
    let receiver = start(settings(backends.each_ref().map(Backend::address))).await;
    (receiver, backends)
}

/// Stops the receiver; holds the ledger to its law, and to having held nothing back.
pub(crate) async fn finish(receiver: Receiver) -> (Drained, Vec<Line>) {
    let ledger = receiver.ledger().clone();
    let counts = Signal::ALL.map(|signal| (signal, receiver.counts(signal)));
    let drained = receiver.stop().await;
    let lines = ledger.lines();
    for line in &lines {
        assert!(line.balances(), "{line:?}");
        assert_eq!(line.held, 0, "{line:?}");
        let (_, counts) = counts
            .iter()
            .find(|(signal, _)| signal.name() == line.signal)
            .unwrap();
        assert!(
            line.accepted >= counts.accepted_items,
            "{line:?} {counts:?}"
        );
    }
    (drained, lines)
}

/// The same, for tests in which nothing may be lost.
pub(crate) async fn finish_whole(receiver: Receiver) -> Vec<Line> {
    let (drained, lines) = finish(receiver).await;
    assert_eq!(drained.dropped, 0);
    lines
}

/// A gRPC sender with one connection (and another one when that ends).
#[derive(Clone, Debug)]
pub(crate) struct Client {
    channel: Channel,
    encoding: Option<CompressionEncoding>,
}

impl Client {
    pub(crate) async fn connect(receiver: &Receiver) -> Self {
        let address = receiver.grpc().next().unwrap();
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        Self::over(endpoint.connect().await.unwrap())
    }

    pub(crate) fn over(channel: Channel) -> Self {
        Self {
            channel,
            encoding: None,
        }
    }

    pub(crate) fn with(&self, encoding: CompressionEncoding) -> Self {
        Self {
            encoding: Some(encoding),
            ..self.clone()
        }
    }

    pub(crate) async fn send(&self, signal: Signal, body: &Bytes) -> Result<(), tonic::Status> {
        let channel = self.channel.clone();
        macro_rules! export {
            ($client:ident, $request:expr) => {{
                let mut client = $client::new(channel);
                if let Some(encoding) = self.encoding {
                    client = client.send_compressed(encoding);
                }
                client.export($request).await.map(drop)
            }};
        }
        match Request::decode(signal.name(), body).unwrap() {
            Request::Traces(request) => export!(TraceServiceClient, request),
            Request::Metrics(request) => export!(MetricsServiceClient, request),
            Request::Logs(request) => export!(LogsServiceClient, request),
        }
    }
}

/// A traces request of about `bytes` bytes whose spans have ids that start with `prefix`, and how many it has.
pub(crate) fn large_traces(prefix: &str, bytes: usize) -> (Bytes, usize) {
    let one = penstock_testkit::traces(&[prefix]).len();
    let count = bytes / one;
    (
        penstock_testkit::traces(&penstock_testkit::numbered(prefix, count)),
        count,
    )
}

/// An HTTP/1.1 connection whose bytes a test writes itself.
#[derive(Debug)]
pub(crate) struct Raw<S = TcpStream>(S);

/// A request with a body of a length.
pub(crate) fn post(path: &str, content_type: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Raw {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Raw<S> {
    pub(crate) fn over(stream: S) -> Self {
        Self(stream)
    }

    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Reads one answer; its body has a length, or lasts to the end.
    pub(crate) async fn answer(&mut self) -> Answer {
        let mut bytes = Vec::new();
        let head = loop {
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break String::from_utf8(bytes.drain(..end + 4).collect()).unwrap();
            }
            assert_ne!(
                self.0.read_buf(&mut bytes).await.unwrap(),
                0,
                "closed without an answer"
            );
        };
        let lower = head.to_lowercase();
        let length = lower
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.map_or(0, |length| length.parse().unwrap());
        while bytes.len() < length {
            assert_ne!(
                self.0.read_buf(&mut bytes).await.unwrap(),
                0,
                "closed within the answer"
            );
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer {
            status,
            head: lower,
            body: bytes,
        }
    }

    /// Waits until the other end has closed the connection; what came before is dropped.
    pub(crate) async fn closed(mut self) {
        let mut rest = Vec::new();
        while self
            .0
            .read_buf(&mut rest)
            .await
            .is_ok_and(|bytes| bytes > 0)
        {}
    }
}

/// Whether the admin server's page has that status, and its body.
pub(crate) async fn page(receiver: &Receiver, path: &str) -> (u16, String) {
    page_at(receiver.admin(), path).await
}

/// The same of any server.
pub(crate) async fn page_at(address: SocketAddr, path: &str) -> (u16, String) {
    let mut raw = Raw::connect(address).await;
    raw.write(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n"))
        .await;
    let answer = raw.answer().await;
    (answer.status, String::from_utf8(answer.body).unwrap())
}

/// Lets others run until `ready`.
pub(crate) async fn until(mut ready: impl FnMut() -> bool) {
    while !ready() {
        tokio::task::yield_now().await;
    }
}
