//! Certificates and keys, read from where the settings have them.
//!
//! *Invariant:* nothing of a key is kept or shown; whether a source has changed is told by its digest.

use crate::TlsFault;
use penstock_settings::Pem;
use ring::digest::{SHA256, digest};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

/// What one key of the settings leads to, as it is now.
pub(crate) struct Source {
    /// Dotted key.
    pub(crate) setting: String,
    file: Option<PathBuf>,
    text: Vec<u8>,
}

impl Source {
    /// Reads what the key `<what>_file` or `<what>_pem` of the section `setting` has. Blocking.
    pub(crate) fn read(setting: &str, what: &str, pem: &Pem) -> Result<Self, TlsFault> {
        match pem {
            Pem::File(path) => Self::file(&format!("{setting}.{what}_file"), path),
            Pem::Inline(secret) => Ok(Self {
                setting: format!("{setting}.{what}_pem"),
                file: None,
                text: secret.expose().as_bytes().to_vec(),
            }),
        }
    }

    /// The same of a key that is a file's.
    pub(crate) fn file(setting: &str, path: &Path) -> Result<Self, TlsFault> {
        let mut source = Self {
            setting: setting.to_owned(),
            file: Some(path.to_owned()),
            text: Vec::new(),
        };
        source.text = fs::read(path).map_err(|error| source.fault(error))?;
        Ok(source)
    }

    pub(crate) fn fault(&self, message: impl Display) -> TlsFault {
        TlsFault {
            setting: self.setting.clone(),
            file: self.file.clone(),
            message: message.to_string(),
        }
    }

    /// Of the contents: times of files say little of a mounted secret.
    pub(crate) fn digest(&self) -> Vec<u8> {
        digest(&SHA256, &self.text).as_ref().to_vec()
    }

    /// One certificate at least.
    pub(crate) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsFault> {
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.text).collect();
        let certificates = read.map_err(|error| self.fault(error))?;
        if certificates.is_empty() {
            return Err(self.fault("no certificate in it"));
        }
        Ok(certificates)
    }

    pub(crate) fn key(&self) -> Result<PrivateKeyDer<'static>, TlsFault> {
        PrivateKeyDer::from_pem_slice(&self.text).map_err(|error| self.fault(error))
    }
}

/// Digests of sources, to see whether they have changed.
pub(crate) type Digests = Vec<Vec<u8>>;

/// Of all that are there.
pub(crate) fn digests(sources: &[&Source]) -> Digests {
    sources.iter().map(|source| source.digest()).collect()
}
