//! Server-side TLS, from settings to what rustls needs, and again when its files change.
//!
//! *Invariant:* a connection that is open keeps what it was opened with; new files that cannot be used change nothing.

use super::watch::Watched;
use crate::StartError;
use penstock_settings::ServerTls;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{InvalidMessage, RootCertStore, ServerConfig};
use std::fmt::Display;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

#[cfg(test)]
mod tests;

/// The TLS of a port.
#[derive(Debug)]
pub(crate) struct Tls {
    settings: ServerTls,
    protocols: Vec<Vec<u8>>,
    current: RwLock<Current>,
}

#[derive(Debug)]
struct Current {
    config: Arc<ServerConfig>,
    /// Of what the files held, to see whether they hold something else now: their times say little of a mounted secret.
    digests: Digests,
}

/// Of [`Files`]: a key is kept nowhere but in the configuration.
type Digests = [Vec<u8>; 3];

/// Contents of the certificate's, the key's and the client authority's file.
type Files = [Vec<u8>; 3];

impl Tls {
    /// Reads certificates and keys. `protocols` are offered by ALPN, the preferred one first. Blocking.
    ///
    /// # Errors
    /// [`StartError::Tls`] names the file that cannot be used, and why.
    pub(crate) fn new(settings: &ServerTls, protocols: &[&str]) -> Result<Self, StartError> {
        let protocols = protocols.iter().map(|name| name.as_bytes().to_vec());
        let protocols: Vec<_> = protocols.collect();
        let read = files(settings)?;
        let config = config(settings, &read, &protocols)?;
        let digests = digests(&read);
        Ok(Self {
            settings: settings.clone(),
            protocols,
            current: RwLock::new(Current { config, digests }),
        })
    }

    /// For a new connection.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&current.config)
    }
}

impl Watched for Tls {
    type Fault = StartError;

    fn what(&self) -> &'static str {
        "certificates"
    }

    fn every(&self) -> Duration {
        self.settings.reload_interval
    }

    fn look(&self) -> Result<bool, StartError> {
        let read = files(&self.settings)?;
        let digests = digests(&read);
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        if current.digests == digests {
            return Ok(false);
        }
        drop(current);
        // A key that does not belong to its certificate is told by rustls: files that are only half changed do not count.
        let config = config(&self.settings, &read, &self.protocols)?;
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        *current = Current { config, digests };
        Ok(true)
    }
}

/// Why a handshake failed, for people: the library's words are about bytes where a sender has forgotten TLS.
pub(crate) fn why(error: &io::Error) -> String {
    let inner = error.get_ref();
    match inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
            "what came is not TLS; the sender speaks plaintext to a port with TLS".to_owned()
        }
        Some(rustls::Error::NoCertificatesPresented) => {
            "the sender shows no certificate, and client_ca_file asks for one".to_owned()
        }
        Some(rustls::Error::AlertReceived(alert)) => {
            format!("the sender gave up: {alert:?}; it may not trust our certificate")
        }
        _ => error.to_string(),
    }
}

fn files(tls: &ServerTls) -> Result<Files, StartError> {
    let read = |file: &Path| fs::read(file).map_err(|error| fault(file, error));
    let authority = tls.client_ca_file.as_deref().map(read).transpose()?;
    Ok([
        read(&tls.cert_file)?,
        read(&tls.key_file)?,
        authority.unwrap_or_default(),
    ])
}

fn digests(files: &Files) -> Digests {
    let digest = |file: &Vec<u8>| ::ring::digest::digest(&::ring::digest::SHA256, file);
    files.each_ref().map(|file| digest(file).as_ref().to_vec())
}

fn config(
    tls: &ServerTls,
    [chain, key, authority]: &Files,
    protocols: &[Vec<u8>],
) -> Result<Arc<ServerConfig>, StartError> {
    let provider = Arc::new(ring::default_provider());
    let verifier = match &tls.client_ca_file {
        None => WebPkiClientVerifier::no_client_auth(),
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(file, authority)? {
                roots.add(certificate).map_err(|error| fault(file, error))?;
            }
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .map_err(|error| fault(file, error))?
        }
    };
    let key = PrivateKeyDer::from_pem_slice(key);
    let key = key.map_err(|error| fault(&tls.key_file, error))?;
    let versions: &[_] = if tls.min_version_13 {
        &[&rustls::version::TLS13]
    } else {
        rustls::ALL_VERSIONS
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .map_err(|error| fault(&tls.cert_file, error))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(certificates(&tls.cert_file, chain)?, key)
        .map_err(|error| fault(&tls.cert_file, error))?;
    config.alpn_protocols = protocols.to_vec();
    Ok(Arc::new(config))
}

fn certificates(file: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, StartError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    let certificates = read.map_err(|error| fault(file, error))?;
    if certificates.is_empty() {
        return Err(fault(file, "no certificate in it"));
    }
    Ok(certificates)
}

fn fault(file: &Path, error: impl Display) -> StartError {
    StartError::Tls {
        file: file.to_owned(),
        message: error.to_string(),
    }
}
