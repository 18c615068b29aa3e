//! Who may call a port: decided on a call's headers, before anything of its body is taken.
//!
//! Secrets are compared in constant time and are never in a log line. A password is hashed on a thread for blocking work,
//! one at a time, because that is made to be slow; what has been found right is remembered by a keyed digest, so that a
//! caller costs it once. Files are read again and again, and count once their content is another.
//!
//! *Invariant:* who has not the right credentials is denied; files that cannot be used change nothing.

mod basic;
mod bearer;
mod md5_crypt;
#[cfg(test)]
mod tests;

use basic::Users;
use bearer::Bearer;
use penstock_settings::Authenticator;
use penstock_tls::Watched;
use std::path::PathBuf;
use std::time::Duration;

/// How often files of tokens and passwords are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The authenticator of a port.
#[derive(Debug)]
pub struct Auth {
    /// Where it stands in the configuration.
    setting: String,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Bearer(Bearer),
    Basic(Box<Users>),
}

/// Why a call may not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// There are no credentials.
    Missing,
    /// They are wrong.
    Wrong,
    /// Too many wait to be checked.
    Busy,
}

/// Credentials that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AuthFault {
    /// A file cannot be read.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random,
    /// A file is not what it should be.
    #[error("{}: {message}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong, without the secret.
        message: String,
    },
}

impl Denied {
    /// Values of a label.
    pub const LABELS: [&str; 3] = ["missing", "wrong", "busy"];

    /// Its label.
    #[must_use]
    pub fn label(self) -> &'static str {
        Self::LABELS[self as usize]
    }

    /// For the caller: what is missing, never what was given.
    #[must_use]
    pub fn message(self) -> &'static str {
        match self {
            Self::Missing => "credentials are missing",
            Self::Wrong => "credentials are wrong",
            Self::Busy => "too many passwords wait to be checked",
        }
    }
}

impl Auth {
    /// Reads what the settings name. Blocking.
    ///
    /// # Errors
    /// [`AuthFault`]: a file cannot be used.
    pub fn new(setting: &str, settings: &Authenticator) -> Result<Self, AuthFault> {
        let kind = match settings {
            Authenticator::Bearer(tokens) => Kind::Bearer(Bearer::new(tokens)?),
            Authenticator::Basic(htpasswd) => Kind::Basic(Box::new(Users::new(htpasswd)?)),
        };
        Ok(Self {
            setting: setting.to_owned(),
            kind,
        })
    }

    /// The header that has the credentials, in small letters.
    #[must_use]
    pub fn header(&self) -> &str {
        match &self.kind {
            Kind::Bearer(bearer) => bearer.header(),
            Kind::Basic(_) => "authorization",
        }
    }

    /// What `www-authenticate` asks for.
    #[must_use]
    pub fn challenge(&self) -> &'static str {
        match &self.kind {
            Kind::Bearer(_) => "Bearer",
            Kind::Basic(_) => "Basic realm=\"penstock\"",
        }
    }

    /// Whether the header's value is somebody who may call.
    ///
    /// # Errors
    /// [`Denied`] says why not.
    ///
    /// # Cancel safety
    /// Nothing is kept of a check that is dropped.
    pub async fn check(&self, given: Option<&[u8]>) -> Result<(), Denied> {
        let known = match (given, &self.kind) {
            (None, _) => Err(Denied::Missing),
            (Some(given), Kind::Bearer(bearer)) if bearer.knows(given) => Ok(()),
            (Some(_), Kind::Bearer(_)) => Err(Denied::Wrong),
            (Some(given), Kind::Basic(users)) => users.know(given).await,
        };
        if let Err(denied) = known {
            let reason = denied.message();
            tracing::warn!(
                setting = self.setting,
                reason,
                "call refused for its credentials"
            );
        }
        known
    }
}

impl Watched for Auth {
    fn setting(&self) -> &str {
        &self.setting
    }

    fn every(&self) -> Duration {
        LOOK_EVERY
    }

    fn look(&self) -> Result<bool, String> {
        let looked = match &self.kind {
            Kind::Bearer(bearer) => bearer.look(),
            Kind::Basic(users) => users.look(),
        };
        looked.map_err(|fault| fault.to_string())
    }
}

fn read(path: &std::path::Path) -> Result<String, AuthFault> {
    std::fs::read_to_string(path).map_err(|error| AuthFault::File {
        path: path.to_owned(),
        error,
    })
}

/// Whether two texts are the same, in a time that tells nothing but their length.
fn same(one: &[u8], other: &[u8]) -> bool {
    subtle::ConstantTimeEq::ct_eq(one, other).into()
}
