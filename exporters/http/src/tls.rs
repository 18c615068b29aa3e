//! The TLS of an exporter, which all its connections share.

use crate::BuildError;
use penstock_settings::ClientTls;
use penstock_tls::{ClientSide, TlsFault, Watched};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use std::sync::{Arc, OnceLock};

/// TLS by some settings, whose files are read once something is reached by it.
#[derive(Debug)]
pub struct Tls {
    settings: ClientTls,
    side: OnceLock<Arc<ClientSide>>,
}

impl Tls {
    /// Reads nothing yet.
    #[must_use]
    pub fn new(settings: &ClientTls) -> Self {
        Self {
            settings: settings.clone(),
            side: OnceLock::new(),
        }
    }

    /// The files that are in use and may change.
    #[must_use]
    pub fn files(&self) -> Vec<Arc<dyn Watched>> {
        let side = self.side.get().cloned();
        side.into_iter()
            .map(|side| side as Arc<dyn Watched>)
            .collect()
    }

    pub(crate) fn side(&self) -> Result<Arc<ClientSide>, TlsFault> {
        if let Some(side) = self.side.get() {
            return Ok(Arc::clone(side));
        }
        // The connector adds the protocols.
        let side = Arc::new(ClientSide::new(&self.settings, &[])?);
        Ok(Arc::clone(self.side.get_or_init(|| side)))
    }
}

/// For connections without TLS, whose connector wants a configuration all the same.
pub(crate) fn unused() -> Result<Arc<ClientConfig>, BuildError> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| BuildError::Setting(error.to_string()))?;
    let config = config.with_root_certificates(RootCertStore::empty());
    Ok(Arc::new(config.with_no_client_auth()))
}
