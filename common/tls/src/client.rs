//! The TLS of connections to somebody.

use crate::current::{Current, Made};
use crate::failed::Side;
use crate::pem::Source;
use crate::verify::NoVerifier;
use crate::watch::{Expiry, Watched};
use crate::{Failed, TlsFault, versions};
use penstock_settings::ClientTls;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

#[cfg(test)]
mod tests;

/// The TLS of connections to somebody, as its files have it now.
#[derive(Debug)]
pub struct ClientSide {
    settings: ClientTls,
    protocols: Vec<Vec<u8>>,
    /// Instead of the host's.
    name: Option<ServerName<'static>>,
    current: Current<ClientConfig>,
}

impl ClientSide {
    /// Reads certificates and keys. `protocols` are offered by ALPN, the preferred one first. Blocking.
    ///
    /// # Errors
    /// [`TlsFault`] names the setting and the file that cannot be used, and why.
    pub fn new(settings: &ClientTls, protocols: &[&str]) -> Result<Self, TlsFault> {
        let protocols = protocols.iter().map(|name| name.as_bytes().to_vec());
        let protocols: Vec<_> = protocols.collect();
        let name = settings.server_name_override.as_ref().map(|name| {
            let setting = format!("{}.server_name_override", settings.setting);
            let wrong = |_| TlsFault::new(&setting, format!("`{name}` is not a server's name"));
            ServerName::try_from(name.clone()).map_err(wrong)
        });
        let sources = Sources::read(settings)?;
        Ok(Self {
            settings: settings.clone(),
            name: name.transpose()?,
            current: Current::new(&sources.all(), sources.make(settings, &protocols)?),
            protocols,
        })
    }

    /// For a new connection.
    #[must_use]
    pub fn config(&self) -> Arc<ClientConfig> {
        self.current.config()
    }

    /// `server_name_override`.
    #[must_use]
    pub fn server_name(&self) -> Option<&ServerName<'static>> {
        self.name.as_ref()
    }

    /// The handshake of one connection to `host`, whose certificate has to have that name unless the settings name another.
    ///
    /// # Errors
    /// [`Failed`], counted.
    ///
    /// # Cancel safety
    /// The connection is lost.
    pub async fn connect<S>(
        self: &Arc<Self>,
        host: &str,
        stream: S,
    ) -> Result<ClientStream<S>, Failed>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = match &self.name {
            Some(name) => name.clone(),
            None => ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
                .map_err(|_| Failed::no_name(Side::Client(&self.settings), host))?,
        };
        let connecting = TlsConnector::from(self.config()).connect(name, stream);
        match connecting.await {
            Ok(stream) => Ok(ClientStream {
                stream,
                side: Arc::clone(self),
            }),
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// Why a connection failed, counted.
    fn failed(&self, error: &(dyn Error + 'static)) -> Failed {
        Failed::of(Side::Client(&self.settings), error)
    }

    /// If TLS is why a connection failed: why, counted.
    #[must_use]
    pub fn explain(&self, error: &(dyn Error + 'static)) -> Option<Failed> {
        crate::failed::of_tls(error)?;
        Some(self.failed(error))
    }
}

impl Watched for ClientSide {
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
        look().map_err(|fault: TlsFault| fault.to_string())
    }

    fn expiries(&self) -> Vec<Expiry> {
        self.current.expiries()
    }
}

struct Sources {
    ca: Option<Source>,
    identity: Option<(Source, Source)>,
}

impl Sources {
    fn read(tls: &ClientTls) -> Result<Self, TlsFault> {
        let ca = tls.ca.as_ref();
        let ca = ca.map(|ca| Source::read(&tls.setting, "ca", ca));
        let identity = match (&tls.cert, &tls.key) {
            (Some(cert), Some(key)) => Some((
                Source::read(&tls.setting, "cert", cert)?,
                Source::read(&tls.setting, "key", key)?,
            )),
            (None, None) => None,
            _ => {
                let message = "`cert_file` and `key_file` belong together";
                return Err(TlsFault::new(&tls.setting, message));
            }
        };
        Ok(Self {
            ca: ca.transpose()?,
            identity,
        })
    }

    fn all(&self) -> Vec<&Source> {
        let identity = self.identity.iter().flat_map(|(cert, key)| [cert, key]);
        self.ca.iter().chain(identity).collect()
    }

    fn make(&self, tls: &ClientTls, protocols: &[Vec<u8>]) -> Result<Made<ClientConfig>, TlsFault> {
        let provider = versions::provider(&tls.versions);
        let mut expiries = Vec::new();
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&versions::allowed(&tls.versions))
            .map_err(|error| TlsFault::new(&tls.setting, error))?;
        let builder = if tls.insecure_skip_verify {
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(NoVerifier(provider)))
        } else {
            builder.with_root_certificates(self.roots(tls, &mut expiries)?)
        };
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((cert, key)) => {
                let chain = cert.certificates()?;
                expiries.push(Expiry::first(&cert.setting, &chain));
                builder
                    .with_client_auth_cert(chain, key.key()?)
                    .map_err(|error| cert.fault(error))?
            }
        };
        config.alpn_protocols = protocols.to_vec();
        Ok((Arc::new(config), expiries))
    }

    /// The given authority alone, or else those of the system, as the Collector takes them: a company's own authority is
    /// usually added there, and they age with the image and not with the binary.
    fn roots(
        &self,
        tls: &ClientTls,
        expiries: &mut Vec<Expiry>,
    ) -> Result<RootCertStore, TlsFault> {
        let mut roots = RootCertStore::empty();
        if let Some(source) = &self.ca {
            let certificates = source.certificates()?;
            expiries.push(Expiry::last(&source.setting, &certificates));
            for certificate in certificates {
                roots
                    .add(certificate)
                    .map_err(|error| source.fault(error))?;
            }
        }
        if self.ca.is_none() || tls.include_system_ca {
            roots.add_parsable_certificates(system());
        }
        if roots.is_empty() {
            let setting = format!("{}.ca_file", tls.setting);
            let message =
                "the system has no certificate authorities: set this or install ca-certificates";
            return Err(TlsFault::new(&setting, message));
        }
        Ok(roots)
    }
}

fn system() -> Vec<CertificateDer<'static>> {
    rustls_native_certs::load_native_certs().certs
}

/// A connection to somebody. With TLS 1.3 a server says no to our certificate after the handshake: that is explained here.
#[derive(Debug)]
pub struct ClientStream<S> {
    stream: TlsStream<S>,
    side: Arc<ClientSide>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for ClientStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        read.map_err(|error| match self.side.explain(&error) {
            Some(failed) => io::Error::new(error.kind(), failed),
            None => error,
        })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ClientStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
