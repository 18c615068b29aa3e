//! `auth` of an exporter: what an authenticator adds to the headers of every request.
//!
//! Only what is fixed can be added: an exporter sends batches, which are of many senders, so nothing of one of them can go along.

use super::auth;
use super::checks::not_declared;
use super::extensions::Extensions;
use super::findings::{At, Findings};
use crate::model::{Authenticator, ComponentId, Tokens};
use crate::raw::auth as raw;
use crate::raw::common::is_header_name;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub(crate) const SETTER: &str = "headers_setter";

/// Headers of requests, in their order.
pub(crate) type Headers = Vec<(String, String)>;

/// What becomes of one header.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    action: raw::Action,
    name: String,
    value: String,
}

impl Change {
    fn set(name: &str, value: String) -> Self {
        Self {
            action: raw::Action::Upsert,
            name: name.to_owned(),
            value,
        }
    }

    fn apply(&self, headers: &mut Headers) {
        let is_it = |(name, _): &(String, String)| name.eq_ignore_ascii_case(&self.name);
        let there = headers.iter().position(is_it);
        let new = (self.name.clone(), self.value.clone());
        match (self.action, there) {
            (raw::Action::Upsert | raw::Action::Update, Some(index)) => headers[index] = new,
            (raw::Action::Upsert | raw::Action::Insert, None) => headers.push(new),
            (raw::Action::Delete, Some(_)) => headers.retain(|header| !is_it(header)),
            (raw::Action::Insert, Some(_)) | (raw::Action::Update | raw::Action::Delete, None) => {}
        }
    }
}

/// Reads a `headers_setter`.
pub(crate) fn setter(at: &At<'_>, findings: &mut Findings) -> Vec<Change> {
    const SENDERS: &str = "a batch is of many senders, so nothing of one of them can go along; give a fixed value, or an exporter for \
                           each tenant";
    let Some(raw) = findings.read::<raw::HeadersSetter>(at, &[raw::SETTER_NOTES]) else {
        return Vec::new();
    };
    let mut changes = Vec::new();
    for (index, header) in raw.headers.unwrap_or_default().into_iter().enumerate() {
        let at_header = format!("headers.{index}");
        let name = header.key.unwrap_or_default();
        if !is_header_name(&name) {
            findings.error(
                at,
                &format!("{at_header}.key"),
                "is not a valid header name",
            );
        }
        let from_senders = header.from_context.is_some() || header.from_attribute.is_some();
        if from_senders {
            findings.error(at, &at_header, SENDERS);
        }
        let action = header.action.unwrap_or(raw::Action::Upsert);
        let value = header.value.or(header.default_value);
        if value.is_none() && !from_senders && action != raw::Action::Delete {
            findings.error(at, &at_header, "needs a value");
        }
        changes.push(Change {
            action,
            name,
            value: value.unwrap_or_default(),
        });
    }
    changes
}

/// What a client's `basicauth` sends.
pub(crate) fn basic(raw: &raw::ClientAuth) -> Change {
    let (user, password) = (raw.username.as_deref(), raw.password.as_deref());
    let both = format!(
        "{}:{}",
        user.unwrap_or_default(),
        password.unwrap_or_default()
    );
    Change::set("Authorization", format!("Basic {}", STANDARD.encode(both)))
}

/// Lays what an exporter's `auth` adds on its headers.
pub(crate) fn apply(
    at: &At<'_>,
    raw: Option<raw::Auth>,
    extensions: &mut Extensions,
    headers: &mut Headers,
    findings: &mut Findings,
) {
    const KEY: &str = "auth.authenticator";
    let Some(raw) = raw else { return };
    let Some(name) = raw.authenticator.filter(|name| !name.is_empty()) else {
        findings.error(at, KEY, "must name an extension");
        return;
    };
    let id = ComponentId(name);
    if !extensions.ids().any(|declared| *declared == id) {
        not_declared(at, KEY, "extension", &id.0, extensions.ids(), findings);
        return;
    }
    let changes = extensions.changes(&id);
    let authenticator = extensions.authenticates(at, KEY, &id);
    match (changes, authenticator) {
        (Some(changes), _) => changes.iter().for_each(|change| change.apply(headers)),
        (None, Some(Authenticator::Bearer(bearer))) => match &bearer.tokens {
            Tokens::Fixed(tokens) => {
                let token = tokens.first().map_or("", |token| token.expose());
                let value = format!("{} {token}", bearer.scheme);
                Change::set(&bearer.header, value.trim_start().to_owned()).apply(headers);
            }
            Tokens::File(_) => {
                let message = format!(
                    "an exporter takes the token of `{id}` only from `token`: write `token: ${{file:PATH}}` there; it is read at start"
                );
                findings.error(at, KEY, message);
            }
        },
        (None, Some(Authenticator::Basic(_))) => {
            findings.error(at, KEY, format!("`{id}` has no `client_auth`"));
        }
        // It has errors of its own.
        (None, None) if [auth::BASIC, auth::BEARER, SETTER].contains(&id.kind()) => {}
        (None, None) => {
            let message = format!(
                "`{id}` adds nothing to requests; use a {}, {} or {SETTER}",
                auth::BEARER,
                auth::BASIC
            );
            findings.error(at, KEY, message);
        }
    }
}
