//! What a client shows of itself in a header, as its files have it now.
//!
//! *Invariant:* it is in no log line and no `Debug`.

use crate::{TlsFault, Watched};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue};
use penstock_settings::{ClientCredentials, CredentialValue, SecretText};
use std::fs;
use std::path::Path;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

#[cfg(test)]
mod tests;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Credentials that go with every request.
#[derive(Debug)]
pub struct Credentials {
    settings: ClientCredentials,
    header: HeaderName,
    /// Sensitive, so that it is never shown.
    value: RwLock<HeaderValue>,
}

impl Credentials {
    /// Reads the files. Blocking.
    ///
    /// # Errors
    /// [`TlsFault`]: a file cannot be read, or what is in it cannot be sent.
    pub fn new(settings: &ClientCredentials) -> Result<Self, TlsFault> {
        let header = HeaderName::from_bytes(settings.header.as_bytes());
        Ok(Self {
            header: header.map_err(|error| TlsFault::new(&settings.setting, error))?,
            value: RwLock::new(value(settings)?),
            settings: settings.clone(),
        })
    }

    /// Adds them to a request's headers, instead of what is there under the name.
    pub fn insert(&self, headers: &mut HeaderMap) {
        let value = self.value.read().unwrap_or_else(PoisonError::into_inner);
        headers.insert(self.header.clone(), value.clone());
    }
}

impl Watched for Credentials {
    fn setting(&self) -> &str {
        &self.settings.setting
    }

    fn every(&self) -> Duration {
        LOOK_EVERY
    }

    fn look(&self) -> Result<bool, String> {
        let next = value(&self.settings).map_err(|fault| fault.to_string())?;
        let mut value = self.value.write().unwrap_or_else(PoisonError::into_inner);
        let changed = *value != next;
        *value = next;
        Ok(changed)
    }
}

fn value(settings: &ClientCredentials) -> Result<HeaderValue, TlsFault> {
    let read = |text: &SecretText| read(&settings.setting, text);
    let value = match &settings.value {
        CredentialValue::Token { scheme, token } => {
            let token = read(token)?;
            // A file may have several, of which servers take each.
            let mut lines = token.lines().map(str::trim);
            let token = lines.find(|line| !line.is_empty()).unwrap_or_default();
            format!("{scheme} {token}").trim_start().to_owned()
        }
        CredentialValue::Basic { username, password } => {
            let both = format!("{}:{}", read(username)?, read(password)?);
            format!("Basic {}", STANDARD.encode(both))
        }
    };
    let mut value = HeaderValue::try_from(value)
        .map_err(|_| TlsFault::new(&settings.setting, "its secret cannot be sent in a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Without the white space around it; a file that is being written is empty for a moment.
fn read(setting: &str, text: &SecretText) -> Result<String, TlsFault> {
    let path: &Path = match text {
        SecretText::Fixed(secret) => return Ok(secret.expose().to_owned()),
        SecretText::File(path) => path,
    };
    let fault = |message: String| TlsFault {
        setting: setting.to_owned(),
        file: Some(path.to_owned()),
        message,
    };
    let text = fs::read_to_string(path).map_err(|error| fault(error.to_string()))?;
    match text.trim() {
        "" => Err(fault("nothing in it".to_owned())),
        text => Ok(text.to_owned()),
    }
}
