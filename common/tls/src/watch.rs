//! Files that may change while they are in use: certificates, tokens, passwords.
//!
//! They are read again and again and count by their content, so it is all the same whether they are written over, renamed or,
//! as Kubernetes does it, reached by a link that leads elsewhere.
//!
//! *Invariant:* what cannot be used changes nothing, and is told once.

use crate::metrics;
use penstock_metrics::describe;
use rustls::pki_types::CertificateDer;
use std::sync::Arc;
use std::time::Duration;

#[cfg(test)]
mod tests;

/// Something made of files.
pub trait Watched: Send + Sync + 'static {
    /// Which section of the configuration names them.
    fn setting(&self) -> &str;

    /// How often to look.
    fn every(&self) -> Duration;

    /// Looks now. Blocking. Tells whether something is another.
    ///
    /// # Errors
    /// Why the files cannot be used, without a secret; nothing has changed.
    fn look(&self) -> Result<bool, String>;

    /// When certificates that are in use now end.
    fn expiries(&self) -> Vec<Expiry> {
        Vec::new()
    }
}

/// When certificates end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// The key that names them.
    pub setting: String,
    /// Seconds since 1970.
    pub seconds: i64,
}

impl Expiry {
    /// Of a chain, which ends with the first that does.
    pub(crate) fn first(setting: &str, chain: &[CertificateDer<'_>]) -> Self {
        Self::of(setting, ends(chain).min())
    }

    /// Of authorities, of which old ones are kept beside new ones for a while.
    pub(crate) fn last(setting: &str, authorities: &[CertificateDer<'_>]) -> Self {
        Self::of(setting, ends(authorities).max())
    }

    fn of(setting: &str, seconds: Option<i64>) -> Self {
        Self {
            setting: setting.to_owned(),
            seconds: seconds.unwrap_or_default(),
        }
    }
}

/// Of those that can be read.
fn ends(certificates: &[CertificateDer<'_>]) -> impl Iterator<Item = i64> {
    certificates.iter().filter_map(|certificate| {
        let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
        Some(certificate.validity().not_after.timestamp())
    })
}

/// Looks for ever.
pub async fn watch(watched: Arc<dyn Watched>) {
    describe(metrics::METRICS);
    let setting = watched.setting().to_owned();
    let publish = || watched.expiries().iter().for_each(metrics::expiry);
    metrics::looked(&setting, None, false);
    publish();
    let mut faulty = false;
    loop {
        tokio::time::sleep(watched.every()).await;
        let looking = Arc::clone(&watched);
        let looked = tokio::task::spawn_blocking(move || looking.look()).await;
        // Whoever panicked at these files may do with the next ones.
        let looked = looked.unwrap_or_else(|error| Err(error.to_string()));
        let was_faulty = std::mem::replace(&mut faulty, looked.is_err());
        let result = match looked {
            Ok(changed) => {
                if changed || was_faulty {
                    tracing::info!(setting, "files read again");
                }
                changed.then_some("used")
            }
            Err(error) => {
                if !was_faulty {
                    tracing::error!(%error, setting, "changed files cannot be used, what was read before stays");
                }
                Some("faulty")
            }
        };
        metrics::looked(&setting, result, faulty);
        publish();
    }
}
