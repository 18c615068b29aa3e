//! A certificate authority for one test, with identities for servers and clients.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

/// As rcgen has it.
const VALID: (i32, i32) = (1975, 4096);
/// For servers and clients.
const BOTH: [ExtendedKeyUsagePurpose; 2] = [
    ExtendedKeyUsagePurpose::ServerAuth,
    ExtendedKeyUsagePurpose::ClientAuth,
];

/// A certificate authority.
#[derive(Debug)]
pub struct Pki {
    /// The authority's certificate, PEM.
    pub ca_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Certificate, PEM.
    pub cert_pem: String,
    /// Private key, PEM.
    pub key_pem: String,
}

impl Default for Pki {
    fn default() -> Self {
        Self::new()
    }
}

impl Pki {
    /// A new authority.
    ///
    /// # Panics
    /// When no key can be made.
    #[must_use]
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        params
            .distinguished_name
            .push(DnType::CommonName, "penstock test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let ca_pem = params.self_signed(&key).unwrap().pem();
        Self {
            ca_pem,
            issuer: Issuer::new(params, key),
        }
    }

    /// An identity for a server that is reached by one of `names` (host names or addresses).
    ///
    /// # Panics
    /// When a name is not one.
    #[must_use]
    pub fn server(&self, names: &[&str]) -> Identity {
        self.issue(names, &[ExtendedKeyUsagePurpose::ServerAuth], VALID)
    }

    /// An identity for either side that was valid once.
    ///
    /// # Panics
    /// When a name is not one.
    #[must_use]
    pub fn expired(&self, names: &[&str]) -> Identity {
        self.issue(names, &BOTH, (2000, 2001))
    }

    /// An identity for either side that will be valid.
    ///
    /// # Panics
    /// When a name is not one.
    #[must_use]
    pub fn not_yet_valid(&self, names: &[&str]) -> Identity {
        self.issue(names, &BOTH, (3000, 3001))
    }

    /// An identity for either side.
    ///
    /// # Panics
    /// When a name is not one.
    #[must_use]
    pub fn both(&self, names: &[&str]) -> Identity {
        self.issue(names, &BOTH, VALID)
    }

    /// An identity for a client.
    ///
    /// # Panics
    /// When `name` is not a host name.
    #[must_use]
    pub fn client(&self, name: &str) -> Identity {
        self.issue(&[name], &[ExtendedKeyUsagePurpose::ClientAuth], VALID)
    }

    /// Valid from the beginning of one year to that of another.
    fn issue(
        &self,
        names: &[&str],
        usages: &[ExtendedKeyUsagePurpose],
        (from, to): (i32, i32),
    ) -> Identity {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = usages.to_vec();
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        Identity {
            cert_pem: cert.pem(),
            key_pem: key.serialize_pem(),
        }
    }
}
