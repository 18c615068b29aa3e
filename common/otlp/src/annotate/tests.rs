//! What a rule sees and what it changes, by example; the law is tested against `prost` in tests/laws.rs.

use super::{Attribute, annotate};
use crate::Signal;
use crate::check::check;
use crate::wire::{put_field, put_varint};
use bytes::Bytes;

fn field(number: u32, content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    put_field(&mut out, number, content);
    out
}

fn attribute(key: &str, value: &str) -> Vec<u8> {
    field(
        1,
        &[
            field(1, key.as_bytes()),
            field(2, &field(1, value.as_bytes())),
        ]
        .concat(),
    )
}

fn add(key: &'static str, value: &'static str, replace: bool) -> Attribute<'static> {
    Attribute {
        key,
        value,
        replace,
    }
}

/// Annotates a request and checks the result.
fn annotated(body: &[u8], attributes: &[Attribute<'static>]) -> Bytes {
    let body = annotate(
        Signal::Logs,
        &Bytes::copy_from_slice(body),
        &mut |_, added| {
            added.extend_from_slice(attributes);
        },
    );
    check(Signal::Logs, body.into_bytes()).unwrap().body
}

#[test]
fn a_missing_resource_is_made() {
    let scope = field(2, &field(2, &field(3, b"INFO")));
    let body = annotated(&field(1, &scope), &[add("k8s.pod.ip", "10.0.0.1", false)]);
    let resource = field(1, &attribute("k8s.pod.ip", "10.0.0.1"));
    assert_eq!(body, field(1, &[resource, scope].concat()));
}

#[test]
fn an_existing_attribute_wins_unless_it_is_to_be_replaced() {
    let body = |value| {
        field(
            1,
            &field(1, &[attribute("name", value), attribute("b", "1")].concat()),
        )
    };
    assert_eq!(
        annotated(&body("old"), &[add("name", "new", false)]),
        body("old")
    );
    let replaced = field(
        1,
        &field(1, &[attribute("b", "1"), attribute("name", "new")].concat()),
    );
    assert_eq!(
        annotated(&body("old"), &[add("name", "new", true)]),
        replaced
    );
}

#[test]
fn a_resource_in_several_fields_is_seen_and_changed_as_one() {
    let body = field(
        1,
        &[
            field(1, &attribute("a", "1")),
            field(1, &attribute("b", "2")),
        ]
        .concat(),
    );
    let mut seen = Vec::new();
    let changed = annotate(Signal::Logs, &body.into(), &mut |view, added| {
        seen.push((
            view.str("a").map(str::to_owned),
            view.str("b").map(str::to_owned),
        ));
        added.push(add("a", "new", true));
    });
    assert_eq!(seen, [(Some("1".to_owned()), Some("2".to_owned()))]);
    let last = [attribute("b", "2"), attribute("a", "new")].concat();
    assert_eq!(
        changed.into_bytes(),
        field(1, &[field(1, &[]), field(1, &last)].concat())
    );
}

#[test]
fn each_resource_is_asked_about_by_itself() {
    let resource = |attributes: &[Vec<u8>]| field(1, &field(1, &attributes.concat()));
    let body = [
        resource(&[attribute("a", "1")]),
        resource(&[attribute("b", "2")]),
    ]
    .concat();
    let changed = annotate(Signal::Traces, &body.into(), &mut |view, added| {
        if view.has("b") {
            added.push(add("c", "3", false));
        }
    });
    let second = resource(&[attribute("b", "2"), attribute("c", "3")]);
    assert_eq!(
        changed.into_bytes(),
        [resource(&[attribute("a", "1")]), second].concat()
    );
}

#[test]
fn only_strings_are_given_as_strings() {
    let mut number = vec![0x18];
    put_varint(&mut number, 7);
    let number = field(1, &[field(1, b"port"), field(2, &number)].concat());
    let resource = [number, attribute("name", "a")].concat();
    let body = field(1, &field(1, &resource));
    let mut asked = 0;
    let changed = annotate(Signal::Logs, &body.into(), &mut |view, _| {
        asked += 1;
        assert!(view.has("port"));
        assert_eq!(view.str("port"), None);
        assert_eq!(view.str("name"), Some("a"));
        assert!(!view.has("other"));
    });
    assert_eq!((asked, changed.pieces().count()), (1, 1));
}
