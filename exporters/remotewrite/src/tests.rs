//! The exporter against a backend that reads the protocol strictly and answers by script.

use super::*;
use crate::wire::{v1, v2};
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data, number_data_point,
};
use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Mutex as StdMutex;
use tokio::net::TcpListener;

/// Values by series, each with its time.
type Written = BTreeMap<String, Vec<(i64, f64)>>;

#[derive(Default)]
struct Seen {
    script: VecDeque<(u16, Vec<(&'static str, String)>)>,
    /// A request with a series that has this in its labels is refused as a whole.
    late: Option<&'static str>,
    written: Written,
    requests: usize,
    largest: usize,
    in_flight: usize,
    most_in_flight: usize,
}

struct Peer {
    address: SocketAddr,
    seen: Arc<StdMutex<Seen>>,
    _task: tokio::task::JoinHandle<()>,
}

impl Peer {
    #[expect(
        clippy::disallowed_methods,
        reason = "test code: a task that ends with the runtime"
    )]
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(StdMutex::new(Seen::default()));
        let shared = Arc::clone(&seen);
        let task = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    let service = service_fn(|request| answer(Arc::clone(&shared), request));
                    let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                    let _ended = server.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self {
            address,
            seen,
            _task: task,
        }
    }

    fn script(&self, status: u16, headers: &[(&'static str, &str)]) {
        let headers = headers
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        self.seen
            .lock()
            .unwrap()
            .script
            .push_back((status, headers.collect()));
    }

    fn exporter(&self, change: impl FnOnce(&mut RemoteWrite)) -> RemoteWriteExporter {
        let mut settings = RemoteWrite {
            endpoint: format!("http://{}/api/v1/write", self.address),
            ..RemoteWrite::default()
        };
        change(&mut settings);
        RemoteWriteExporter::new(&Backend::RemoteWrite(settings), Duration::from_secs(20)).unwrap()
    }

    fn written(&self) -> Written {
        self.seen.lock().unwrap().written.clone()
    }

    fn requests(&self) -> usize {
        self.seen.lock().unwrap().requests
    }
}

async fn answer(
    seen: Arc<StdMutex<Seen>>,
    request: http::Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    {
        let mut seen = seen.lock().unwrap();
        seen.in_flight += 1;
        seen.most_in_flight = seen.most_in_flight.max(seen.in_flight);
    }
    let (head, body) = request.into_parts();
    assert_eq!(head.headers["content-encoding"], "snappy");
    let body = body.collect().await.unwrap().to_bytes();
    let plain = snap::raw::Decoder::new().decompress_vec(&body).unwrap();
    let (written, counts) = match head.headers["x-prometheus-remote-write-version"]
        .to_str()
        .unwrap()
    {
        "0.1.0" => (read_1(&plain), None),
        "2.0.0" => {
            let kind = "application/x-protobuf;proto=io.prometheus.write.v2.Request";
            assert_eq!(head.headers["content-type"], kind);
            let written = read_2(&plain);
            let samples: usize = written.values().map(Vec::len).sum();
            (written, Some(samples))
        }
        other => panic!("{other}"),
    };
    let mut seen = seen.lock().unwrap();
    seen.in_flight -= 1;
    seen.requests += 1;
    seen.largest = seen.largest.max(plain.len());
    let late = seen
        .late
        .is_some_and(|late| written.keys().any(|series| series.contains(late)));
    let refused = late.then(|| (400, Vec::new()));
    let planned = seen.script.pop_front().or(refused);
    let (status, headers) = planned.unwrap_or_else(|| {
        let name = "x-prometheus-remote-write-samples-written";
        (
            204,
            counts
                .map(|counts| (name, counts.to_string()))
                .into_iter()
                .collect(),
        )
    });
    if status == 204 {
        for (series, values) in written {
            seen.written.entry(series).or_default().extend(values);
        }
    }
    let mut response = Response::new(Full::new(Bytes::from_static(b"as planned")));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    for (name, value) in headers {
        response.headers_mut().insert(name, value.parse().unwrap());
    }
    Ok(response)
}

/// A series' labels as text; they must be sorted, unique and filled.
fn strict(labels: &[(String, String)]) -> String {
    assert!(
        labels.windows(2).all(|pair| pair[0].0 < pair[1].0),
        "{labels:?}"
    );
    assert!(
        labels
            .iter()
            .all(|(name, value)| !name.is_empty() && !value.is_empty())
    );
    labels
        .iter()
        .map(|(name, value)| format!("{name}={value};"))
        .collect()
}

fn values(samples: &[penstock_exporter_series::Sample]) -> Vec<(i64, f64)> {
    assert!(
        samples
            .windows(2)
            .all(|pair| pair[0].timestamp < pair[1].timestamp)
    );
    samples
        .iter()
        .map(|sample| (sample.timestamp, sample.value))
        .collect()
}

fn read_1(plain: &[u8]) -> Written {
    let request = v1::WriteRequest::decode(plain).unwrap();
    let series = request.timeseries.into_iter().map(|series| {
        let labels: Vec<_> = series
            .labels
            .into_iter()
            .map(|label| (label.name, label.value))
            .collect();
        (strict(&labels), values(&series.samples))
    });
    series.collect()
}

fn read_2(plain: &[u8]) -> Written {
    let request = v2::Request::decode(plain).unwrap();
    assert_eq!(request.symbols[0], "");
    let symbol = |index: &u32| request.symbols[*index as usize].clone();
    let series = request.timeseries.iter().map(|series| {
        let pairs = series.labels_refs.chunks_exact(2);
        assert!(pairs.remainder().is_empty());
        let labels: Vec<_> = pairs
            .map(|pair| (symbol(&pair[0]), symbol(&pair[1])))
            .collect();
        assert_eq!(
            symbol(&series.metadata.as_ref().unwrap().help_ref),
            "What it is."
        );
        (strict(&labels), values(&series.samples))
    });
    series.collect()
}

/// A batch with a gauge that has a value for each of `series` at `millis`.
fn batch(series: usize, millis: u64) -> ExportBatch {
    let point = |index: usize| NumberDataPoint {
        attributes: vec![KeyValue {
            key: "index".to_owned(),
            value: Some(AnyValue {
                value: Some(Value::IntValue(index.try_into().unwrap())),
            }),
            ..KeyValue::default()
        }],
        time_unix_nano: millis * 1_000_000,
        value: Some(number_data_point::Value::AsInt(millis.try_into().unwrap())),
        ..NumberDataPoint::default()
    };
    let data_points = (0..series).map(point).collect();
    let request = ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            scope_metrics: vec![ScopeMetrics {
                metrics: vec![Metric {
                    name: "a".to_owned(),
                    description: "What it is.".to_owned(),
                    data: Some(Data::Gauge(Gauge { data_points })),
                    ..Metric::default()
                }],
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }],
    };
    ExportBatch {
        signal: Signal::Metrics,
        chunks: vec![request.encode_to_vec().into()],
        items: series,
    }
}

