//! Who may send: the authenticators of the Collector's extensions, as servers have them.

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

/// How senders say who they are.
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

/// Users and what their passwords hash to: lines of `user:hash`, those of the file first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Htpasswd {
    /// A file of such lines.
    pub file: Option<PathBuf>,
    /// Such lines in the configuration.
    pub inline: Option<Secret>,
}

/// What a password is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordHash {
    /// `$2a$`, `$2b$` or `$2y$`.
    Bcrypt(Secret),
    /// `{SHA}` and the SHA-1 in base64: without salt, as fast to guess as to check.
    Sha1(Secret),
    /// The password itself.
    Plain(Secret),
}

impl Htpasswd {
    /// Users and hashes of lines of `user:hash`; empty lines and those that begin with `#` say nothing.
    ///
    /// # Errors
    /// What is wrong with which line, without its text.
    pub fn users(lines: &str) -> Result<Vec<(String, PasswordHash)>, String> {
        let mut users = Vec::new();
        for (number, line) in (1..).zip(lines.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Some((user, hash)) = line.split_once(':').filter(|(user, _)| !user.is_empty())
            else {
                return Err(format!("line {number} is not `user:hash`"));
            };
            if hash.is_empty() {
                return Err(format!("line {number} has no password"));
            }
            let secret = |hash: &str| Secret::new(hash.to_owned());
            let hash = if ["$2a$", "$2b$", "$2y$"]
                .iter()
                .any(|kind| hash.starts_with(kind))
            {
                PasswordHash::Bcrypt(secret(hash))
            } else if let Some(sha1) = hash.strip_prefix("{SHA}") {
                PasswordHash::Sha1(secret(sha1))
            } else if hash.starts_with(['$', '{']) {
                return Err(format!(
                    "line {number} has a kind of hash that is not available; make it with bcrypt, as `htpasswd -B` does"
                ));
            } else {
                PasswordHash::Plain(secret(hash))
            };
            users.push((user.to_owned(), hash));
        }
        Ok(users)
    }
}
