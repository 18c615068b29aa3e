//! What is printed, at each verbosity.
use super::*;
use bytes::Bytes;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue,
};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use penstock_otlp::check::check;
use penstock_testkit::{fixtures, numbered, request};

const TIME: u64 = 1_581_452_772_000_000_321;

/// What was written, for a test to read.
#[derive(Clone, Default)]
struct Page(Arc<Mutex<Vec<u8>>>);

impl Page {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Page {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Standard output after its reader has gone.
struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn settings(verbosity: Verbosity) -> Debug {
    Debug {
        verbosity,
        sampling_initial: 2,
        sampling_thereafter: 1,
    }
}

fn batch(signal: Signal, body: Bytes) -> ExportBatch {
    let checked = check(signal, body).unwrap();
    ExportBatch {
        signal,
        chunks: vec![checked.body],
        items: checked.items,
    }
}

async fn printed(verbosity: Verbosity, batch: &ExportBatch) -> String {
    let page = Page::default();
    let exporter = DebugExporter::new("debug/x", &settings(verbosity), Box::new(page.clone()));
    exporter.export(batch).await.unwrap();
    page.text()
}

/// The items as printed, without the summary before and the fields after them.
async fn items(verbosity: Verbosity, signal: Signal, body: Vec<u8>) -> String {
    let text = printed(verbosity, &batch(signal, body.into())).await;
    let (_, entry) = text.split_once('\n').unwrap();
    let (_, rest) = entry.split_once("\tinfo\t").unwrap();
    rest.rsplit_once("\n\t{").unwrap().0.to_owned()
}

fn attribute(key: &str, value: Any) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

fn text_attribute(key: &str, value: &str) -> KeyValue {
    attribute(key, Any::StringValue(value.to_owned()))
}

fn resource() -> Option<Resource> {
    let attributes = vec![text_attribute("service.name", "checkout")];
    Some(Resource {
        attributes,
        ..Resource::default()
    })
}

fn scope() -> Option<InstrumentationScope> {
    let (name, version) = ("envoy".to_owned(), "1.30".to_owned());
    Some(InstrumentationScope {
        name,
        version,
        ..InstrumentationScope::default()
    })
}

fn span() -> Vec<u8> {
    let event = Event {
        name: "retry".to_owned(),
        time_unix_nano: TIME,
        attributes: vec![attribute("attempt", Any::IntValue(2))],
        ..Event::default()
    };
    let span = Span {
        trace_id: (1..=16).collect(),
        span_id: (0x11..=0x18).collect(),
        name: "GET /".to_owned(),
        kind: 2,
        start_time_unix_nano: TIME,
        end_time_unix_nano: TIME + 1_500_000_000 - 321,
        attributes: vec![
            text_attribute("peer", "web"),
            attribute("ok", Any::BoolValue(true)),
        ],
        events: vec![event],
        status: Some(Status {
            code: 2,
            message: "reset".to_owned(),
        }),
        ..Span::default()
    };
    let spans = ScopeSpans {
        scope: scope(),
        spans: vec![span],
        ..ScopeSpans::default()
    };
    let resource_spans = ResourceSpans {
        resource: resource(),
        scope_spans: vec![spans],
        schema_url: "https://x/1".to_owned(),
    };
    ExportTraceServiceRequest {
        resource_spans: vec![resource_spans],
    }
    .encode_to_vec()
}

fn record() -> Vec<u8> {
    let list = ArrayValue {
        values: vec![
            AnyValue {
                value: Some(Any::IntValue(1)),
            },
            AnyValue { value: None },
        ],
    };
    let record = LogRecord {
        time_unix_nano: TIME,
        severity_number: 10,
        severity_text: "INFO".to_owned(),
        body: Some(AnyValue {
            value: Some(Any::StringValue("started".to_owned())),
        }),
        attributes: vec![
            attribute("list", Any::ArrayValue(list)),
            attribute("raw", Any::BytesValue(b"ab".to_vec())),
        ],
        ..LogRecord::default()
    };
    let logs = ScopeLogs {
        log_records: vec![record],
        ..ScopeLogs::default()
    };
    let resource_logs = ResourceLogs {
        scope_logs: vec![logs],
        ..ResourceLogs::default()
    };
    ExportLogsServiceRequest {
        resource_logs: vec![resource_logs],
    }
    .encode_to_vec()
}

fn sum_and_histogram() -> Vec<u8> {
    let number = NumberDataPoint {
        attributes: vec![text_attribute("code", "200"), text_attribute("to", "web")],
        value: Some(number_data_point::Value::AsDouble(1.5)),
        time_unix_nano: TIME,
        ..NumberDataPoint::default()
    };
    let sum = Sum {
        data_points: vec![number],
        aggregation_temporality: 2,
        is_monotonic: true,
    };
    let extreme = Buckets {
        offset: i32::MAX,
        bucket_counts: vec![1, 1],
    };
    let point = ExponentialHistogramDataPoint {
        count: 5,
        sum: Some(0.15),
        scale: 1,
        zero_count: 1,
        negative: Some(Buckets {
            offset: -1,
            bucket_counts: vec![1, 3],
        }),
        positive: Some(extreme),
        ..ExponentialHistogramDataPoint::default()
    };
    let histogram = ExponentialHistogram {
        data_points: vec![point],
        aggregation_temporality: 1,
    };
    let metric = |name: &str, data| Metric {
        name: name.to_owned(),
        data: Some(data),
        ..Metric::default()
    };
    let metrics = ScopeMetrics {
        metrics: vec![
            metric("requests", Data::Sum(sum)),
            metric("latency", Data::ExponentialHistogram(histogram)),
        ],
        ..ScopeMetrics::default()
    };
    let resource_metrics = ResourceMetrics {
        scope_metrics: vec![metrics],
        ..ResourceMetrics::default()
    };
    ExportMetricsServiceRequest {
        resource_metrics: vec![resource_metrics],
    }
    .encode_to_vec()
}

#[tokio::test]
async fn the_basic_line_is_the_collectors() {
    let ids = numbered("a", 3);
    for (signal, end) in [
        (
            Signal::Traces,
            r#"info	Traces	{"otelcol.component.id": "debug/x", "otelcol.component.kind": "exporter", "otelcol.signal": "traces", "resource spans": 1, "spans": 3}"#,
        ),
        (
            Signal::Metrics,
            r#"info	Metrics	{"otelcol.component.id": "debug/x", "otelcol.component.kind": "exporter", "otelcol.signal": "metrics", "resource metrics": 1, "metrics": 1, "data points": 3}"#,
        ),
        (
            Signal::Logs,
            r#"info	Logs	{"otelcol.component.id": "debug/x", "otelcol.component.kind": "exporter", "otelcol.signal": "logs", "resource logs": 1, "log records": 3}"#,
        ),
    ] {
        let batch = batch(signal, request(signal.name(), &ids));
        let text = printed(Verbosity::Basic, &batch).await;
        let (time, line) = text.strip_suffix('\n').unwrap().split_once('\t').unwrap();
        assert_eq!(line, end);
        assert_eq!(time.len(), "2026-01-01T00:00:00.000Z".len(), "{time}");
        assert!(time.parse::<jiff::Timestamp>().is_ok(), "{time}");
    }
}

#[tokio::test]
async fn a_joined_batch_counts_all_its_resources() {
    let one = request("traces", &numbered("a", 2));
    let joined = batch(Signal::Traces, [one.clone(), one].concat().into());
    let text = printed(Verbosity::Basic, &joined).await;
    assert!(
        text.ends_with("\"resource spans\": 2, \"spans\": 4}\n"),
        "{text}"
    );
}

#[tokio::test]
async fn normal_has_a_line_for_each_item() {
    assert_eq!(
        items(Verbosity::Normal, Signal::Traces, span()).await,
        "ResourceTraces #0 [https://x/1] service.name=checkout\n\
         ScopeTraces #0 envoy@1.30\n\
         GET / 0102030405060708090a0b0c0d0e0f10 1112131415161718 peer=web ok=true"
    );
    assert_eq!(
        items(Verbosity::Normal, Signal::Logs, record()).await,
        "ResourceLog #0\nScopeLog #0\nstarted list=[1,null] raw=YWI="
    );
    let text = items(Verbosity::Normal, Signal::Metrics, sum_and_histogram()).await;
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[2], "requests{code=200,to=web} 1.5");
    assert!(
        lines[3].starts_with("latency{} count=5 sum=0.15 le"),
        "{}",
        lines[3]
    );
    assert_eq!(lines.len(), 4);
}

#[tokio::test]
async fn detailed_spans_are_laid_out_as_the_collectors() {
    assert_eq!(
        items(Verbosity::Detailed, Signal::Traces, span()).await,
        "ResourceSpans #0
Resource SchemaURL: https://x/1
Resource attributes:
     -> service.name: Str(checkout)
ScopeSpans #0
ScopeSpans SchemaURL: \n\
InstrumentationScope envoy 1.30
Span #0
    Trace ID       : 0102030405060708090a0b0c0d0e0f10
    Parent ID      : \n    ID             : 1112131415161718
    Name           : GET /
    Kind           : Server
    Start time     : 2020-02-11 20:26:12.000000321 +0000 UTC
    End time       : 2020-02-11 20:26:13.5 +0000 UTC
    Status code    : Error
    Status message : reset
Attributes:
     -> peer: Str(web)
     -> ok: Bool(true)
Events:
SpanEvent #0
     -> Name: retry
     -> Timestamp: 2020-02-11 20:26:12.000000321 +0000 UTC
     -> DroppedAttributesCount: 0
     -> Attributes::
          -> attempt: Int(2)"
    );
}

#[tokio::test]
async fn detailed_log_records_show_severity_and_body() {
    let text = items(Verbosity::Detailed, Signal::Logs, record()).await;
    for line in [
        "Timestamp: 2020-02-11 20:26:12.000000321 +0000 UTC",
        "ObservedTimestamp: 1970-01-01 00:00:00 +0000 UTC",
        "SeverityNumber: Info2(10)",
        "Body: Str(started)",
        "     -> list: Slice([1,null])",
        "     -> raw: Bytes(YWI=)",
        "Trace ID: ",
        "Flags: 0",
    ] {
        assert!(
            text.lines().any(|printed| printed == line),
            "{line} is not in\n{text}"
        );
    }
}

#[tokio::test]
async fn detailed_data_points_show_their_values() {
    let text = items(Verbosity::Detailed, Signal::Metrics, sum_and_histogram()).await;
    for line in [
        "     -> DataType: Sum",
        "     -> IsMonotonic: true",
        "     -> AggregationTemporality: Cumulative",
        "Value: 1.500000",
        "     -> AggregationTemporality: Delta",
        "Sum: 0.150000",
        "Bucket [-1.414214, -1.000000), Count: 3",
        "Bucket [-1.000000, -0.707107), Count: 1",
        "Bucket [0, 0], Count: 1",
        "Bucket (inf, inf], Count: 1",
    ] {
        assert!(
            text.lines().any(|printed| printed == line),
            "{line} is not in\n{text}"
        );
    }
}

#[tokio::test]
async fn real_requests_can_be_printed_at_every_verbosity() {
    for fixture in fixtures() {
        let signal = Signal::from_name(fixture.signal).unwrap();
        let batch = batch(signal, fixture.body);
        for verbosity in [Verbosity::Basic, Verbosity::Normal, Verbosity::Detailed] {
            let text = printed(verbosity, &batch).await;
            let lines = text.lines().count();
            assert!(
                verbosity == Verbosity::Basic || lines > batch.items,
                "{}",
                fixture.name
            );
        }
    }
}

#[tokio::test]
async fn what_sampling_leaves_out_is_delivered_all_the_same() {
    let page = Page::default();
    let settings = Debug {
        sampling_thereafter: 0,
        ..settings(Verbosity::Basic)
    };
    let exporter = DebugExporter::new("debug", &settings, Box::new(page.clone()));
    let batch = batch(Signal::Logs, record().into());
    // More than one second's worth would be needed for a third line to be right.
    exporter.sampler.admits(Signal::Logs, Instant::now());
    exporter.sampler.admits(Signal::Logs, Instant::now());
    assert_eq!(exporter.export(&batch).await, Ok(Exported::default()));
    assert_eq!(page.text(), "");
}

#[tokio::test]
async fn a_closed_output_loses_nothing() {
    let exporter = DebugExporter::new("debug", &settings(Verbosity::Basic), Box::new(Closed));
    let answer = exporter.export(&batch(Signal::Logs, record().into())).await;
    assert!(
        matches!(answer, Err(ExportError::Retry { .. })),
        "{answer:?}"
    );
}
