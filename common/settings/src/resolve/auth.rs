//! `bearertokenauth` and `basicauth`, and the servers that ask for them.

use super::checks::not_declared;
use super::client_auth;
use super::extensions::{Client, Clients, Extensions, KINDS};
use super::findings::{At, Findings};
use crate::model::{Authenticator, BearerTokens, ComponentId, Htpasswd, Secret, Tokens};
use crate::raw::auth as raw;
use crate::raw::common::is_header_name;

pub(crate) const BEARER: &str = "bearertokenauth";
pub(crate) const BASIC: &str = "basicauth";

/// Reads an authenticator; `None` is one with errors.
pub(crate) fn read(
    at: &At<'_>,
    id: &ComponentId,
    clients: &mut Clients,
    findings: &mut Findings,
) -> Option<Authenticator> {
    if id.kind() == BEARER {
        let raw = findings.read(at, &[])?;
        return bearer(at, raw, findings).map(Authenticator::Bearer);
    }
    let raw: raw::BasicAuth = findings.read(at, &[])?;
    if let Some(client) = &raw.client_auth {
        let client = client_auth::basic(at, client, findings);
        clients.insert(id.clone(), Client::Credentials(client));
    }
    let htpasswd = raw.htpasswd.unwrap_or_default();
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let (file, inline) = (given(htpasswd.file), given(htpasswd.inline));
    if file.is_none() && inline.is_none() && raw.client_auth.is_some() {
        return None;
    }
    if file.is_none() && inline.is_none() {
        let message = "must name a `file`, or have lines of `user:hash` in `inline`";
        findings.error(at, "htpasswd", message);
        return None;
    }
    if let Some(inline) = &inline
        && let Err(message) = Htpasswd::users(inline)
    {
        findings.error(at, "htpasswd.inline", message);
    }
    Some(Authenticator::Basic(Htpasswd {
        file: file.map(Into::into),
        inline: inline.map(Secret::new),
    }))
}

fn bearer(at: &At<'_>, raw: raw::BearerTokenAuth, findings: &mut Findings) -> Option<BearerTokens> {
    let header = raw.header.unwrap_or_else(|| "authorization".to_owned());
    if !is_header_name(&header) {
        findings.error(
            at,
            "header",
            format!("`{header}` is not a valid header name"),
        );
    }
    let fixed = raw.token.into_iter().chain(raw.tokens.unwrap_or_default());
    let fixed: Vec<_> = fixed
        .filter(|token| !token.is_empty())
        .map(Secret::new)
        .collect();
    let file = raw.filename.filter(|name| !name.is_empty());
    let tokens = match (file, fixed.is_empty()) {
        (Some(file), none) => {
            if !none {
                let message = "has no effect here: `filename` is there too, and the file's tokens are the ones that count";
                findings.warn(at, "token", message);
            }
            Tokens::File(file.into())
        }
        (None, false) => Tokens::Fixed(fixed),
        (None, true) => {
            let message = "must have a token: `filename`, `token` or `tokens`";
            findings.error(at, "filename", message);
            return None;
        }
    };
    Some(BearerTokens {
        header: header.to_ascii_lowercase(),
        scheme: raw.scheme.unwrap_or_else(|| "Bearer".to_owned()),
        tokens,
    })
}

/// The authenticator that a server asks for.
pub(crate) fn of_server(
    at: &At<'_>,
    key: &str,
    raw: Option<raw::Auth>,
    extensions: &mut Extensions,
    findings: &mut Findings,
) -> Option<Authenticator> {
    let key = format!("{key}.authenticator");
    let Some(name) = raw?.authenticator.filter(|name| !name.is_empty()) else {
        findings.error(at, &key, "must name an extension");
        return None;
    };
    let id = ComponentId(name);
    if !extensions.ids().any(|declared| *declared == id) {
        not_declared(at, &key, "extension", &id.0, extensions.ids(), findings);
        return None;
    }
    if !KINDS.contains(&id.kind()) {
        // That there is no such extension is told where it is declared.
        return None;
    }
    if ![BEARER, BASIC].contains(&id.kind()) {
        let message = format!("`{id}` does not say who may call; use a {BEARER} or {BASIC}");
        findings.error(at, &key, message);
        return None;
    }
    let authenticator = extensions.authenticates(at, &key, &id);
    if authenticator.is_none() && extensions.client(&id).is_some() {
        findings.error(at, &key, format!("`{id}` has no `htpasswd`"));
    }
    authenticator
}
