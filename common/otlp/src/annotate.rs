//! Adding attributes to the Resources of a request, on the wire.
//!
//! *Invariant:* changes the attributes that the rule names and nothing else: order, unknown fields and repeated or
//! overlong encodings stay as they came.

pub(crate) mod attribute;

#[cfg(test)]
mod tests;

use crate::Signal;
use crate::schema::{self, Kind, Role};
use crate::wire::{Edited, Edits, Fields, RawField, head_len, put_field, put_head};
use attribute::{KEY, KeyValue, RESOURCE, RESOURCE_ATTRIBUTES, STRING_VALUE, VALUE};
use bytes::Bytes;

/// Room for the attributes of the usual Resource.
const USUAL_ATTRIBUTES: usize = 16;

/// What a rule may look at in one Resource: nothing, when the request has none.
#[derive(Debug)]
pub struct ResourceView<'a> {
    attributes: Vec<KeyValue<'a>>,
}

impl<'a> ResourceView<'a> {
    /// The string value of a Resource attribute, if it is there and a string.
    ///
    /// Of several attributes with the same name the first one counts.
    #[must_use]
    pub fn str(&self, key: &str) -> Option<&'a str> {
        let named = |attribute: &&KeyValue<'_>| attribute.key == key.as_bytes();
        let found = self.attributes.iter().find(named)?;
        std::str::from_utf8(found.string?).ok()
    }

    /// Whether the Resource has an attribute of that name, of any type.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        let mut attributes = self.attributes.iter();
        attributes.any(|attribute| attribute.key == key.as_bytes())
    }

    fn read(&mut self, request: &'a [u8], resource: &RawField) {
        let attributes = Fields::new(request, resource.inner())
            .filter(|field| field.number == RESOURCE_ATTRIBUTES)
            .map(|field| KeyValue::read(&request[field.inner()]));
        self.attributes.extend(attributes);
    }
}

/// An attribute to write. `replace` says that an existing one of the same name is taken out first.
#[derive(Clone, Copy, Debug)]
pub struct Attribute<'a> {
    /// Name.
    pub key: &'static str,
    /// String value.
    pub value: &'a str,
    /// Take an existing attribute of that name out (only for known placeholders such as `unknown_service:kuma-dp`).
    /// Without it an existing attribute wins and this one is not written.
    pub replace: bool,
}

/// Asks `rule` for each Resource what to add and gives the request with it, changed nowhere when nothing is added.
///
/// The request must be a checked one. Where it has no Resource the rule sees an empty one, and what it adds makes one.
/// The vector that the rule gets is empty at each call.
pub fn annotate<'a>(
    signal: Signal,
    body: &'a Bytes,
    rule: &mut dyn FnMut(&ResourceView<'a>, &mut Vec<Attribute<'a>>),
) -> Edited {
    let request = schema::request(signal);
    let mut edits = Edits::default();
    let mut added = Vec::new();
    let mut resources = Vec::new();
    let mut view = ResourceView {
        attributes: Vec::with_capacity(USUAL_ATTRIBUTES),
    };
    for holder in Fields::of(body) {
        let Some(field) = request.field(holder.number) else {
            continue;
        };
        if !matches!(
            (field.role, field.kind),
            (Role::Container, Kind::Message(_))
        ) {
            continue;
        }
        resources.clear();
        resources
            .extend(Fields::new(body, holder.inner()).filter(|field| field.number == RESOURCE));
        // A decoder merges what occurs twice: the attributes stand one after the other.
        view.attributes.clear();
        for resource in &resources {
            view.read(body, resource);
        }
        added.clear();
        rule(&view, &mut added);
        added.retain(|attribute| attribute.replace || !view.has(attribute.key));
        if !added.is_empty() {
            edits.within(&holder, |edits| {
                write(body, &holder, &resources, &added, edits);
            });
        }
    }
    Edited::new(body.clone(), edits)
}

/// Takes out what is replaced and writes the new attributes at the end of the last Resource.
fn write(
    body: &[u8],
    holder: &RawField,
    resources: &[RawField],
    added: &[Attribute<'_>],
    edits: &mut Edits,
) {
    let Some(last) = resources.last() else {
        let length = added.iter().map(|added| Length::of(added).whole()).sum();
        edits.insert(holder.content, |text| {
            put_head(text, RESOURCE, length);
            put_attributes(text, added);
        });
        return;
    };
    let replaces = added.iter().any(|added| added.replace);
    for resource in resources {
        edits.within(resource, |edits| {
            // Of the others none is there.
            if replaces {
                take_out(body, resource, added, edits);
            }
            if resource == last {
                edits.insert(resource.end, |text| put_attributes(text, added));
            }
        });
    }
}

fn take_out(body: &[u8], resource: &RawField, added: &[Attribute<'_>], edits: &mut Edits) {
    for field in Fields::new(body, resource.inner()) {
        if field.number == RESOURCE_ATTRIBUTES {
            let key = KeyValue::read(&body[field.inner()]).key;
            if added.iter().any(|added| added.key.as_bytes() == key) {
                edits.replace(field.whole(), &[]);
            }
        }
    }
}

/// Bytes of an attribute's parts.
struct Length {
    value: usize,
    key_value: usize,
}

impl Length {
    fn of(attribute: &Attribute<'_>) -> Self {
        let (key, text) = (attribute.key.len(), attribute.value.len());
        let value = head_len(STRING_VALUE, text) + text;
        let key_value = head_len(KEY, key) + key + head_len(VALUE, value) + value;
        Self { value, key_value }
    }

    fn whole(&self) -> usize {
        head_len(RESOURCE_ATTRIBUTES, self.key_value) + self.key_value
    }
}

/// Appends `Resource.attributes { key, value { string_value } }` for each.
fn put_attributes(out: &mut Vec<u8>, attributes: &[Attribute<'_>]) {
    for attribute in attributes {
        let length = Length::of(attribute);
        put_head(out, RESOURCE_ATTRIBUTES, length.key_value);
        put_field(out, KEY, attribute.key.as_bytes());
        put_head(out, VALUE, length.value);
        put_field(out, STRING_VALUE, attribute.value.as_bytes());
    }
}
