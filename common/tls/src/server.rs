//! The TLS of a port.

use crate::current::{Current, Made};
use crate::failed::Side;
use crate::pem::Source;
use crate::verify::Named;
use crate::watch::{Expiry, Watched};
use crate::{Failed, TlsFault, versions};
use penstock_settings::ServerTls;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

#[cfg(test)]
mod tests;

/// The TLS of a port, as its files have it now.
#[derive(Debug)]
pub struct ServerSide {
    settings: ServerTls,
    protocols: Vec<Vec<u8>>,
    current: Current<ServerConfig>,
}

impl ServerSide {
    /// Reads certificates and keys. `protocols` are offered by ALPN, the preferred one first. Blocking.
    ///
    /// # Errors
    /// [`TlsFault`] names the setting and the file that cannot be used, and why.
    pub fn new(settings: &ServerTls, protocols: &[&str]) -> Result<Self, TlsFault> {
        let protocols = protocols.iter().map(|name| name.as_bytes().to_vec());
        let protocols: Vec<_> = protocols.collect();
        let sources = Sources::read(settings)?;
        Ok(Self {
            settings: settings.clone(),
            current: Current::new(&sources.all(), sources.make(settings, &protocols)?),
            protocols,
        })
    }

    /// For a new connection.
    #[must_use]
    pub fn config(&self) -> Arc<ServerConfig> {
        self.current.config()
    }

    /// The handshake of one connection, within `limit`.
    ///
    /// # Errors
    /// [`Failed`], counted.
    ///
    /// # Cancel safety
    /// The connection is lost.
    pub async fn accept<S>(&self, stream: S, limit: Duration) -> Result<TlsStream<S>, Failed>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let side = Side::Server(&self.settings);
        match timeout(limit, TlsAcceptor::from(self.config()).accept(stream)).await {
            Ok(Ok(stream)) => Ok(stream),
            Ok(Err(error)) => Err(Failed::of(side, &error)),
            Err(_) => Err(Failed::slow(side, limit)),
        }
    }
}

impl Watched for ServerSide {
    fn setting(&self) -> &str {
        &self.settings.setting
    }

    fn every(&self) -> Duration {
        self.settings.reload_interval
    }

    fn look(&self) -> Result<bool, String> {
        let look = || {
            let sources = Sources::read(&self.settings)?;
            let make = || sources.make(&self.settings, &self.protocols);
            self.current.renew(&sources.all(), make)
        };
        // A key that does not belong to its certificate is told by rustls: files that are only half changed do not count.
        look().map_err(|fault: TlsFault| fault.to_string())
    }

    fn expiries(&self) -> Vec<Expiry> {
        self.current.expiries()
    }
}

struct Sources {
    cert: Source,
    key: Source,
    client_ca: Option<Source>,
}

impl Sources {
    fn read(tls: &ServerTls) -> Result<Self, TlsFault> {
        let client_ca = tls.client_ca_file.as_ref();
        let client_ca =
            client_ca.map(|file| Source::file(&format!("{}.client_ca_file", tls.setting), file));
        Ok(Self {
            cert: Source::read(&tls.setting, "cert", &tls.cert)?,
            key: Source::read(&tls.setting, "key", &tls.key)?,
            client_ca: client_ca.transpose()?,
        })
    }

    fn all(&self) -> Vec<&Source> {
        let own = [&self.cert, &self.key];
        own.into_iter().chain(&self.client_ca).collect()
    }

    fn make(&self, tls: &ServerTls, protocols: &[Vec<u8>]) -> Result<Made<ServerConfig>, TlsFault> {
        let provider = versions::provider(&tls.versions);
        let mut expiries = Vec::new();
        let verifier = match &self.client_ca {
            None => WebPkiClientVerifier::no_client_auth(),
            Some(source) => {
                let mut roots = RootCertStore::empty();
                let certificates = source.certificates()?;
                expiries.push(Expiry::last(&source.setting, &certificates));
                for certificate in certificates {
                    roots
                        .add(certificate)
                        .map_err(|error| source.fault(error))?;
                }
                let roots = Arc::new(roots);
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider));
                let verifier = verifier.build().map_err(|error| source.fault(error))?;
                Named::wrap(verifier, &tls.client_names)
            }
        };
        let chain = self.cert.certificates()?;
        expiries.push(Expiry::first(&self.cert.setting, &chain));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&versions::allowed(&tls.versions))
            .map_err(|error| TlsFault::new(&tls.setting, error))?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, self.key.key()?)
            .map_err(|error| self.cert.fault(error))?;
        config.alpn_protocols = protocols.to_vec();
        Ok((Arc::new(config), expiries))
    }
}
