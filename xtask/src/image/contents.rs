//! What is in an image: the program, its SBOM, root certificates, and folders that it may write to.

use super::USER;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeMap;
use webpki_root_certs::TLS_SERVER_ROOT_CERTS;

/// A file or folder.
pub(super) struct Entry {
    /// `None` is a folder.
    pub(super) bytes: Option<Vec<u8>>,
    pub(super) mode: u32,
    /// User and group.
    pub(super) owner: u64,
}

/// By path, without a slash in front: folders before what is in them.
pub(super) type Contents = BTreeMap<String, Entry>;

/// Where the log is and where configuration is, without further settings.
const FOLDERS: [(&str, u32, u64); 8] = [
    ("etc", 0o755, 0),
    ("etc/penstock", 0o755, 0),
    ("etc/ssl", 0o755, 0),
    ("etc/ssl/certs", 0o755, 0),
    ("usr", 0o755, 0),
    ("usr/bin", 0o755, 0),
    ("usr/share", 0o755, 0),
    ("usr/share/sbom", 0o755, 0),
];

/// Everything in the image of `name`.
pub(super) fn of(name: &str, program: Vec<u8>, sbom: Vec<u8>) -> Contents {
    let folders = FOLDERS.into_iter().chain([
        ("var", 0o755, 0),
        ("var/lib", 0o755, 0),
        ("var/lib/penstock", 0o750, USER),
    ]);
    let folders = folders.map(|(path, mode, owner)| {
        let bytes = None;
        (path.to_owned(), Entry { bytes, mode, owner })
    });
    let users = format!("root:x:0:0:root:/:\nnonroot:x:{USER}:{USER}:nonroot:/:\n");
    let groups = format!("root:x:0:\nnonroot:x:{USER}:\n");
    let files = [
        (format!("usr/bin/{name}"), program, 0o755),
        (format!("usr/share/sbom/{name}.cdx.json"), sbom, 0o644),
        ("etc/passwd".to_owned(), users.into_bytes(), 0o644),
        ("etc/group".to_owned(), groups.into_bytes(), 0o644),
        (
            "etc/ssl/certs/ca-certificates.crt".to_owned(),
            roots().into_bytes(),
            0o644,
        ),
    ];
    let files = files.map(|(path, bytes, mode)| {
        let bytes = Some(bytes);
        let owner = 0;
        (path, Entry { bytes, mode, owner })
    });
    folders.chain(files).collect()
}

/// Mozilla's root certificates as PEM, of the version in Cargo.lock and not of this machine.
fn roots() -> String {
    let mut text = String::new();
    for root in TLS_SERVER_ROOT_CERTS {
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        let encoded = STANDARD.encode(root);
        for line in encoded.as_bytes().chunks(64) {
            text.push_str(&String::from_utf8_lossy(line));
            text.push('\n');
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    text
}
