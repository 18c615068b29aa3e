//! What identity guarantees, on requests captured from real sidecars.

use super::*;
use crate::testing::{NO_RULES, PEER};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use penstock_testkit::{Request, fixture, fixtures};

const ALL_RULES: Identity = Identity {
    pod_ip: true,
    trust_forwarded_for: true,
    metrics_instance_id: true,
    metrics_service_name: true,
    logs_service_name: true,
};
const DIRECT: Peer = Peer {
    address: PEER,
    forwarded_for: None,
};

fn resources(request: &mut Request) -> Vec<&mut Resource> {
    match request {
        Request::Traces(r) => r
            .resource_spans
            .iter_mut()
            .map(|r| r.resource.get_or_insert_default())
            .collect(),
        Request::Metrics(r) => r
            .resource_metrics
            .iter_mut()
            .map(|r| r.resource.get_or_insert_default())
            .collect(),
        Request::Logs(r) => r
            .resource_logs
            .iter_mut()
            .map(|r| r.resource.get_or_insert_default())
            .collect(),
    }
}

fn get<'a>(resource: &'a Resource, key: &str) -> Option<&'a str> {
    let found = resource
        .attributes
        .iter()
        .find(|attribute| attribute.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text),
        _ => None,
    }
}

fn set(resource: &mut Resource, key: &str, value: &str) {
    let value = Some(AnyValue {
        value: Some(Value::StringValue(value.to_owned())),
    });
    resource.attributes.push(KeyValue {
        key: key.to_owned(),
        value,
        ..KeyValue::default()
    });
}

/// The request after the rules, decoded.
fn applied(signal: Signal, rules: Identity, peer: Peer, body: Bytes) -> Request {
    let identified = Identify::new(signal, rules).apply(&peer, body).into_bytes();
    Request::decode(signal.name(), &identified).unwrap()
}

/// The first Resource of a captured request after the rules.
fn resource_of(name: &str, rules: Identity) -> Resource {
    let signal = Signal::ALL
        .into_iter()
        .find(|signal| name.contains(signal.name()))
        .unwrap();
    let mut request = applied(signal, rules, DIRECT, fixture(name));
    resources(&mut request).remove(0).clone()
}

#[test]
fn every_captured_request_names_its_pod_and_changes_in_nothing_but_resources() {
    for fixture in fixtures() {
        let signal = Signal::from_name(fixture.signal).unwrap();
        let mut request = applied(signal, ALL_RULES, DIRECT, fixture.body.clone());
        let mut original = Request::decode(fixture.signal, &fixture.body).unwrap();
        for resource in resources(&mut request) {
            assert_eq!(
                get(resource, "k8s.pod.ip"),
                Some("10.1.2.3"),
                "{}",
                fixture.name
            );
            assert_ne!(get(resource, "service.name"), None, "{}", fixture.name);
            resource.attributes.clear();
        }
        resources(&mut original)
            .into_iter()
            .for_each(|resource| resource.attributes.clear());
        assert_eq!(request, original, "{}", fixture.name);
    }
}

#[test]
fn what_a_sender_says_of_itself_stays() {
    let mut request = Request::decode("logs", &fixture("fast-logs-0010.pb")).unwrap();
    for resource in resources(&mut request) {
        set(resource, "k8s.pod.ip", "192.0.2.1");
        set(resource, "service.name", "mine");
    }
    let body = request.encode();
    let identified = Identify::new(Signal::Logs, ALL_RULES)
        .apply(&DIRECT, body.clone())
        .into_bytes();
    assert_eq!(identified, body);
}

#[test]
fn kuma_dp_metrics_get_a_name_and_an_instance_from_their_points() {
    for (name, service) in [
        ("SYNTH-kumadp-out10-v3-metrics-0001.pb", "demo-client"),
        ("SYNTH-kumadp-server-v3-metrics-0001.pb", "demo-app"),
        ("SYNTH-kumadp-out1-v214-metrics-0001.pb", "demo-client"),
    ] {
        let resource = resource_of(name, ALL_RULES);
        let names = resource
            .attributes
            .iter()
            .filter(|a| a.key == "service.name")
            .count();
        assert_eq!(names, 1, "the placeholder is replaced");
        assert_eq!(get(&resource, "service.name"), Some(service));
        assert_eq!(get(&resource, "service.instance.id"), Some("10.1.2.3"));
    }
}

#[test]
fn names_on_the_resource_come_before_names_on_points_and_better_ones_first() {
    let body = fixture("SYNTH-kumadp-out10-v3-metrics-0001.pb");
    let mut request = Request::decode("metrics", &body).unwrap();
    for (key, value) in [("dataplane", "dp-1"), ("kuma_io_service", "svc")] {
        resources(&mut request)
            .into_iter()
            .for_each(|resource| set(resource, key, value));
        let mut named = applied(Signal::Metrics, ALL_RULES, DIRECT, request.encode());
        assert_eq!(get(resources(&mut named)[0], "service.name"), Some(value));
    }
}

