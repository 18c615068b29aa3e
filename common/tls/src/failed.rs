//! Handshakes that fail: counted by reason, and told so that a person knows which setting to look at.
//!
//! *Invariant:* what is told is ours or the library's, and of the peer only the names in its certificate.

use crate::metrics::handshake_failed;
use crate::verify::NotNamed;
use penstock_settings::{ClientTls, Pem, ServerTls};
use rustls::{AlertDescription, CertificateError, InvalidMessage};
use std::error::Error;
use std::io;
use std::time::Duration;

/// Why a handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// What came is not TLS.
    Plaintext,
    /// A client has to show a certificate, and shows none.
    NoCertificate,
    /// The peer's certificate is of an authority that is not trusted.
    UnknownAuthority,
    /// The peer's certificate has expired.
    Expired,
    /// The peer's certificate is not valid yet.
    NotYetValid,
    /// The server's certificate is for another name.
    WrongName,
    /// The client's certificate has none of the names that are allowed.
    ClientName,
    /// The peer said no.
    RefusedByPeer,
    /// There is no version or cipher suite that both speak.
    NothingInCommon,
    /// It took too long.
    Slow,
    /// The peer has gone.
    Gone,
    /// Anything else.
    Other,
}

impl Reason {
    /// The label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::NoCertificate => "no_certificate",
            Self::UnknownAuthority => "unknown_authority",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::WrongName => "wrong_name",
            Self::ClientName => "client_name",
            Self::RefusedByPeer => "refused_by_peer",
            Self::NothingInCommon => "nothing_in_common",
            Self::Slow => "slow",
            Self::Gone => "gone",
            Self::Other => "other",
        }
    }
}

/// A handshake that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failed {
    /// By what it is counted.
    pub reason: Reason,
    /// What happened, and the setting to look at.
    pub message: String,
}

/// Which side is ours.
#[derive(Clone, Copy)]
pub(crate) enum Side<'a> {
    Server(&'a ServerTls),
    Client(&'a ClientTls),
}

impl Side<'_> {
    fn setting(&self) -> &str {
        match self {
            Self::Server(tls) => &tls.setting,
            Self::Client(tls) => &tls.setting,
        }
    }

    fn peer(&self) -> &'static str {
        match self {
            Self::Server(_) => "client",
            Self::Client(_) => "server",
        }
    }

    /// The key that says whom we trust.
    fn trusts(&self) -> String {
        let key = match self {
            Self::Server(_) => "client_ca_file",
            Self::Client(tls) => match tls.ca {
                Some(Pem::Inline(_)) => "ca_pem",
                _ => "ca_file",
            },
        };
        format!("{}.{key}", self.setting())
    }

    /// The key that says who we are.
    fn shows(&self) -> String {
        let cert = match self {
            Self::Server(tls) => Some(&tls.cert),
            Self::Client(tls) => tls.cert.as_ref(),
        };
        let key = match cert {
            Some(Pem::Inline(_)) => "cert_pem",
            _ => "cert_file",
        };
        format!("{}.{key}", self.setting())
    }
}

impl Failed {
    pub(crate) fn of(side: Side<'_>, error: &(dyn Error + 'static)) -> Self {
        let (reason, message) = match of_tls(error) {
            Some(error) => told(side, error),
            None => untold(side, error),
        };
        Self::counted(side, reason, message)
    }

    pub(crate) fn slow(side: Side<'_>, limit: Duration) -> Self {
        let message = format!(
            "the {} has not ended its TLS handshake within {limit:?}",
            side.peer()
        );
        Self::counted(side, Reason::Slow, message)
    }

    pub(crate) fn no_name(side: Side<'_>, host: &str) -> Self {
        let message = format!(
            "`{host}` is no name that a certificate can have; set {}.server_name_override",
            side.setting()
        );
        Self::counted(side, Reason::WrongName, message)
    }

    fn counted(side: Side<'_>, reason: Reason, message: String) -> Self {
        handshake_failed(side.setting(), reason);
        Self { reason, message }
    }
}

