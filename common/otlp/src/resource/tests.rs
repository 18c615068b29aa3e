//! Keys and shares of requests made by prost.

use super::*;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;

fn attribute(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue {
            value: Some(Value::StringValue(value.to_owned())),
        }),
        ..KeyValue::default()
    }
}

fn holder(attributes: Vec<KeyValue>, points: usize) -> ResourceMetrics {
    let point = |time| NumberDataPoint {
        time_unix_nano: time as u64,
        ..NumberDataPoint::default()
    };
    let data_points = (0..points).map(point).collect();
    ResourceMetrics {
        resource: Some(Resource {
            attributes,
            ..Resource::default()
        }),
        scope_metrics: vec![ScopeMetrics {
            metrics: vec![Metric {
                name: "m".to_owned(),
                data: Some(Data::Gauge(Gauge { data_points })),
                ..Metric::default()
            }],
            ..ScopeMetrics::default()
        }],
        ..ResourceMetrics::default()
    }
}

fn request(resource_metrics: Vec<ResourceMetrics>) -> Bytes {
    ExportMetricsServiceRequest { resource_metrics }
        .encode_to_vec()
        .into()
}

fn key_of(attributes: Vec<KeyValue>) -> u64 {
    key(&holder(attributes, 1).encode_to_vec())
}

#[test]
fn a_key_does_not_depend_on_the_order_of_attributes() {
    let [a, b, c] = [("a", "1"), ("b", "2"), ("c", "3")].map(|(k, v)| attribute(k, v));
    let one = key_of(vec![a.clone(), b.clone(), c.clone()]);
    assert_eq!(one, key_of(vec![c, a, b]));
}

#[test]
fn a_key_depends_on_every_attribute_and_on_which_value_is_whose() {
    let keys = [
        key_of(vec![]),
        key_of(vec![attribute("a", "1")]),
        key_of(vec![attribute("a", "2")]),
        key_of(vec![attribute("b", "1")]),
        key_of(vec![attribute("a", "1"), attribute("b", "2")]),
        key_of(vec![attribute("a", "2"), attribute("b", "1")]),
        key_of(vec![attribute("a", "1"), attribute("a", "1")]),
        key_of(vec![attribute("1", "a")]),
    ];
    for (i, key) in keys.iter().enumerate() {
        assert!(!keys[..i].contains(key), "{i}");
    }
}

#[test]
fn a_key_is_the_same_for_ever() {
    assert_eq!(
        key_of(vec![
            attribute("service.name", "orders"),
            attribute("k8s.pod.ip", "10.0.0.1")
        ]),
        5_554_379_160_514_342_936,
    );
}

#[test]
fn what_goes_to_one_place_is_not_copied() {
    let body = request(vec![
        holder(vec![], 2),
        holder(vec![attribute("a", "1")], 3),
    ]);
    let shares = shares(Signal::Metrics, std::slice::from_ref(&body), |_| 4);
    let [only] = shares.as_slice() else { panic!() };
    assert_eq!(
        (only.place, only.items, only.body.as_ptr()),
        (4, 5, body.as_ptr())
    );
    assert_eq!(only.body, body);
}

proptest! {
    #[test]
    fn shares_hold_every_resource_once_at_its_own_place(
        chunks in vec(vec((0_u8..6, 0_usize..4), 0..6), 0..4),
        places in 1_u64..5,
    ) {
        let holders = |chunk: &Vec<(u8, usize)>| -> Vec<ResourceMetrics> {
            let made = chunk.iter().map(|(name, points)| holder(vec![attribute("pod", &name.to_string())], *points));
            made.collect()
        };
        let all: Vec<ResourceMetrics> = chunks.iter().flat_map(holders).collect();
        let chunks: Vec<Bytes> = chunks.iter().map(|chunk| request(holders(chunk))).collect();
        let place = |key: u64| usize::try_from(key % places).unwrap();
        let shares = shares(Signal::Metrics, &chunks, place);
        let mut found = Vec::new();
        for (i, share) in shares.iter().enumerate() {
            prop_assert!(shares[..i].iter().all(|other| other.place != share.place));
            let decoded = ExportMetricsServiceRequest::decode(share.body.clone()).unwrap();
            prop_assert_eq!(share.items, crate::check::count(Signal::Metrics, &share.body));
            for holder in &decoded.resource_metrics {
                prop_assert_eq!(place(key(&holder.encode_to_vec())), share.place);
            }
            // In order, which is what a stable sort by place shows.
            found.extend(decoded.resource_metrics.into_iter().map(|holder| (share.place, holder)));
        }
        let mut expected: Vec<_> = all.into_iter().map(|holder| (place(key(&holder.encode_to_vec())), holder)).collect();
        expected.sort_by_key(|(place, _)| *place);
        found.sort_by_key(|(place, _)| *place);
        prop_assert_eq!(found, expected);
    }
}