#[test]
fn other_metrics_are_left_alone() {
    let body = penstock_testkit::metrics(&["a"]);
    let rules = Identity {
        pod_ip: false,
        ..ALL_RULES
    };
    assert_eq!(
        Identify::new(Signal::Metrics, rules)
            .apply(&DIRECT, body.clone())
            .into_bytes(),
        body
    );
}

#[test]
fn access_logs_are_named_after_their_cluster_and_other_logs_are_not() {
    let resource = resource_of("fast-logs-0010.pb", ALL_RULES);
    assert_eq!(get(&resource, "service.name"), Some("demo-app"));

    let mut request = Request::decode("logs", &penstock_testkit::logs(&["a"])).unwrap();
    for resource in resources(&mut request) {
        resource.attributes.clear();
        set(resource, "cluster_name", "a-kubernetes-cluster");
    }
    let mut request = applied(Signal::Logs, ALL_RULES, DIRECT, request.encode());
    assert_eq!(get(resources(&mut request)[0], "service.name"), None);
}

#[test]
fn each_rule_can_be_switched_off() {
    for fixture in fixtures() {
        let signal = Signal::from_name(fixture.signal).unwrap();
        let untouched = Identify::new(signal, NO_RULES)
            .apply(&DIRECT, fixture.body.clone())
            .into_bytes();
        assert_eq!(untouched, fixture.body);
    }
    let kuma = "SYNTH-kumadp-out10-v3-metrics-0001.pb";
    let resource = resource_of(
        kuma,
        Identity {
            metrics_service_name: false,
            ..ALL_RULES
        },
    );
    assert_eq!(
        get(&resource, "service.name"),
        Some("unknown_service:kuma-dp")
    );
    let resource = resource_of(
        kuma,
        Identity {
            metrics_instance_id: false,
            ..ALL_RULES
        },
    );
    assert_eq!(get(&resource, "service.instance.id"), None);
}

#[test]
fn the_forwarded_address_is_believed_only_if_it_is_to_be() {
    let peer = Peer {
        address: PEER,
        forwarded_for: Some("10.9.9.9".parse().unwrap()),
    };
    for (trust_forwarded_for, address) in [(true, "10.9.9.9"), (false, "10.1.2.3")] {
        let rules = Identity {
            trust_forwarded_for,
            ..ALL_RULES
        };
        let mut request = applied(Signal::Logs, rules, peer, penstock_testkit::logs(&["a"]));
        assert_eq!(get(resources(&mut request)[0], "k8s.pod.ip"), Some(address));
    }
}

#[test]
fn addresses_of_dual_stack_sockets_are_written_as_the_pod_knows_them() {
    let peer = Peer {
        address: "::ffff:10.1.2.3".parse().unwrap(),
        forwarded_for: None,
    };
    let mut request = applied(
        Signal::Logs,
        ALL_RULES,
        peer,
        penstock_testkit::logs(&["a"]),
    );
    assert_eq!(
        get(resources(&mut request)[0], "k8s.pod.ip"),
        Some("10.1.2.3")
    );
}

#[test]
fn the_last_forwarded_address_counts() {
    let cases = [
        ("10.0.0.1", Some("10.0.0.1")),
        ("6.6.6.6, 10.0.0.1", Some("10.0.0.1")),
        ("6.6.6.6,10.0.0.1:4711 ", Some("10.0.0.1")),
        ("fd00::1", Some("fd00::1")),
        ("[fd00::1]", Some("fd00::1")),
        ("[fd00::1]:80", Some("fd00::1")),
        ("10.0.0.1, unknown", None),
        ("", None),
    ];
    for (value, address) in cases {
        let expected = address.map(|address| address.parse::<IpAddr>().unwrap());
        assert_eq!(forwarded_for(value), expected, "{value:?}");
    }
}

#[test]
fn a_request_of_empty_resources_is_at_most_doubled() {
    let body = Bytes::from([0x0a, 0x00].repeat(100_000));
    let identified = Identify::new(Signal::Traces, ALL_RULES)
        .apply(&DIRECT, body.clone())
        .into_bytes();
    assert!(identified.len() <= 2 * body.len() + ADDED_AT_LEAST);
    assert!(Request::decode("traces", &identified).is_ok());
}

#[test]
fn no_bytes_make_the_look_into_points_panic() {
    let body = fixture("SYNTH-kumadp-out1-v214-metrics-0001.pb");
    for cut in 0..2000 {
        let _found = points::first_attribute(&body[cut..body.len().min(cut * 8 + 1)], &KUMA_NAMES);
    }
    let huge_length = [
        0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01,
    ];
    assert_eq!(points::holders(&huge_length).count(), 0);
}
