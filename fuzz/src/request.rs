//! Requests as `prost` decodes them, in one shape for all signals.

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::Metric;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::resource::v1::Resource;
use penstock_otlp::Signal;
use penstock_otlp::annotate::Attribute;
use penstock_otlp::schema::{self, Kind, Role};
use prost::Message;
use prost::encoding::{DecodeContext, decode_key, decode_varint, skip_field};
use std::mem::take;

/// A decoded request.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "one variant a signal")]
pub enum Request {
    Traces(ExportTraceServiceRequest),
    Metrics(ExportMetricsServiceRequest),
    Logs(ExportLogsServiceRequest),
}

/// A request by what holds what. Two trees are equal when their encodings are, so NaN equals NaN.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    /// The encoding of a message without the children.
    pub head: Vec<u8>,
    /// The messages on the way to items, in order.
    pub children: Vec<Self>,
    /// Whether this is a span, data point or log record.
    pub item: bool,
}

impl Tree {
    fn new<T: Message>(head: &T, children: Vec<Self>) -> Self {
        Self {
            head: head.encode_to_vec(),
            children,
            item: false,
        }
    }

    fn leaf<T: Message>(item: &T) -> Self {
        Self {
            head: item.encode_to_vec(),
            children: Vec::new(),
            item: true,
        }
    }

    /// Items at and below.
    pub fn items(&self) -> usize {
        usize::from(self.item) + self.children.iter().map(Self::items).sum::<usize>()
    }

    /// Whether nothing more could be split off: one child at most on each level.
    pub fn is_narrow(&self) -> bool {
        self.children.len() <= 1 && self.children.iter().all(Self::is_narrow)
    }

    /// The same with neighbours merged that agree in all but their children.
    pub fn merged(self) -> Self {
        let mut children: Vec<Self> = Vec::new();
        for child in self.children {
            match children.last_mut() {
                Some(last) if !child.item && last.head == child.head => {
                    last.children.extend(child.children);
                }
                _ => children.push(child),
            }
        }
        let children = children.into_iter().map(Self::merged).collect();
        Self {
            head: self.head,
            children,
            item: self.item,
        }
    }
}

impl Request {
    /// Decodes with `prost`.
    ///
    /// # Errors
    ///
    /// What `prost` finds wrong.
    pub fn decode(signal: Signal, body: &[u8]) -> Result<Self, prost::DecodeError> {
        Ok(match signal {
            Signal::Traces => Self::Traces(Message::decode(body)?),
            Signal::Metrics => Self::Metrics(Message::decode(body)?),
            Signal::Logs => Self::Logs(Message::decode(body)?),
        })
    }

    /// Each Resource, or the place where one may be.
    pub fn resources(&mut self) -> Vec<&mut Option<Resource>> {
        match self {
            Self::Traces(r) => r
                .resource_spans
                .iter_mut()
                .map(|r| &mut r.resource)
                .collect(),
            Self::Metrics(r) => r
                .resource_metrics
                .iter_mut()
                .map(|r| &mut r.resource)
                .collect(),
            Self::Logs(r) => r
                .resource_logs
                .iter_mut()
                .map(|r| &mut r.resource)
                .collect(),
        }
    }

    /// The request as a tree.
    pub fn tree(&self) -> Tree {
        let children = match self.clone() {
            Self::Traces(request) => map(request.resource_spans, |mut resource| {
                let scopes = map(take(&mut resource.scope_spans), |mut scope| {
                    let items = map(take(&mut scope.spans), |item| Tree::leaf(&item));
                    Tree::new(&scope, items)
                });
                Tree::new(&resource, scopes)
            }),
            Self::Logs(request) => map(request.resource_logs, |mut resource| {
                let scopes = map(take(&mut resource.scope_logs), |mut scope| {
                    let items = map(take(&mut scope.log_records), |item| Tree::leaf(&item));
                    Tree::new(&scope, items)
                });
                Tree::new(&resource, scopes)
            }),
            Self::Metrics(request) => map(request.resource_metrics, |mut resource| {
                let scopes = map(take(&mut resource.scope_metrics), |mut scope| {
                    let metrics = map(take(&mut scope.metrics), metric);
                    Tree::new(&scope, metrics)
                });
                Tree::new(&resource, scopes)
            }),
        };
        Tree {
            children,
            ..Tree::default()
        }
    }
}

fn map<T>(list: Vec<T>, tree: impl Fn(T) -> Tree) -> Vec<Tree> {
    list.into_iter().map(tree).collect()
}

/// The kind of data belongs to the head: its points are the children.
fn metric(mut metric: Metric) -> Tree {
    let points = match &mut metric.data {
        None => Vec::new(),
        Some(Data::Gauge(data)) => map(take(&mut data.data_points), |p| Tree::leaf(&p)),
        Some(Data::Sum(data)) => map(take(&mut data.data_points), |p| Tree::leaf(&p)),
        Some(Data::Histogram(data)) => map(take(&mut data.data_points), |p| Tree::leaf(&p)),
        Some(Data::ExponentialHistogram(data)) => {
            map(take(&mut data.data_points), |p| Tree::leaf(&p))
        }
        Some(Data::Summary(data)) => map(take(&mut data.data_points), |p| Tree::leaf(&p)),
    };
    Tree::new(&metric, points)
}

/// Bytes of the largest head in a valid request: of all fields of one message that do not lead to items, as they lie
/// on the wire.
pub fn largest_head(message: &'static schema::Message, mut bytes: &[u8]) -> usize {
    let (mut own, mut inside) = (0, 0);
    while !bytes.is_empty() {
        let before = bytes;
        let (number, wire) = decode_key(&mut bytes).expect("valid");
        let field = message
            .field(number)
            .filter(|field| field.role == Role::Container);
        if let Some(Kind::Message(inner)) = field.map(|field| field.kind) {
            let length = decode_varint(&mut bytes).expect("valid") as usize;
            inside = inside.max(largest_head(inner, &bytes[..length]));
            bytes = &bytes[length..];
            continue;
        }
        skip_field(wire, number, &mut bytes, DecodeContext::default()).expect("valid");
        let is_item = message
            .field(number)
            .is_some_and(|field| field.role == Role::Item);
        if !is_item {
            own += before.len() - bytes.len();
        }
    }
    own.max(inside)
}

/// The attribute's value if it is a string.
pub fn string_of(attribute: &KeyValue) -> Option<&str> {
    match attribute.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}

/// What annotating a Resource means, on objects.
pub fn annotate(resource: &mut Option<Resource>, wanted: &[Attribute<'_>]) {
    let has = |key: &str| {
        resource
            .iter()
            .flat_map(|r| &r.attributes)
            .any(|a| a.key == key)
    };
    let wanted: Vec<_> = wanted.iter().filter(|w| w.replace || !has(w.key)).collect();
    if wanted.is_empty() {
        return;
    }
    let attributes = &mut resource.get_or_insert_default().attributes;
    attributes.retain(|attribute| wanted.iter().all(|w| w.key != attribute.key));
    attributes.extend(wanted.into_iter().map(|w| KeyValue {
        key: w.key.to_owned(),
        value: Some(AnyValue {
            value: Some(Value::StringValue(w.value.to_owned())),
        }),
        ..KeyValue::default()
    }));
}
