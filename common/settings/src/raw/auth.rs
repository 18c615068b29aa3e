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
}

/// `extensions.basicauth.htpasswd`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Htpasswd {
    pub(crate) file: Option<String>,
    pub(crate) inline: Option<String>,
}

/// `auth` of a server.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Auth {
    pub(crate) authenticator: Option<String>,
}

/// What is known of the Collector's `basicauth` and is no field above.
pub(crate) const BASIC_NOTES: &[Note] = &[unavailable(
    "client_auth",
    "exporters do not use authenticators; remove it, and put the credentials in the exporter's `headers`",
)];
