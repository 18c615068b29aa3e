//! Who may send: the authenticators of the Collector's extensions, as servers have them.

use super::Htpasswd;
use std::fmt;
use std::path::PathBuf;

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(crate::redact::HIDDEN)
    }
}

/// How callers say who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authenticator {
    /// `bearertokenauth`.
    Bearer(BearerTokens),
    /// `basicauth`.
    Basic(Htpasswd),
}

/// Tokens, of which a sender must have one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BearerTokens {
    /// The header, in small letters. Default `authorization`.
    pub header: String,
    /// What stands before the token. Default `Bearer`; empty is nothing.
    pub scheme: String,
    /// The tokens.
    pub tokens: Tokens,
}

/// Where tokens are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tokens {
    /// In the configuration.
    Fixed(Vec<Secret>),
    /// In a file, one in a line.
    File(PathBuf),
}

/// What a client shows of itself, in a header of every request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCredentials {
    /// The extension, for messages: `extensions.basicauth`.
    pub setting: String,
    /// The header.
    pub header: String,
    /// What the header says.
    pub value: CredentialValue,
}

/// What a client shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialValue {
    /// `<scheme> <token>`; without the scheme if that is empty.
    Token {
        /// What stands before the token.
        scheme: String,
        /// The token; of a file the first line that is not empty.
        token: SecretText,
    },
    /// `Basic <user:password>`.
    Basic {
        /// The user.
        username: SecretText,
        /// The password.
        password: SecretText,
    },
}

/// A secret, or where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretText {
    /// In the configuration.
    Fixed(Secret),
    /// In a file, which may change.
    File(PathBuf),
}
