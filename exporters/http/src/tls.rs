//! The client's side of TLS, from settings.
//!
//! *Invariant:* a server is verified unless `insecure_skip_verify` says otherwise.
//!
//! Certificates are read once: a rotated client certificate needs a restart.

use crate::BuildError;
use penstock_settings::ClientTls;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ConfigBuilder, DigitallySignedStruct, RootCertStore, SignatureScheme,
    WantsVerifier,
};
use std::path::Path;
use std::sync::Arc;

/// For connections without TLS, whose connector wants a configuration all the same.
pub(crate) fn unused() -> Result<ClientConfig, BuildError> {
    Ok(builder()?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth())
}

fn builder() -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, BuildError> {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| BuildError::Tls(error.to_string()))
}

pub(crate) fn client_config(tls: &ClientTls) -> Result<ClientConfig, BuildError> {
    let builder = builder()?;
    let builder = if tls.insecure_skip_verify {
        let provider = Arc::new(ring::default_provider());
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(NoVerifier(provider)))
    } else {
        builder.with_root_certificates(roots(tls.ca_file.as_deref())?)
    };
    match (&tls.cert_file, &tls.key_file) {
        (None, None) => Ok(builder.with_no_client_auth()),
        (Some(cert_file), Some(key_file)) => {
            let chain = certificates(cert_file)?;
            let key = PrivateKeyDer::from_pem_file(key_file).map_err(|e| bad(key_file, &e))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|e| bad(cert_file, &e))
        }
        _ => Err(BuildError::Tls(
            "`cert_file` and `key_file` belong together".to_owned(),
        )),
    }
}

/// The given authority alone, or else those of the system, as the Collector takes them: a company's own authority
/// is usually added there, and they age with the image and not with the binary.
fn roots(ca_file: Option<&Path>) -> Result<RootCertStore, BuildError> {
    let mut roots = RootCertStore::empty();
    if let Some(ca_file) = ca_file {
        for certificate in certificates(ca_file)? {
            roots
                .add(certificate)
                .map_err(|error| bad(ca_file, &error))?;
        }
        return Ok(roots);
    }
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let what = "the system has no certificate authorities: set `tls.ca_file` or install ca-certificates";
        return Err(BuildError::Tls(what.to_owned()));
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, BuildError> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| bad(path, &error))?;
    if certificates.is_empty() {
        return Err(bad(path, &"no certificate in it"));
    }
    Ok(certificates)
}

fn bad(path: &Path, what: &dyn std::fmt::Display) -> BuildError {
    BuildError::Certificate {
        path: path.to_owned(),
        what: what.to_string(),
    }
}

/// `insecure_skip_verify`: takes any certificate, though its holder must have the key.
#[derive(Debug)]
struct NoVerifier(Arc<CryptoProvider>);

impl ServerCertVerifier for NoVerifier {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
