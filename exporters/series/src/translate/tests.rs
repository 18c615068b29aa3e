//! Points of every kind, and the names and labels that users know from the Collector.

mod mesh;
mod names;

use super::*;
use crate::histogram::{BucketSpan, STALE};
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value::Value as AnyKind,
};
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint,
    NumberDataPoint, ScopeMetrics, Sum, Summary, SummaryDataPoint,
    exponential_histogram_data_point::Buckets, number_data_point,
    summary_data_point::ValueAtQuantile,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use proptest::prelude::*;

fn way() -> Translation {
    Translation {
        namespace: String::new(),
        suffixes: true,
        utf8: false,
        external_labels: Vec::new(),
        target_info: true,
        resource_labels: ResourceLabels::default(),
        scope_labels: true,
        deltas: false,
    }
}

fn attribute(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            value: Some(AnyKind::StringValue(value.to_owned())),
        }),
        ..KeyValue::default()
    }
}

fn metric(name: &str, unit: &str, data: Data) -> Metric {
    Metric {
        name: name.to_owned(),
        unit: unit.to_owned(),
        description: "What it is.".to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

fn number(millis: u64, value: f64, attributes: Vec<KeyValue>) -> NumberDataPoint {
    NumberDataPoint {
        attributes,
        time_unix_nano: millis * 1_000_000,
        value: Some(number_data_point::Value::AsDouble(value)),
        ..NumberDataPoint::default()
    }
}

fn sum(temporality: i32, points: Vec<NumberDataPoint>) -> Data {
    Data::Sum(Sum {
        data_points: points,
        aggregation_temporality: temporality,
        is_monotonic: true,
    })
}

fn request(attributes: Vec<KeyValue>, metrics: Vec<Metric>) -> ExportMetricsServiceRequest {
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(Resource {
                attributes,
                ..Resource::default()
            }),
            scope_metrics: vec![ScopeMetrics {
                scope: Some(InstrumentationScope::default()),
                metrics,
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }],
    }
}

fn translate(way: &Translation, request: ExportMetricsServiceRequest) -> Translated {
    Translator::new(way).translate(request)
}

/// `name{label="value"}` with the values of each.
fn shown(translated: &Translated) -> Vec<(String, Vec<f64>)> {
    let list = translated.series();
    let series = list.iter().map(|series| {
        let name = series
            .labels
            .iter()
            .find(|(name, _)| name == "__name__")
            .unwrap();
        let labels: Vec<_> = series
            .labels
            .iter()
            .filter(|(name, _)| name != "__name__")
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let text = format!("{}{{{}}}", name.1, labels.join(","));
        (
            text,
            series.samples.iter().map(|sample| sample.value).collect(),
        )
    });
    series.collect()
}

#[test]
fn values_that_are_no_text_are_labels_as_json() {
    let any = |value| AnyValue { value: Some(value) };
    let text = any(AnyKind::StringValue("a \"quoted\"\u{7} é".to_owned()));
    let entry = KeyValue {
        key: "k\n".to_owned(),
        value: Some(any(AnyKind::ArrayValue(ArrayValue {
            values: vec![
                text,
                any(AnyKind::DoubleValue(2.0)),
                AnyValue { value: None },
            ],
        }))),
        ..KeyValue::default()
    };
    let list = any(AnyKind::KvlistValue(KeyValueList {
        values: vec![entry],
    }));
    let written = labels::value_text(&list);
    assert_eq!(written, r#"{"k\n":["a \"quoted\"\u0007 é",2,null]}"#);
    let bytes = any(AnyKind::BytesValue(vec![0, 255]));
    assert_eq!(labels::value_text(&bytes), "AP8=");
}

#[test]
fn a_label_with_a_meaning_in_its_metric_is_kept_under_another_name() {
    let own = ["__name__", "le", "job"].map(|name| attribute(name, "x"));
    let point = HistogramDataPoint {
        attributes: own.to_vec(),
        bucket_counts: vec![1],
        count: 1,
        ..HistogramDataPoint::default()
    };
    let data = Data::Histogram(Histogram {
        data_points: vec![point],
        aggregation_temporality: CUMULATIVE,
    });
    let resource = vec![attribute("service.name", "orders")];
    let translated = translate(&way(), request(resource, vec![metric("a", "", data)]));
    assert_eq!(
        shown(&translated)[0].0,
        "a_bucket{exported___name__=x,exported_le=x,job=orders,le=+Inf}"
    );
}

#[test]
fn bounds_that_do_not_ascend_are_counted_and_a_named_infinite_one_is_the_last() {
    let point = |bounds: &[f64]| HistogramDataPoint {
        bucket_counts: vec![1; bounds.len() + 1],
        explicit_bounds: bounds.to_vec(),
        count: 3,
        ..HistogramDataPoint::default()
    };
    let data = Data::Histogram(Histogram {
        data_points: vec![point(&[2.0, 1.0]), point(&[1.0, f64::INFINITY])],
        aggregation_temporality: CUMULATIVE,
    });
    let translated = translate(&way(), request(vec![], vec![metric("a", "", data)]));
    assert_eq!(
        translated.refused,
        BTreeMap::from([("bounds do not ascend", 1)])
    );
    let names: Vec<_> = shown(&translated)
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    assert_eq!(names, ["a_bucket{le=1}", "a_bucket{le=+Inf}", "a_count{}"]);
}

#[test]
fn a_resource_becomes_job_instance_and_target_info() {
    let resource = vec![
        attribute("service.name", "orders"),
        attribute("service.namespace", "shop"),
        attribute("service.instance.id", "pod-1"),
        attribute("k8s.pod.ip", "10.0.0.1"),
    ];
    let data = sum(
        CUMULATIVE,
        vec![number(
            7,
            3.0,
            vec![attribute("b.c", "x"), attribute("b_c", "y")],
        )],
    );
    let translated = translate(&way(), request(resource, vec![metric("a", "", data)]));
    assert_eq!(
        shown(&translated),
        [
            (
                "a_total{b_c=x;y,instance=pod-1,job=shop/orders}".to_owned(),
                vec![3.0]
            ),
            (
                "target_info{instance=pod-1,job=shop/orders,k8s_pod_ip=10.0.0.1}".to_owned(),
                vec![1.0]
            ),
        ]
    );
    assert_eq!(translated.series()[1].samples[0].timestamp, 7);
}

#[test]
fn external_and_resource_labels_are_added_and_do_not_hide_own_ones() {
    let settings = Translation {
        external_labels: vec![
            ("cluster".to_owned(), "eu".to_owned()),
            ("zone".to_owned(), "a".to_owned()),
        ],
        resource_labels: ResourceLabels {
            included: vec!["k8s.*".to_owned()],
            excluded: vec!["k8s.pod.?id".to_owned()],
        },
        target_info: false,
        ..way()
    };
    let data = Data::Gauge(Gauge {
        data_points: vec![number(1, 2.0, vec![attribute("zone", "b")])],
    });
    let resource = vec![
        attribute("k8s.pod.ip", "10.0.0.1"),
        attribute("k8s.pod.uid", "7"),
        attribute("host", "a"),
    ];
    let translated = translate(&settings, request(resource, vec![metric("a", "", data)]));
    assert_eq!(
        shown(&translated)[0].0,
        "a{cluster=eu,k8s_pod_ip=10.0.0.1,zone=b}"
    );
}

#[test]
fn values_of_a_series_come_once_and_in_the_order_of_time() {
    let points = [(5, 5.0), (3, 3.0), (5, 6.0), (4, 4.0)];
    let points = points
        .map(|(millis, value)| number(millis, value, vec![]))
        .to_vec();
    let data = sum(CUMULATIVE, points);
    let translated = translate(&way(), request(vec![], vec![metric("a", "", data)]));
    assert_eq!(
        shown(&translated),
        [("a_total{}".to_owned(), vec![3.0, 4.0, 6.0])]
    );
    assert_eq!(
        (translated.points, translated.series()[0].points.len()),
        (4, 4)
    );
}

#[test]
fn deltas_whose_attributes_become_the_same_labels_are_added_up() {
    let points = vec![
        number(2000, 1.0, vec![attribute("a.b", "x")]),
        number(1000, 4.0, vec![attribute("a.b", "x")]),
        number(2000, 2.0, vec![attribute("a_b", "x")]),
    ];
    let way = Translation {
        deltas: true,
        target_info: false,
        ..way()
    };
    let translated = translate(&way, request(vec![], vec![metric("m", "", sum(1, points))]));
    let values: Vec<_> = translated
        .list
        .iter()
        .map(|point| (point.value.clone(), point.more))
        .collect();
    assert_eq!(values, [(Value::Number(3.0), 1), (Value::Number(4.0), 0)]);
}

#[test]
fn a_histogram_becomes_buckets_sum_and_count() {
    let point = HistogramDataPoint {
        time_unix_nano: 9_000_000,
        count: 6,
        sum: Some(12.5),
        bucket_counts: vec![1, 2, 3],
        explicit_bounds: vec![0.5, 1.0],
        ..HistogramDataPoint::default()
    };
    let stale = HistogramDataPoint {
        flags: 1,
        time_unix_nano: 10_000_000,
        ..point.clone()
    };
    let odd = HistogramDataPoint {
        bucket_counts: vec![1],
        ..point.clone()
    };
    let data = Data::Histogram(Histogram {
        data_points: vec![point, stale, odd],
        aggregation_temporality: CUMULATIVE,
    });
    let translated = translate(&way(), request(vec![], vec![metric("a", "s", data)]));
    let shown = shown(&translated);
    let first: Vec<_> = shown
        .iter()
        .map(|(name, values)| (name.as_str(), values[0]))
        .collect();
    assert_eq!(
        first,
        [
            ("a_seconds_bucket{le=0.5}", 1.0),
            ("a_seconds_bucket{le=1}", 3.0),
            ("a_seconds_bucket{le=+Inf}", 6.0),
            ("a_seconds_sum{}", 12.5),
            ("a_seconds_count{}", 6.0),
        ]
    );
    assert!(
        shown
            .iter()
            .all(|(_, values)| values[1].to_bits() == STALE.to_bits())
    );
    assert_eq!(translated.refused.values().sum::<usize>(), 1);
}

#[test]
fn an_exponential_histogram_becomes_a_native_one() {
    let buckets = |offset, counts: &[u64]| {
        Some(Buckets {
            offset,
            bucket_counts: counts.to_vec(),
        })
    };
    let point = |scale| ExponentialHistogramDataPoint {
        count: 11,
        sum: Some(4.0),
        scale,
        zero_count: 1,
        positive: buckets(-1, &[2, 0, 0, 0, 3, 1]),
        negative: buckets(0, &[4]),
        ..ExponentialHistogramDataPoint::default()
    };
    let data = |scale| {
        Data::ExponentialHistogram(ExponentialHistogram {
            data_points: vec![point(scale)],
            aggregation_temporality: CUMULATIVE,
        })
    };
    let native = |scale| translate(&way(), request(vec![], vec![metric("a", "", data(scale))]));
    let translated = native(8);
    let series = translated.series();
    let histogram = &series[0].histograms[0];
    assert_eq!(
        (histogram.schema, histogram.count, histogram.zero_count),
        (8, Some(11), Some(1))
    );
    let span = |offset, length| BucketSpan { offset, length };
    assert_eq!(histogram.positive_spans, [span(0, 1), span(3, 2)]);
    assert_eq!(histogram.positive_deltas, [2, 1, -2]);
    assert_eq!(
        (
            &histogram.negative_spans[..],
            &histogram.negative_deltas[..]
        ),
        (&[span(1, 1)][..], &[4][..])
    );
    // Two buckets in one: indexes -1..=4 become -1, 0, 0, 1, 1, 2.
    let translated = native(9);
    let series = translated.series();
    let histogram = &series[0].histograms[0];
    assert_eq!(histogram.schema, 8);
    assert_eq!(
        (
            &histogram.positive_spans[..],
            &histogram.positive_deltas[..]
        ),
        (&[span(0, 4)][..], &[2, -2, 3, -2][..])
    );
    assert_eq!(native(-5).refused.len(), 1);
}

#[test]
fn a_summary_becomes_quantiles_sum_and_count() {
    let point = SummaryDataPoint {
        count: 3,
        sum: 6.0,
        quantile_values: vec![ValueAtQuantile {
            quantile: 0.99,
            value: 5.0,
        }],
        ..SummaryDataPoint::default()
    };
    let data = Data::Summary(Summary {
        data_points: vec![point],
    });
    let translated = translate(&way(), request(vec![], vec![metric("a", "", data)]));
    let names: Vec<_> = shown(&translated)
        .into_iter()
        .map(|(name, values)| (name, values[0]))
        .collect();
    assert_eq!(
        names,
        [
            ("a_sum{}".to_owned(), 6.0),
            ("a_count{}".to_owned(), 3.0),
            ("a{quantile=0.99}".to_owned(), 5.0)
        ]
    );
}

#[test]
fn delta_temporality_is_counted_as_not_expressible() {
    let data = sum(
        AggregationTemporality::Delta as i32,
        vec![number(1, 1.0, vec![]), number(2, 1.0, vec![])],
    );
    let translated = translate(&way(), request(vec![], vec![metric("a", "", data)]));
    assert_eq!(translated.refused, BTreeMap::from([("not cumulative", 2)]));
    assert!(translated.list.is_empty());
}

proptest! {
    #[test]
    fn a_native_histogram_counts_what_the_exponential_one_does(
        scale in -4_i32..=12,
        offset in -40_i32..40,
        counts in prop::collection::vec(0_u64..5, 0..60),
    ) {
        let point = ExponentialHistogramDataPoint {
            scale,
            positive: Some(Buckets { offset, bucket_counts: counts.clone() }),
            ..ExponentialHistogramDataPoint::default()
        };
        let native = buckets::native(&point, 0).unwrap();
        // Read it back: index of each bucket, and its count.
        let (mut index, mut count, mut deltas) = (0_i32, 0_i64, native.positive_deltas.iter());
        let mut found = BTreeMap::new();
        for span in &native.positive_spans {
            index += span.offset;
            for _ in 0..span.length {
                count += deltas.next().unwrap();
                if count > 0 {
                    prop_assert_eq!(found.insert(index, count), None);
                }
                index += 1;
            }
        }
        prop_assert_eq!(deltas.next(), None);
        let mut expected = BTreeMap::new();
        for (i, count) in (offset..).zip(counts).filter(|(_, count)| *count > 0) {
            // The upper bound of bucket i is 2^((i + 1) / 2^scale): the coarser bucket is the one that holds it.
            let wide = (scale - native.schema).max(0) as u32;
            let coarse = (i + 1).div_euclid(1 << wide) + i32::from((i + 1).rem_euclid(1 << wide) != 0);
            *expected.entry(coarse).or_insert(0) += i64::try_from(count).unwrap();
        }
        prop_assert_eq!(found, expected);
    }
}