#[tokio::test]
async fn both_protocols_write_every_value_once_within_the_size_limit() {
    for version_2 in [false, true] {
        let peer = Peer::start().await;
        let exporter = peer.exporter(|settings| {
            settings.version_2 = version_2;
            settings.max_batch_bytes = 2000;
        });
        let exported = exporter.export(&batch(300, 7)).await.unwrap();
        assert_eq!(exported, Exported::default());
        let written = peer.written();
        assert_eq!(written.len(), 300);
        assert!(written.values().all(|values| values == &[(7, 7.0)]));
        let seen = peer.seen.lock().unwrap();
        assert!(
            seen.requests > 5 && seen.largest <= 2000,
            "{} {}",
            seen.requests,
            seen.largest
        );
        assert!(seen.most_in_flight <= 5);
    }
}

#[tokio::test]
async fn values_of_a_series_arrive_in_the_order_of_the_batches() {
    let peer = Peer::start().await;
    let exporter = peer.exporter(|_| {});
    let batches: Vec<_> = (1..20).map(|millis| batch(10, millis)).collect();
    let answers = join_all(batches.iter().map(|batch| exporter.export(batch))).await;
    assert!(answers.iter().all(Result::is_ok));
    for values in peer.written().values() {
        assert!(values.is_sorted_by_key(|(millis, _)| *millis), "{values:?}");
        assert_eq!(values.len(), 19);
    }
}

