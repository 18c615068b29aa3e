//! The protobuf format: `io.prometheus.client.MetricFamily`, each with its length before it.
//!
//! *Invariant:* field numbers are the format's. The only one that has native histograms.

use super::{Item, Page};
use penstock_exporter_series::{
    BucketSpan, Buckets, Exemplar as Known, Histogram as Native, Kind, Quantiles, Value,
};
use prost::Message;

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct MetricFamily {
    #[prost(string, optional, tag = "1")]
    pub(super) name: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub(super) help: Option<String>,
    #[prost(int32, optional, tag = "3")]
    pub(super) kind: Option<i32>,
    #[prost(message, repeated, tag = "4")]
    pub(super) metric: Vec<Metric>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Metric {
    #[prost(message, repeated, tag = "1")]
    pub(super) label: Vec<LabelPair>,
    #[prost(message, optional, tag = "2")]
    pub(super) gauge: Option<Gauge>,
    #[prost(message, optional, tag = "3")]
    pub(super) counter: Option<Counter>,
    #[prost(message, optional, tag = "4")]
    pub(super) summary: Option<Summary>,
    #[prost(int64, optional, tag = "6")]
    pub(super) timestamp_ms: Option<i64>,
    #[prost(message, optional, tag = "7")]
    pub(super) histogram: Option<Histogram>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct LabelPair {
    #[prost(string, optional, tag = "1")]
    pub(super) name: Option<String>,
    #[prost(string, optional, tag = "2")]
    pub(super) value: Option<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Gauge {
    #[prost(double, optional, tag = "1")]
    pub(super) value: Option<f64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Counter {
    #[prost(double, optional, tag = "1")]
    pub(super) value: Option<f64>,
    #[prost(message, optional, tag = "2")]
    pub(super) exemplar: Option<Exemplar>,
    #[prost(message, optional, tag = "3")]
    pub(super) created: Option<Timestamp>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Quantile {
    #[prost(double, optional, tag = "1")]
    pub(super) quantile: Option<f64>,
    #[prost(double, optional, tag = "2")]
    pub(super) value: Option<f64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Summary {
    #[prost(uint64, optional, tag = "1")]
    pub(super) count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    pub(super) sum: Option<f64>,
    #[prost(message, repeated, tag = "3")]
    pub(super) quantile: Vec<Quantile>,
    #[prost(message, optional, tag = "4")]
    pub(super) created: Option<Timestamp>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Histogram {
    #[prost(uint64, optional, tag = "1")]
    pub(super) count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    pub(super) sum: Option<f64>,
    #[prost(message, repeated, tag = "3")]
    pub(super) bucket: Vec<Bucket>,
    #[prost(sint32, optional, tag = "5")]
    pub(super) schema: Option<i32>,
    #[prost(double, optional, tag = "6")]
    pub(super) zero_threshold: Option<f64>,
    #[prost(uint64, optional, tag = "7")]
    pub(super) zero_count: Option<u64>,
    #[prost(message, repeated, tag = "9")]
    pub(super) negative_span: Vec<BucketSpan>,
    #[prost(sint64, repeated, packed = "false", tag = "10")]
    pub(super) negative_delta: Vec<i64>,
    #[prost(message, repeated, tag = "12")]
    pub(super) positive_span: Vec<BucketSpan>,
    #[prost(sint64, repeated, packed = "false", tag = "13")]
    pub(super) positive_delta: Vec<i64>,
    #[prost(message, optional, tag = "15")]
    pub(super) created: Option<Timestamp>,
    #[prost(message, repeated, tag = "16")]
    pub(super) exemplars: Vec<Exemplar>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Bucket {
    #[prost(uint64, optional, tag = "1")]
    pub(super) count: Option<u64>,
    #[prost(double, optional, tag = "2")]
    pub(super) bound: Option<f64>,
    #[prost(message, optional, tag = "3")]
    pub(super) exemplar: Option<Exemplar>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Exemplar {
    #[prost(message, repeated, tag = "1")]
    pub(super) label: Vec<LabelPair>,
    #[prost(double, optional, tag = "2")]
    pub(super) value: Option<f64>,
    #[prost(message, optional, tag = "3")]
    pub(super) timestamp: Option<Timestamp>,
}

/// `google.protobuf.Timestamp`.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(super) struct Timestamp {
    #[prost(int64, tag = "1")]
    pub(super) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(super) nanos: i32,
}

/// The page.
pub(super) fn write(page: &Page<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    for group in &page.groups {
        let kind = match group.family.kind {
            Kind::Counter => 0,
            Kind::Gauge | Kind::Info => 1,
            Kind::Summary => 2,
            Kind::Histogram => 4,
        };
        let help = &group.family.help;
        let family = MetricFamily {
            name: Some(group.name.clone().into_owned()),
            help: (!help.is_empty()).then(|| help.clone()),
            kind: Some(kind),
            metric: group
                .items
                .iter()
                .map(|item| metric(page, item, kind == 0))
                .collect(),
        };
        #[expect(clippy::expect_used, reason = "a Vec takes every write")]
        family
            .encode_length_delimited(&mut out)
            .expect("room in memory");
    }
    out
}

fn metric(page: &Page<'_>, item: &Item<'_>, counts: bool) -> Metric {
    let sheet = &page.sheets[item.sheet];
    let label = |number: &u32| {
        let number = super::at(*number);
        let label = sheet.held.labels.get_index(number)?;
        Some(LabelPair {
            name: Some(sheet.names[number].clone().into_owned()),
            value: Some(label.value.to_string()),
        })
    };
    let kept = item.kept;
    let mut metric = Metric {
        label: item.labels.iter().filter_map(label).collect(),
        timestamp_ms: (page.way.timestamps && kept.millis > 0).then_some(kept.millis),
        ..Metric::default()
    };
    let created = (kept.created > 0).then(|| timestamp(kept.created));
    let known = &kept.exemplars;
    let exemplar = |known: &Known| Exemplar {
        label: known
            .labels
            .iter()
            .map(|(name, value)| LabelPair {
                name: Some(page.way.escaping.label(name).into_owned()),
                value: Some(value.clone()),
            })
            .collect(),
        value: Some(known.value),
        timestamp: (known.millis > 0).then(|| timestamp(known.millis)),
    };
    match &kept.value {
        Value::Number(value) if counts => {
            metric.counter = Some(Counter {
                value: Some(*value),
                exemplar: known.last().map(exemplar),
                created,
            });
        }
        Value::Number(value) => {
            metric.gauge = Some(Gauge {
                value: Some(*value),
            });
        }
        Value::Buckets(buckets) => {
            metric.histogram = Some(Histogram {
                created,
                ..classic(buckets, known, exemplar)
            });
        }
        Value::Native(histogram) => {
            metric.histogram = Some(Histogram {
                created,
                exemplars: known.iter().map(exemplar).collect(),
                ..native(histogram)
            });
        }
        Value::Quantiles(quantiles) => {
            metric.summary = Some(Summary {
                created,
                ..summary(quantiles)
            });
        }
    }
    metric
}

fn classic(
    buckets: &Buckets,
    exemplars: &[Known],
    exemplar: impl Fn(&Known) -> Exemplar,
) -> Histogram {
    let mut from = f64::NEG_INFINITY;
    let list = buckets.each().map(|(bound, count)| {
        let here = |known: &&Known| known.value > from && known.value <= bound;
        let found = exemplars.iter().rev().find(here);
        from = bound;
        Bucket {
            count: Some(count),
            bound: Some(bound),
            exemplar: found.map(&exemplar),
        }
    });
    Histogram {
        bucket: list.collect(),
        count: Some(buckets.count),
        sum: buckets.sum,
        ..Histogram::default()
    }
}

fn native(histogram: &Native) -> Histogram {
    let mut positive_span = histogram.positive_spans.clone();
    if positive_span.is_empty() && histogram.negative_spans.is_empty() {
        // Without any bucket it would be taken for a classic one.
        positive_span.push(BucketSpan::default());
    }
    Histogram {
        count: histogram.count,
        sum: Some(histogram.sum),
        schema: Some(histogram.schema),
        zero_threshold: Some(histogram.zero_threshold),
        zero_count: histogram.zero_count,
        negative_span: histogram.negative_spans.clone(),
        negative_delta: histogram.negative_deltas.clone(),
        positive_span,
        positive_delta: histogram.positive_deltas.clone(),
        ..Histogram::default()
    }
}

fn summary(quantiles: &Quantiles) -> Summary {
    let list = quantiles.values.iter().map(|(quantile, value)| Quantile {
        quantile: Some(*quantile),
        value: Some(*value),
    });
    Summary {
        count: Some(quantiles.count),
        sum: Some(quantiles.sum),
        quantile: list.collect(),
        created: None,
    }
}

fn timestamp(millis: i64) -> Timestamp {
    Timestamp {
        seconds: millis.div_euclid(1000),
        nanos: i32::try_from(millis.rem_euclid(1000)).unwrap_or_default() * 1_000_000,
    }
}
