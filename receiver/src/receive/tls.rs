//! Server-side TLS, from settings to what rustls needs.

use crate::StartError;
use penstock_settings::ServerTls;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

/// Reads certificates and keys. `protocols` are offered by ALPN, the preferred one first.
///
/// # Errors
/// [`StartError::Tls`] names the file that cannot be used, and why.
pub(crate) fn config(tls: &ServerTls, protocols: &[&str]) -> Result<Arc<ServerConfig>, StartError> {
    let provider = Arc::new(ring::default_provider());
    let verifier = match &tls.client_ca_file {
        None => WebPkiClientVerifier::no_client_auth(),
        Some(file) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(file)? {
                roots.add(certificate).map_err(|error| fault(file, error))?;
            }
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .map_err(|error| fault(file, error))?
        }
    };
    let key = PrivateKeyDer::from_pem_file(&tls.key_file);
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
        .with_single_cert(certificates(&tls.cert_file)?, key)
        .map_err(|error| fault(&tls.cert_file, error))?;
    config.alpn_protocols = protocols
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    Ok(Arc::new(config))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, StartError> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
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
