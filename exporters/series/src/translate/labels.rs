//! Labels of attributes, of a Resource and of a Scope.
//!
//! *Invariant:* attributes whose names become the same label share it, their values joined by `;` in the order of their names.

use super::names;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, InstrumentationScope, KeyValue, any_value::Value,
};
use std::fmt::Write;

type Labels = Vec<(String, String)>;

/// What a Resource says of its target.
pub(super) struct Target {
    /// `job` and `instance`, as far as it says them.
    pub(super) identity: Labels,
    /// All attributes.
    pub(super) all: Labels,
    /// All but those of the identity.
    pub(super) others: Labels,
}

impl Target {
    pub(super) fn new(attributes: &[KeyValue]) -> Self {
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
        let others: Vec<_> = attributes
            .iter()
            .filter(|attribute| !is_identity(&attribute.key))
            .cloned()
            .collect();
        Self {
            identity: identity
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
            all: labels(attributes),
            others: labels(&others),
        }
    }
}

/// Labels of attributes.
pub(super) fn labels(attributes: &[KeyValue]) -> Labels {
    let mut pairs: Vec<_> = attributes
        .iter()
        .map(|attribute| (&attribute.key, attribute.value.as_ref()))
        .collect();
    pairs.sort_by_key(|(key, _)| *key);
    let mut out: Labels = Vec::with_capacity(pairs.len());
    for (key, value) in pairs {
        let (name, text) = (names::label(key), value.map(value_text).unwrap_or_default());
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
pub(super) fn scope_labels(scope: Option<&InstrumentationScope>, schema_url: &str) -> Labels {
    let mut out = vec![("otel_scope_schema_url".to_owned(), schema_url.to_owned())];
    if let Some(scope) = scope {
        let attributes = labels(&scope.attributes).into_iter();
        out.extend(attributes.map(|(name, value)| (format!("otel_scope_{name}"), value)));
        out.push(("otel_scope_name".to_owned(), scope.name.clone()));
        out.push(("otel_scope_version".to_owned(), scope.version.clone()));
    }
    out
}

/// A value as text: strings as they are, the rest as JSON.
pub(super) fn value_text(value: &AnyValue) -> String {
    match &value.value {
        Some(Value::StringValue(text)) => text.clone(),
        Some(value) => {
            let mut out = String::new();
            put_json(&mut out, value);
            out
        }
        None => String::new(),
    }
}

/// A String takes whatever is written.
fn put_json(out: &mut String, value: &Value) {
    let put_any = |out: &mut String, value: &AnyValue| match &value.value {
        Some(value) => put_json(out, value),
        None => out.push_str("null"),
    };
    match value {
        Value::StringValue(text) => _ = write!(out, "{text:?}"),
        Value::BoolValue(value) => _ = write!(out, "{value}"),
        Value::IntValue(value) => _ = write!(out, "{value}"),
        Value::DoubleValue(value) => _ = write!(out, "{value}"),
        Value::BytesValue(bytes) => bytes.iter().for_each(|byte| _ = write!(out, "{byte:02x}")),
        Value::ArrayValue(array) => {
            out.push('[');
            for (i, value) in array.values.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                put_any(out, value);
            }
            out.push(']');
        }
        Value::KvlistValue(list) => {
            out.push('{');
            for (i, entry) in list.values.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                _ = write!(out, "{:?}:", entry.key);
                match &entry.value {
                    Some(value) => put_any(out, value),
                    None => out.push_str("null"),
                }
            }
            out.push('}');
        }
        // A reference into a dictionary that metrics do not have.
        Value::StringValueStrindex(_) => {}
    }
}
