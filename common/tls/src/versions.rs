//! What may be spoken: versions and cipher suites.

use penstock_settings::TlsVersions;
use rustls::SupportedProtocolVersion;
use rustls::crypto::{CryptoProvider, ring};
use rustls::version::{TLS12, TLS13};
use std::sync::Arc;

/// The cryptography, with the cipher suites that are allowed.
pub(crate) fn provider(versions: &TlsVersions) -> Arc<CryptoProvider> {
    let mut provider = ring::default_provider();
    if let Some(allowed) = &versions.cipher_suites {
        provider.cipher_suites.retain(|suite| {
            let name = suite.suite().as_str().unwrap_or_default();
            suite.tls13().is_some() || allowed.iter().any(|allowed| allowed == name)
        });
    }
    Arc::new(provider)
}

/// The versions that are allowed.
pub(crate) fn allowed(versions: &TlsVersions) -> Vec<&'static SupportedProtocolVersion> {
    let all = [(versions.tls12, &TLS12), (versions.tls13, &TLS13)];
    all.into_iter()
        .filter_map(|(is_allowed, version)| is_allowed.then_some(version))
        .collect()
}
