//! What changed files change, and what they do not.

use super::*;
use penstock_testkit::{Identity, Pki};
use std::path::PathBuf;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};

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

/// What a server says of one connection to it.
async fn failed(server: &ServerTls, sends: impl AsyncFnOnce(TcpStream)) -> String {
    let tls = Tls::new(server, &["h2"]).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepts = async {
        let (stream, _) = listener.accept().await.unwrap();
        why(&TlsAcceptor::from(tls.config())
            .accept(stream)
            .await
            .unwrap_err())
    };
    let sending = async { sends(TcpStream::connect(address).await.unwrap()).await };
    tokio::join!(accepts, sending).0
}

/// A sender that trusts this authority and shows an identity.
async fn shake(stream: TcpStream, trusted: &Pki, mine: Option<&Identity>) {
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(trusted.ca_pem.as_bytes()).unwrap())
        .unwrap();
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    let config = match mine {
        None => builder.with_no_client_auth(),
        Some(mine) => {
            let chain = vec![CertificateDer::from_pem_slice(mine.cert_pem.as_bytes()).unwrap()];
            let key = PrivateKeyDer::from_pem_slice(mine.key_pem.as_bytes()).unwrap();
            builder.with_client_auth_cert(chain, key).unwrap()
        }
    };
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let connected = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await;
    // With TLS 1.3 the server's no comes after the handshake.
    if let Ok(mut stream) = connected {
        let mut byte = [0];
        let _no = stream.read(&mut byte).await;
    }
}

#[tokio::test]
async fn a_handshake_that_fails_says_what_a_person_can_mend() {
    let (files, pki) = (Files(TempDir::new().unwrap()), Pki::new());
    let mut server = files.settings(&pki.server(&["localhost"]));
    let plain = failed(&server, async |mut stream| {
        stream
            .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            .await
            .unwrap();
    });
    assert!(plain.await.contains("plaintext to a port with TLS"));
    let strange = Pki::new();
    let mistrusted = failed(&server, async |stream| shake(stream, &strange, None).await).await;
    assert!(mistrusted.contains("may not trust"), "{mistrusted}");

    server.client_ca_file = Some(files.put("ca.pem", &pki.ca_pem));
    let nobody = failed(&server, async |stream| shake(stream, &pki, None).await).await;
    assert!(nobody.contains("client_ca_file"), "{nobody}");
    let stranger = strange.client("sidecar");
    let unknown = failed(&server, async |stream| {
        shake(stream, &pki, Some(&stranger)).await;
    })
    .await;
    assert!(unknown.contains("invalid peer certificate"), "{unknown}");
}