/// What rustls says in an error, however it is wrapped.
pub(crate) fn of_tls<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    if let Some(error) = error.downcast_ref() {
        return Some(error);
    }
    // What an I/O error holds is not its source.
    if let Some(inner) = error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref)
    {
        return of_tls(inner);
    }
    of_tls(error.source()?)
}

fn told(side: Side<'_>, error: &rustls::Error) -> (Reason, String) {
    let (peer, setting) = (side.peer(), side.setting());
    match error {
        rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            let message = match side {
                Side::Server(_) => {
                    "what came is not TLS; the client speaks plaintext to a port with TLS"
                }
                Side::Client(_) => {
                    "what came back is not TLS; the server speaks plaintext at this port"
                }
            };
            (Reason::Plaintext, format!("{message} ({setting})"))
        }
        rustls::Error::NoCertificatesPresented => {
            let message = format!(
                "the client shows no certificate, and {} asks for one",
                side.trusts()
            );
            (Reason::NoCertificate, message)
        }
        rustls::Error::InvalidCertificate(error) => certificate(side, error),
        rustls::Error::AlertReceived(AlertDescription::CertificateRequired) => {
            let message = format!("the {peer} asks for a certificate; set {}", side.shows());
            (Reason::RefusedByPeer, message)
        }
        rustls::Error::AlertReceived(alert) => {
            let message = format!(
                "the {peer} gave up: {alert:?}; it may not trust our certificate ({})",
                side.shows()
            );
            (Reason::RefusedByPeer, message)
        }
        rustls::Error::PeerIncompatible(what) => {
            let message = format!(
                "there is no version or cipher suite that both speak: {what:?} ({setting}.min_version, {setting}.cipher_suites)"
            );
            (Reason::NothingInCommon, message)
        }
        other => (Reason::Other, format!("{other} ({setting})")),
    }
}

fn certificate(side: Side<'_>, error: &CertificateError) -> (Reason, String) {
    use CertificateError as E;
    let (peer, setting, trusts) = (side.peer(), side.setting(), side.trusts());
    match error {
        E::Expired | E::ExpiredContext { .. } => {
            let message = format!("the {peer}'s certificate has expired: {error} ({setting})");
            (Reason::Expired, message)
        }
        E::NotValidYet | E::NotValidYetContext { .. } => {
            let message = format!("the {peer}'s certificate is not valid yet: {error} ({setting})");
            (Reason::NotYetValid, message)
        }
        E::UnknownIssuer | E::BadSignature => {
            let message =
                format!("the {peer}'s certificate is of an authority that {trusts} does not have");
            (Reason::UnknownAuthority, message)
        }
        E::NotValidForName | E::NotValidForNameContext { .. } => {
            let message = format!(
                "the {peer}'s certificate is for another name: {error} ({setting}.server_name_override)"
            );
            (Reason::WrongName, message)
        }
        E::Other(other) => match other.0.downcast_ref::<NotNamed>() {
            Some(error) => (Reason::ClientName, error.to_string()),
            None => (
                Reason::Other,
                format!("the {peer}'s certificate cannot be used: {error} ({setting})"),
            ),
        },
        _ => (
            Reason::Other,
            format!("the {peer}'s certificate cannot be used: {error} ({setting})"),
        ),
    }
}

fn untold(side: Side<'_>, error: &(dyn Error + 'static)) -> (Reason, String) {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let (peer, setting) = (side.peer(), side.setting());
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    match kind {
        Some(UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe) => {
            let hint = match side {
                Side::Server(_) => "it may not trust our certificate",
                Side::Client(_) => "it may not speak TLS at this port",
            };
            let message = format!("the {peer} has gone amid the TLS handshake; {hint} ({setting})");
            (Reason::Gone, message)
        }
        _ => (Reason::Other, format!("{error} ({setting})")),
    }
}
