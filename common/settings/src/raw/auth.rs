//! The extensions that say who may send.

use super::{Note, unavailable};
use serde::Deserialize;

/// `extensions.bearertokenauth`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct BearerTokenAuth {
    pub(crate) header: Option<String>,
    pub(crate) scheme: Option<String>,
    pub(crate) token: Option<String>,
    pub(crate) tokens: Option<Vec<String>>,
    pub(crate) filename: Option<String>,
}

/// `extensions.basicauth`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct BasicAuth {
    pub(crate) htpasswd: Option<Htpasswd>,
    pub(crate) client_auth: Option<ClientAuth>,
}

/// `extensions.basicauth.client_auth`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ClientAuth {
    pub(crate) username: Option<String>,
    pub(crate) username_file: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) password_file: Option<String>,
}

/// `extensions.headers_setter`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct HeadersSetter {
    pub(crate) headers: Option<Vec<SetHeader>>,
}

/// An element of `extensions.headers_setter.headers`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SetHeader {
    pub(crate) action: Option<Action>,
    pub(crate) key: Option<String>,
    pub(crate) value: Option<String>,
    pub(crate) default_value: Option<String>,
    pub(crate) from_context: Option<String>,
    pub(crate) from_attribute: Option<String>,
}

/// What becomes of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    Insert,
    Update,
    Upsert,
    Delete,
}

/// `extensions.basicauth.htpasswd`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Htpasswd {
    pub(crate) file: Option<String>,
    pub(crate) inline: Option<String>,
}

/// `auth` of a server or an exporter.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Auth {
    pub(crate) authenticator: Option<String>,
}

/// What is known of the Collector's `headers_setter` and is no field above.
pub(crate) const SETTER_NOTES: &[Note] = &[unavailable(
    "additional_auth",
    "an exporter has one authenticator; put the other header here, too",
)];