#[tokio::test]
async fn a_backend_that_wants_a_pause_gets_it_and_then_all_values() {
    let peer = Peer::start().await;
    let exporter = peer.exporter(|settings| settings.shards = 1);
    peer.script(429, &[("retry-after", "9")]);
    peer.script(503, &[]);
    let after = Some(Duration::from_secs(9));
    let reason = "HTTP 429: as planned".to_owned();
    assert_eq!(
        exporter.export(&batch(3, 1)).await,
        Err(ExportError::Retry { after, reason })
    );
    assert!(matches!(
        exporter.export(&batch(3, 1)).await,
        Err(ExportError::Retry { after: None, .. })
    ));
    assert!(exporter.export(&batch(3, 1)).await.is_ok());
    assert_eq!(peer.written().len(), 3);
}

#[tokio::test]
async fn what_the_backend_refuses_is_rejected_and_not_sent_again() {
    let peer = Peer::start().await;
    let exporter = peer.exporter(|settings| settings.shards = 1);
    peer.script(422, &[]);
    let exported = exporter.export(&batch(3, 1)).await.unwrap();
    assert_eq!(
        (exported.rejected, exported.message.as_str()),
        (3, "HTTP 422: as planned")
    );
    assert_eq!(peer.requests(), 1);
}

#[tokio::test]
async fn a_series_that_is_refused_does_not_take_its_neighbours_along() {
    let peer = Peer::start().await;
    let exporter = peer.exporter(|settings| settings.shards = 1);
    peer.seen.lock().unwrap().late = Some("index=17");
    let exported = exporter.export(&batch(100, 1)).await.unwrap();
    assert_eq!(exported.rejected, 1);
    let written = peer.written();
    assert_eq!(written.len(), 99);
    assert!(written.values().all(|values| values.len() == 1));
}

#[tokio::test]
async fn a_backend_that_refuses_everything_is_asked_a_bounded_number_of_times() {
    let peer = Peer::start().await;
    let exporter = peer.exporter(|settings| settings.shards = 1);
    peer.seen.lock().unwrap().late = Some("index=");
    let exported = exporter.export(&batch(1000, 1)).await.unwrap();
    assert_eq!(exported.rejected, 1000);
    assert_eq!(peer.requests(), 1 + 2 * MOST_CUTS);
}

#[tokio::test]
async fn values_that_the_backend_did_not_write_are_rejected() {
    let peer = Peer::start().await;
    let exporter = peer.exporter(|settings| {
        settings.shards = 1;
        settings.version_2 = true;
    });
    peer.script(204, &[("x-prometheus-remote-write-samples-written", "2")]);
    assert_eq!(exporter.export(&batch(5, 1)).await.unwrap().rejected, 3);
    peer.script(204, &[]);
    let answer = exporter.export(&batch(5, 2)).await;
    assert!(
        matches!(answer, Err(ExportError::Retry { .. })),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_request_that_is_too_large_goes_in_pieces() {
    let peer = Peer::start().await;
    let exporter = peer.exporter(|settings| settings.shards = 1);
    for _ in 0..3 {
        peer.script(413, &[]);
    }
    let exported = exporter.export(&batch(8, 1)).await.unwrap();
    assert_eq!(exported, Exported::default());
    assert_eq!(peer.written().len(), 8);
}

#[tokio::test]
async fn other_signals_are_rejected() {
    let peer = Peer::start().await;
    let mut batch = batch(1, 1);
    batch.signal = Signal::Logs;
    let answer = peer.exporter(|_| {}).export(&batch).await;
    assert!(matches!(answer, Err(ExportError::Rejected { .. })));
}
