//! Verifying peers, beyond what rustls does: clients by their names, and servers not at all.

use penstock_settings::ClientNames;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, OtherError, SignatureScheme,
};
use std::net::IpAddr;
use std::sync::Arc;
use x509_parser::extensions::GeneralName;

#[cfg(test)]
mod tests;

/// Names of a peer's certificate that are told at most: they are its, not ours.
const MAX_TOLD: usize = 200;

/// Lets in clients of an authority that have one of some names.
#[derive(Debug)]
pub(crate) struct Named {
    inner: Arc<dyn ClientCertVerifier>,
    names: ClientNames,
}

/// The client has none of the names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client's certificate has none of the names in {setting}; it has: {has}")]
pub(crate) struct NotNamed {
    setting: String,
    has: String,
}

impl Named {
    /// Any name will do when there are none to have.
    pub(crate) fn wrap(
        inner: Arc<dyn ClientCertVerifier>,
        names: &ClientNames,
    ) -> Arc<dyn ClientCertVerifier> {
        if names.names.is_empty() {
            return inner;
        }
        Arc::new(Self {
            inner,
            names: names.clone(),
        })
    }

    fn check(&self, certificate: &CertificateDer<'_>) -> Result<(), rustls::Error> {
        let has = names(certificate).ok_or(CertificateError::BadEncoding)?;
        let allowed = |has: &String| self.names.names.iter().any(|name| is(name, has));
        if has.iter().any(allowed) {
            return Ok(());
        }
        let mut has = if has.is_empty() {
            "none".to_owned()
        } else {
            has.join(", ")
        };
        has.truncate(has.floor_char_boundary(MAX_TOLD));
        let setting = self.names.setting.clone();
        let error = OtherError(Arc::new(NotNamed { setting, has }));
        Err(CertificateError::Other(error).into())
    }
}

/// The names that a certificate is for; `None` if it cannot be read.
fn names(certificate: &CertificateDer<'_>) -> Option<Vec<String>> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let Some(names) = certificate.subject_alternative_name().ok()? else {
        return Some(Vec::new());
    };
    let text = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) | GeneralName::URI(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let address = v4.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
            address.ok().map(|address| address.to_string())
        }
        _ => None,
    };
    Some(names.value.general_names.iter().filter_map(text).collect())
}

/// Whether `has` is what `name` allows. A certificate's own wildcard is no name that stands for another one here.
fn is(name: &str, has: &str) -> bool {
    if name.contains("://") {
        return match name.strip_suffix('*') {
            Some(start) => has.len() > start.len() && has.starts_with(start),
            None => has == name,
        };
    }
    if let (Ok(name), Ok(has)) = (name.parse::<IpAddr>(), has.parse::<IpAddr>()) {
        return name == has;
    }
    match name.strip_prefix("*.") {
        Some(parent) => has.split_once('.').is_some_and(|(label, rest)| {
            !label.is_empty() && label != "*" && rest.eq_ignore_ascii_case(parent)
        }),
        None => has.eq_ignore_ascii_case(name),
    }
}

impl ClientCertVerifier for Named {
    fn offer_client_auth(&self) -> bool {
        self.inner.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.inner.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let verified = self
            .inner
            .verify_client_cert(end_entity, intermediates, now)?;
        self.check(end_entity)?;
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// `insecure_skip_verify`: takes any certificate, though its holder must have the key.
#[derive(Debug)]
pub(crate) struct NoVerifier(pub(crate) Arc<CryptoProvider>);

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
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
