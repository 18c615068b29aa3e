//! Small requests whose items carry an id, and the way back from any request to its ids.
//!
//! The id is the attribute `item.id` of the span, data point or log record.

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message;
use std::hash::{DefaultHasher, Hash, Hasher};

const ID: &str = "item.id";
const TIME: u64 = 1_700_000_000_000_000_000;

/// A decoded request.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "the names are the signals'")]
pub enum Request {
    Traces(ExportTraceServiceRequest),
    Metrics(ExportMetricsServiceRequest),
    Logs(ExportLogsServiceRequest),
}

impl Request {
    /// Decodes a protobuf request as `prost` understands it.
    ///
    /// # Errors
    /// What `prost` says when it does not.
    ///
    /// # Panics
    /// On a signal that is none.
    pub fn decode(signal: &str, body: &[u8]) -> Result<Self, prost::DecodeError> {
        Ok(match signal {
            "traces" => Self::Traces(ExportTraceServiceRequest::decode(body)?),
            "metrics" => Self::Metrics(ExportMetricsServiceRequest::decode(body)?),
            "logs" => Self::Logs(ExportLogsServiceRequest::decode(body)?),
            other => panic!("no signal is called {other}"),
        })
    }

    /// Decodes an OTLP JSON request as the published types understand it.
    ///
    /// # Errors
    /// What `serde_json` says when they do not.
    ///
    /// # Panics
    /// On a signal that is none.
    pub fn from_json(signal: &str, body: &[u8]) -> Result<Self, serde_json::Error> {
        Ok(match signal {
            "traces" => Self::Traces(serde_json::from_slice(body)?),
            "metrics" => Self::Metrics(serde_json::from_slice(body)?),
            "logs" => Self::Logs(serde_json::from_slice(body)?),
            other => panic!("no signal is called {other}"),
        })
    }

    /// Encodes it as protobuf.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        Bytes::from(match self {
            Self::Traces(request) => request.encode_to_vec(),
            Self::Metrics(request) => request.encode_to_vec(),
            Self::Logs(request) => request.encode_to_vec(),
        })
    }

    /// The attributes of every item, in order. Metrics of all five kinds count by data point.
    fn items(&self) -> Vec<&[KeyValue]> {
        match self {
            Self::Traces(request) => request
                .resource_spans
                .iter()
                .flat_map(|resource| &resource.scope_spans)
                .flat_map(|scope| &scope.spans)
                .map(|span| &span.attributes[..])
                .collect(),
            Self::Logs(request) => request
                .resource_logs
                .iter()
                .flat_map(|resource| &resource.scope_logs)
                .flat_map(|scope| &scope.log_records)
                .map(|record| &record.attributes[..])
                .collect(),
            Self::Metrics(request) => request
                .resource_metrics
                .iter()
                .flat_map(|resource| &resource.scope_metrics)
                .flat_map(|scope| &scope.metrics)
                .flat_map(data_points)
                .collect(),
        }
    }

    /// How many items it has.
    #[must_use]
    pub fn count(&self) -> usize {
        self.items().len()
    }

    /// The ids of its items, in order; items without one are left out.
    #[must_use]
    pub fn ids(&self) -> Vec<String> {
        self.items().into_iter().filter_map(id_of).collect()
    }
}

fn data_points(metric: &Metric) -> Vec<&[KeyValue]> {
    use metric::Data;
    match &metric.data {
        None => Vec::new(),
        Some(Data::Gauge(data)) => data.data_points.iter().map(|p| &p.attributes[..]).collect(),
        Some(Data::Sum(data)) => data.data_points.iter().map(|p| &p.attributes[..]).collect(),
        Some(Data::Histogram(data)) => data.data_points.iter().map(|p| &p.attributes[..]).collect(),
        Some(Data::ExponentialHistogram(data)) => {
            data.data_points.iter().map(|p| &p.attributes[..]).collect()
        }
        Some(Data::Summary(data)) => data.data_points.iter().map(|p| &p.attributes[..]).collect(),
    }
}

fn id_of(attributes: &[KeyValue]) -> Option<String> {
    let value = attributes
        .iter()
        .find(|attribute| attribute.key == ID)?
        .value
        .as_ref()?;
    match value.value.as_ref()? {
        any_value::Value::StringValue(id) => Some(id.clone()),
        _ => None,
    }
}

fn text(key: &str, value: &str) -> KeyValue {
    let value = AnyValue {
        value: Some(any_value::Value::StringValue(value.to_owned())),
    };
    KeyValue {
        key: key.to_owned(),
        value: Some(value),
        ..KeyValue::default()
    }
}

