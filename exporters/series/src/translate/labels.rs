//! Labels of attributes, of a Resource and of a Scope.
//!
//! *Invariant:* attributes whose names become the same label share it, their values joined by `;` in the order of their names.

use super::names;
use crate::number;
use crate::point::Labels;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, InstrumentationScope, KeyValue, any_value::Value,
};

/// What a Resource says of its target.
pub(super) struct Target {
    /// `job` and `instance`, as far as it says them.
    pub(super) identity: Labels,
    /// The attributes that are chosen to be on every series.
    pub(super) chosen: Labels,
    /// All but those of the identity.
    pub(super) others: Labels,
}

impl Target {
    pub(super) fn new(
        attributes: &[KeyValue],
        labeller: Labeller,
        wanted: &ResourceLabels,
    ) -> Self {
        let text = |key: &str| {
            let found = attributes.iter().find(|attribute| attribute.key == key);
            let value = found.and_then(|attribute| attribute.value.as_ref());
            value.map(value_text).unwrap_or_default()
        };
        let (namespace, name) = (text("service.namespace"), text("service.name"));
        let job = match (namespace.as_str(), name.as_str()) {
            (_, "") => String::new(),
            ("", name) => name.to_owned(),
            (namespace, name) => format!("{namespace}/{name}"),
        };
        let identity = [("job", job), ("instance", text("service.instance.id"))];
        let identity = identity.into_iter().filter(|(_, value)| !value.is_empty());
        let is_identity = |key: &str| {
            matches!(
                key,
                "service.namespace" | "service.name" | "service.instance.id"
            )
        };
        let labels = |chosen: &dyn Fn(&str) -> bool| {
            let chosen = attributes.iter().filter(|attribute| chosen(&attribute.key));
            labeller.labels(chosen.cloned().collect())
        };
        Self {
            identity: identity
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            chosen: labels(&|key| wanted.chooses(key)),
            others: labels(&|key| !is_identity(key)),
        }
    }
}

/// How labels are made of attributes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Labeller {
    /// Names with whatever characters there are.
    pub(super) utf8: bool,
}

impl Labeller {
    /// Labels of attributes, whose texts become theirs: there are many.
    pub(super) fn labels(self, mut attributes: Vec<KeyValue>) -> Labels {
        attributes.sort_by(|one, other| one.key.cmp(&other.key));
        let mut out: Labels = Vec::with_capacity(attributes.len());
        for KeyValue { key, value, .. } in attributes {
            let name = names::label(key, self.utf8);
            let text = match value.and_then(|value| value.value) {
                Some(Value::StringValue(text)) => text,
                value => value_text(&AnyValue { value }),
            };
            match out.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => {
                    known.push(';');
                    known.push_str(&text);
                }
                None => out.push((name, text)),
            }
        }
        out
    }

    /// `otel_scope_*`.
    pub(super) fn scope(self, scope: Option<&InstrumentationScope>, schema_url: &str) -> Labels {
        let mut out = vec![("otel_scope_schema_url".to_owned(), schema_url.to_owned())];
        if let Some(scope) = scope {
            // What is a label of its own below is not one of the attributes.
            let own = ["name", "version", "schema_url"];
            let attributes = scope.attributes.iter();
            let others = attributes.filter(|attribute| !own.contains(&attribute.key.as_str()));
            let labels = self.labels(others.cloned().collect()).into_iter();
            out.extend(labels.map(|(name, value)| (format!("otel_scope_{name}"), value)));
            out.push(("otel_scope_name".to_owned(), scope.name.clone()));
            out.push(("otel_scope_version".to_owned(), scope.version.clone()));
        }
        out
    }
}

/// Sorted and unique; of labels with the same name the last one counts, and an empty one is none.
pub(super) fn sorted(mut labels: Labels) -> Labels {
    labels.reverse();
    labels.sort_by(|(one, _), (other, _)| one.cmp(other));
    labels.dedup_by(|(later, _), (kept, _)| later == kept);
    labels.retain(|(_, value)| !value.is_empty());
    labels
}

/// Which attributes of a Resource are labels of its series, by patterns of their keys in which `*` is any text and `?` any character.
#[derive(Clone, Debug, Default)]
pub struct ResourceLabels {
    /// These; none is all when something is excluded, and else none.
    pub included: Vec<String>,
    /// But not these.
    pub excluded: Vec<String>,
}

impl ResourceLabels {
    fn chooses(&self, key: &str) -> bool {
        let matches = |patterns: &[String]| {
            let mut patterns = patterns.iter();
            patterns.any(|pattern| is_like(key.as_bytes(), pattern.as_bytes()))
        };
        if matches(&self.excluded) {
            return false;
        }
        if self.included.is_empty() {
            return !self.excluded.is_empty();
        }
        matches(&self.included)
    }
}

/// Whether a text is like a pattern. Goes back to the last `*` only, so that no pattern takes long.
fn is_like(text: &[u8], pattern: &[u8]) -> bool {
    let (mut t, mut p) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(wanted) if *wanted == b'?' || *wanted == text[t] => {
                // A character may be several bytes.
                t += 1;
                while *wanted == b'?' && text.get(t).is_some_and(|byte| byte & 0xc0 == 0x80) {
                    t += 1;
                }
                p += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, t) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// A value as text: strings as they are, the rest as JSON.
pub(super) fn value_text(value: &AnyValue) -> String {
    match &value.value {
        None => String::new(),
        Some(Value::StringValue(text)) => text.clone(),
        Some(Value::BytesValue(bytes)) => BASE64_STANDARD.encode(bytes),
        Some(Value::DoubleValue(value)) if !value.is_finite() => number::go_float(*value),
        Some(Value::DoubleValue(value)) => value.to_string(),
        Some(_) => json(value).to_string(),
    }
}

/// As the Collector has it: bytes as base64, and what JSON has no number for as null.
fn json(value: &AnyValue) -> serde_json::Value {
    match &value.value {
        None => serde_json::Value::Null,
        Some(Value::StringValue(text)) => text.as_str().into(),
        Some(Value::BoolValue(value)) => (*value).into(),
        Some(Value::IntValue(value)) => (*value).into(),
        #[expect(clippy::cast_possible_truncation, reason = "it is whole and small")]
        Some(Value::DoubleValue(value)) if value.fract() == 0.0 && value.abs() < 1e15 => {
            (*value as i64).into()
        }
        Some(Value::DoubleValue(value)) => (*value).into(),
        Some(Value::BytesValue(bytes)) => BASE64_STANDARD.encode(bytes).into(),
        Some(Value::ArrayValue(array)) => array.values.iter().map(json).collect(),
        Some(Value::KvlistValue(list)) => {
            let entries = list.values.iter();
            let entries = entries.map(|entry| {
                let value = entry.value.as_ref().map_or(serde_json::Value::Null, json);
                (entry.key.clone(), value)
            });
            entries.collect::<serde_json::Map<_, _>>().into()
        }
        // A reference into a dictionary that metrics do not have.
        Some(Value::StringValueStrindex(_)) => serde_json::Value::Null,
    }
}
