//! `auth` of an exporter: what an authenticator adds to the headers of every request.
//!
//! Only what is fixed can be added: an exporter sends batches, which are of many senders, so nothing of one of them can go along.

use super::auth;
use super::checks::not_declared;
use super::extensions::{Client, Extensions, KINDS};
use super::findings::{At, Findings};
use crate::model::{
    Authenticator, BearerTokens, ClientCredentials, ComponentId, CredentialValue, Secret,
    SecretText, Tokens,
};
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
pub(crate) fn basic(
    at: &At<'_>,
    raw: &raw::ClientAuth,
    findings: &mut Findings,
) -> ClientCredentials {
    let mut text = |what: &str, given: &Option<String>, file: &Option<String>| {
        let given = given.as_deref().filter(|given| !given.is_empty());
        let Some(file) = file.as_deref().filter(|file| !file.is_empty()) else {
            let given = given.unwrap_or_default().to_owned();
            return SecretText::Fixed(Secret::new(given));
        };
        if given.is_some() {
            let message = format!(
                "has no effect here: `{what}_file` is there too, and the file is what counts"
            );
            findings.warn(at, &format!("client_auth.{what}"), message);
        }
        SecretText::File(file.into())
    };
    ClientCredentials {
        setting: format!("extensions.{}", at.key()),
        header: "Authorization".to_owned(),
        value: CredentialValue::Basic {
            username: text("username", &raw.username, &raw.username_file),
            password: text("password", &raw.password, &raw.password_file),
        },
    }
}

/// What a client's `bearertokenauth` sends: the first of its tokens.
fn bearer(id: &ComponentId, bearer: &BearerTokens) -> ClientCredentials {
    let token = match &bearer.tokens {
        Tokens::Fixed(tokens) => {
            let first = tokens.first().cloned();
            SecretText::Fixed(first.unwrap_or_else(|| Secret::new(String::new())))
        }
        Tokens::File(path) => SecretText::File(path.clone()),
    };
    ClientCredentials {
        setting: format!("extensions.{id}"),
        header: bearer.header.clone(),
        value: CredentialValue::Token {
            scheme: bearer.scheme.clone(),
            token,
        },
    }
}

/// The header's value, if no file is needed to know it.
fn fixed(value: &CredentialValue) -> Option<String> {
    match value {
        CredentialValue::Token {
            scheme,
            token: SecretText::Fixed(token),
        } => Some(
            format!("{scheme} {}", token.expose())
                .trim_start()
                .to_owned(),
        ),
        CredentialValue::Basic {
            username: SecretText::Fixed(user),
            password: SecretText::Fixed(password),
        } => {
            let both = format!("{}:{}", user.expose(), password.expose());
            Some(format!("Basic {}", STANDARD.encode(both)))
        }
        _ => None,
    }
}

/// What the extension does that the client `at` names.
pub(crate) fn of_client(
    at: &At<'_>,
    key: &str,
    raw: raw::Auth,
    extensions: &mut Extensions,
    findings: &mut Findings,
) -> Option<Client> {
    let key = &format!("{key}.authenticator");
    let Some(name) = raw.authenticator.filter(|name| !name.is_empty()) else {
        findings.error(at, key, "must name an extension");
        return None;
    };
    let id = ComponentId(name);
    if !extensions.ids().any(|declared| *declared == id) {
        not_declared(at, key, "extension", &id.0, extensions.ids(), findings);
        return None;
    }
    let client = extensions.client(&id);
    let authenticator = extensions.authenticates(at, key, &id);
    match (client, authenticator) {
        (Some(client), _) => return Some(client),
        (None, Some(Authenticator::Bearer(tokens))) => {
            return Some(Client::Credentials(bearer(&id, &tokens)));
        }
        (None, Some(Authenticator::Basic(_))) => {
            findings.error(at, key, format!("`{id}` has no `client_auth`"));
        }
        // It has errors of its own, or there is no such extension, which is told where it is declared.
        (None, None) if [auth::BASIC, auth::BEARER, SETTER].contains(&id.kind()) => {}
        (None, None) if !KINDS.contains(&id.kind()) => {}
        (None, None) => {
            let message = format!(
                "`{id}` adds nothing to requests; use a {}, {} or {SETTER}",
                auth::BEARER,
                auth::BASIC
            );
            findings.error(at, key, message);
        }
    }
    None
}

/// Lays what an exporter's `auth` adds on its headers; gives back what can be known only while it runs.
pub(crate) fn apply(
    at: &At<'_>,
    raw: Option<raw::Auth>,
    extensions: &mut Extensions,
    headers: &mut Headers,
    findings: &mut Findings,
) -> Option<ClientCredentials> {
    match of_client(at, "auth", raw?, extensions, findings)? {
        Client::Headers(changes) => changes.iter().for_each(|change| change.apply(headers)),
        Client::Credentials(credentials) => match fixed(&credentials.value) {
            Some(value) => Change::set(&credentials.header, value).apply(headers),
            None => return Some(credentials),
        },
    }
    None
}

/// What a receiver shows to others when it hands over.
pub(crate) fn of_hand_over(
    at: &At<'_>,
    key: &str,
    raw: Option<raw::Auth>,
    extensions: &mut Extensions,
    findings: &mut Findings,
) -> Option<ClientCredentials> {
    match of_client(at, key, raw?, extensions, findings)? {
        Client::Credentials(credentials) => Some(credentials),
        Client::Headers(_) => {
            let message = format!(
                "a {SETTER} does not say who it is; use a {} or {}",
                auth::BEARER,
                auth::BASIC
            );
            findings.error(at, &format!("{key}.authenticator"), message);
            None
        }
    }
}