fn resource() -> Option<Resource> {
    Some(Resource {
        attributes: vec![text("service.name", "testkit")],
        ..Resource::default()
    })
}

fn scope() -> Option<InstrumentationScope> {
    Some(InstrumentationScope {
        name: "testkit".to_owned(),
        ..InstrumentationScope::default()
    })
}

fn hash(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish() | 1
}

/// A traces request with one span per id.
#[must_use]
pub fn traces<S: AsRef<str>>(ids: &[S]) -> Bytes {
    let span = |id: &S| Span {
        trace_id: u128::from(hash(id.as_ref())).to_be_bytes().to_vec(),
        span_id: hash(id.as_ref()).to_be_bytes().to_vec(),
        name: "work".to_owned(),
        start_time_unix_nano: TIME,
        end_time_unix_nano: TIME + 1_000_000,
        attributes: vec![text(ID, id.as_ref())],
        ..Span::default()
    };
    let spans = ScopeSpans {
        scope: scope(),
        spans: ids.iter().map(span).collect(),
        ..ScopeSpans::default()
    };
    let resource_spans = ResourceSpans {
        resource: resource(),
        scope_spans: vec![spans],
        ..ResourceSpans::default()
    };
    Request::Traces(ExportTraceServiceRequest {
        resource_spans: vec![resource_spans],
    })
    .encode()
}

/// A logs request with one log record per id.
#[must_use]
pub fn logs<S: AsRef<str>>(ids: &[S]) -> Bytes {
    let record = |id: &S| LogRecord {
        time_unix_nano: TIME,
        observed_time_unix_nano: TIME,
        body: text("", "something happened").value,
        attributes: vec![text(ID, id.as_ref())],
        ..LogRecord::default()
    };
    let records = ScopeLogs {
        scope: scope(),
        log_records: ids.iter().map(record).collect(),
        ..ScopeLogs::default()
    };
    let resource_logs = ResourceLogs {
        resource: resource(),
        scope_logs: vec![records],
        ..ResourceLogs::default()
    };
    Request::Logs(ExportLogsServiceRequest {
        resource_logs: vec![resource_logs],
    })
    .encode()
}

/// A metrics request with one data point of one gauge per id.
#[must_use]
pub fn metrics<S: AsRef<str>>(ids: &[S]) -> Bytes {
    let point = |id: &S| NumberDataPoint {
        time_unix_nano: TIME,
        value: Some(number_data_point::Value::AsInt(1)),
        attributes: vec![text(ID, id.as_ref())],
        ..NumberDataPoint::default()
    };
    let gauge = Metric {
        name: "testkit.gauge".to_owned(),
        data: Some(metric::Data::Gauge(Gauge {
            data_points: ids.iter().map(point).collect(),
        })),
        ..Metric::default()
    };
    let scope_metrics = ScopeMetrics {
        scope: scope(),
        metrics: vec![gauge],
        ..ScopeMetrics::default()
    };
    let resource_metrics = ResourceMetrics {
        resource: resource(),
        scope_metrics: vec![scope_metrics],
        ..ResourceMetrics::default()
    };
    Request::Metrics(ExportMetricsServiceRequest {
        resource_metrics: vec![resource_metrics],
    })
    .encode()
}

/// A request of `signal` with one item per id.
///
/// # Panics
/// On a signal that is none.
#[must_use]
pub fn request<S: AsRef<str>>(signal: &str, ids: &[S]) -> Bytes {
    match signal {
        "traces" => traces(ids),
        "metrics" => metrics(ids),
        "logs" => logs(ids),
        other => panic!("no signal is called {other}"),
    }
}

/// `count` ids that start with `prefix`.
#[must_use]
pub fn numbered(prefix: &str, count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("{prefix}-{number:06}"))
        .collect()
}

/// The ids in an encoded request, in order.
///
/// # Panics
/// When `prost` cannot decode it.
#[must_use]
pub fn ids(signal: &str, body: &[u8]) -> Vec<String> {
    Request::decode(signal, body)
        .expect("a request that prost decodes")
        .ids()
}

/// The ids in an OTLP JSON request, in order.
///
/// # Panics
/// When the published types cannot take it.
#[must_use]
pub fn ids_in_json(signal: &str, body: &[u8]) -> Vec<String> {
    Request::from_json(signal, body).expect("OTLP JSON").ids()
}
