//! Adding attributes to the Resources of a request, on the wire.
//!
//! *Invariant:* changes the attributes that the rule names and nothing else: order, unknown fields and repeated or
//! overlong encodings stay as they came.

pub(crate) mod attribute;

#[cfg(test)]
mod tests;

use crate::Signal;
use crate::schema::{self, Kind, Role};
use crate::wire::{Edits, Fields, RawField, head_len, put_field, put_head};
use attribute::{KEY, KeyValue, RESOURCE, RESOURCE_ATTRIBUTES, STRING_VALUE, VALUE};
use bytes::Bytes;
use std::borrow::Cow;

/// What a rule may look at in one Resource (string attributes only).
#[derive(Debug)]
pub struct ResourceView<'a> {
    /// The encoded Resource message (empty when the request has none).
    pub resource: &'a [u8],
}

impl<'a> ResourceView<'a> {
    /// The string value of a Resource attribute, if it is there and a string.
    ///
    /// Of several attributes with the same name the first one counts.
    #[must_use]
    pub fn str(&self, key: &str) -> Option<&'a str> {
        let found = self
            .attributes()
            .find(|attribute| attribute.key == key.as_bytes())?;
        std::str::from_utf8(found.string?).ok()
    }

    /// Whether the Resource has an attribute of that name, of any type.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.attributes()
            .any(|attribute| attribute.key == key.as_bytes())
    }

    fn attributes(&self) -> impl Iterator<Item = KeyValue<'a>> + use<'a> {
        let resource = self.resource;
        Fields::of(resource)
            .filter(|field| field.number == RESOURCE_ATTRIBUTES)
            .map(|field| KeyValue::read(&resource[field.inner()]))
    }
}

/// An attribute to write. `replace` says that an existing one of the same name is taken out first.
#[derive(Clone, Debug)]
pub struct Attribute {
    /// Name.
    pub key: &'static str,
    /// String value.
    pub value: String,
    /// Take an existing attribute of that name out (only for known placeholders such as `unknown_service:kuma-dp`).
    /// Without it an existing attribute wins and this one is not written.
    pub replace: bool,
}

/// Asks `rule` for each Resource what to add and gives the request with it; the same `Bytes` when nothing is added.
///
/// The request must be a checked one. Where it has no Resource the rule sees an empty one, and what it adds makes one.
/// The vector that the rule gets is empty at each call.
pub fn annotate(
    signal: Signal,
    body: Bytes,
    rule: &mut dyn FnMut(&ResourceView<'_>, &mut Vec<Attribute>),
) -> Bytes {
    let request = schema::request(signal);
    let mut edits = Edits::default();
    let mut added = Vec::new();
    for holder in Fields::of(&body) {
        let Some(field) = request.field(holder.number) else {
            continue;
        };
        if !matches!(
            (field.role, field.kind),
            (Role::Container, Kind::Message(_))
        ) {
            continue;
        }
        // A decoder merges what occurs twice, and so does concatenation.
        let resources: Vec<_> = Fields::new(&body, holder.inner())
            .filter(|field| field.number == RESOURCE)
            .collect();
        let merged = match resources.as_slice() {
            [] => Cow::Borrowed(&[][..]),
            [only] => Cow::Borrowed(&body[only.inner()]),
            several => several
                .iter()
                .flat_map(|field| &body[field.inner()])
                .copied()
                .collect(),
        };
        let view = ResourceView { resource: &merged };
        added.clear();
        rule(&view, &mut added);
        added.retain(|attribute| attribute.replace || !view.has(attribute.key));
        if !added.is_empty() {
            edits.within(&holder, |edits| {
                write(&body, &holder, &resources, &added, edits);
            });
        }
    }
    if edits.is_empty() {
        body
    } else {
        edits.apply(&body)
    }
}

/// Takes out what is replaced and writes the new attributes at the end of the last Resource.
fn write(
    body: &[u8],
    holder: &RawField,
    resources: &[RawField],
    added: &[Attribute],
    edits: &mut Edits,
) {
    let mut text = Vec::new();
    for attribute in added {
        put_attribute(&mut text, attribute);
    }
    let Some(last) = resources.last() else {
        let mut resource = Vec::with_capacity(text.len() + head_len(RESOURCE, text.len()));
        put_field(&mut resource, RESOURCE, &text);
        edits.replace(holder.content..holder.content, &resource);
        return;
    };
    for resource in resources {
        edits.within(resource, |edits| {
            for field in Fields::new(body, resource.inner()) {
                if field.number == RESOURCE_ATTRIBUTES {
                    let key = KeyValue::read(&body[field.inner()]).key;
                    if added
                        .iter()
                        .any(|attribute| attribute.key.as_bytes() == key)
                    {
                        edits.replace(field.whole(), &[]);
                    }
                }
            }
            if resource == last {
                edits.replace(resource.end..resource.end, &text);
            }
        });
    }
}

/// Appends `Resource.attributes { key, value { string_value } }`.
fn put_attribute(out: &mut Vec<u8>, attribute: &Attribute) {
    let key = attribute.key.as_bytes();
    let text = attribute.value.as_bytes();
    let value = head_len(STRING_VALUE, text.len()) + text.len();
    let length = head_len(KEY, key.len()) + key.len() + head_len(VALUE, value) + value;
    put_head(out, RESOURCE_ATTRIBUTES, length);
    put_field(out, KEY, key);
    put_head(out, VALUE, value);
    put_field(out, STRING_VALUE, text);
}
