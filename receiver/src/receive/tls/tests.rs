//! What changed files change, and what they do not.

use super::*;
use penstock_testkit::{Identity, Pki};
use std::path::PathBuf;
use tempfile::TempDir;

struct Files(TempDir);

impl Files {
    fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn settings(&self, server: &Identity) -> ServerTls {
        ServerTls {
            cert_file: self.put("cert.pem", &server.cert_pem),
            key_file: self.put("key.pem", &server.key_pem),
            client_ca_file: None,
            min_version_13: false,
            reload_interval: Duration::from_secs(1),
        }
    }
}

#[test]
fn files_count_once_all_of_them_have_changed() {
    let (files, pki) = (Files(TempDir::new().unwrap()), Pki::new());
    let [old, new] = [(); 2].map(|()| pki.server(&["localhost"]));
    let tls = Tls::new(&files.settings(&old), &["h2"]).unwrap();
    let before = tls.config();
    assert!(!tls.look().unwrap(), "nothing has changed");

    files.put("cert.pem", &new.cert_pem);
    tls.look().unwrap_err();
    assert!(Arc::ptr_eq(&before, &tls.config()), "the key is another's");
    files.put("key.pem", &new.key_pem);
    assert!(tls.look().unwrap());
    let after = tls.config();
    assert!(!Arc::ptr_eq(&before, &after));
    assert_eq!(after.alpn_protocols, [b"h2"]);
    assert!(!tls.look().unwrap());

    for broken in ["", "no certificate"] {
        files.put("cert.pem", broken);
        tls.look().unwrap_err();
    }
    fs::remove_file(files.0.path().join("key.pem")).unwrap();
    tls.look().unwrap_err();
    assert!(Arc::ptr_eq(&after, &tls.config()));
}

#[test]
fn a_link_that_leads_elsewhere_is_a_change() {
    let (files, pki) = (Files(TempDir::new().unwrap()), Pki::new());
    let settings = files.settings(&pki.server(&["localhost"]));
    let root = files.0.path();
    // As a secret is mounted: `..data` leads to a folder, and is renamed over when another one is there.
    for (folder, identity) in ["one", "two"].map(|folder| (folder, pki.server(&["localhost"]))) {
        fs::create_dir(root.join(folder)).unwrap();
        files.put(&format!("{folder}/cert.pem"), &identity.cert_pem);
        files.put(&format!("{folder}/key.pem"), &identity.key_pem);
    }
    let lead = |folder: &str| {
        std::os::unix::fs::symlink(folder, root.join("..next")).unwrap();
        fs::rename(root.join("..next"), root.join("..data")).unwrap();
    };
    lead("one");
    let mounted = ServerTls {
        cert_file: root.join("..data/cert.pem"),
        key_file: root.join("..data/key.pem"),
        ..settings
    };
    let tls = Tls::new(&mounted, &["h2"]).unwrap();
    assert!(!tls.look().unwrap());
    lead("two");
    assert!(tls.look().unwrap());
}
