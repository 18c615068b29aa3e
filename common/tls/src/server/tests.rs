//! What changed files change, and what they do not.

use super::*;
use crate::{ClientSide, Reason};
use metrics_exporter_prometheus::PrometheusBuilder;
use penstock_settings::{ClientNames, ClientTls, Pem, Secret, TlsVersions};
use penstock_testkit::{Identity, Pki};
use std::fs;
use std::path::PathBuf;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;

struct Files(TempDir);

impl Files {
    fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn settings(&self, server: &Identity) -> ServerTls {
        let cert_file = self.put("cert.pem", &server.cert_pem);
        ServerTls::new("port.tls", cert_file, self.put("key.pem", &server.key_pem))
    }
}

#[test]
fn files_count_once_all_of_them_have_changed() {
    let (files, pki) = (Files(TempDir::new().unwrap()), Pki::new());
    let [old, new] = [(); 2].map(|()| pki.server(&["localhost"]));
    let tls = ServerSide::new(&files.settings(&old), &["h2"]).unwrap();
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
    let mounted = ServerTls::new(
        "port.tls",
        root.join("..data/cert.pem"),
        root.join("..data/key.pem"),
    );
    let tls = ServerSide::new(&mounted, &["h2"]).unwrap();
    assert!(!tls.look().unwrap());
    lead("two");
    assert!(tls.look().unwrap());
}

/// What a server says of one connection to it.
async fn failed(server: &ServerTls, sends: impl AsyncFnOnce(TcpStream)) -> Failed {
    let tls = ServerSide::new(server, &["h2"]).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let accepts = async {
        let (stream, _) = listener.accept().await.unwrap();
        tls.accept(stream, Duration::from_secs(60))
            .await
            .unwrap_err()
    };
    let sending = async { sends(TcpStream::connect(address).await.unwrap()).await };
    tokio::join!(accepts, sending).0
}

/// A sender that trusts this authority and shows an identity, by these versions.
async fn shake(stream: TcpStream, trusted: &Pki, mine: Option<&Identity>, versions: TlsVersions) {
    let inline = |text: &str| Some(Pem::Inline(Secret::new(text.to_owned())));
    let client = ClientTls {
        ca: inline(&trusted.ca_pem),
        cert: mine.and_then(|mine| inline(&mine.cert_pem)),
        key: mine.and_then(|mine| inline(&mine.key_pem)),
        versions,
        ..ClientTls::default()
    };
    let client = Arc::new(ClientSide::new(&client, &["h2"]).unwrap());
    // With TLS 1.3 the server's no comes after the handshake.
    if let Ok(mut stream) = client.connect("localhost", stream).await {
        let mut byte = [0];
        let _no = stream.read(&mut byte).await;
    }
}

#[tokio::test]
async fn a_handshake_that_fails_says_what_a_person_can_mend() {
    let (files, pki) = (Files(TempDir::new().unwrap()), Pki::new());
    let usual = TlsVersions::default;
    let mut server = files.settings(&pki.server(&["localhost"]));
    let told = async |server: &ServerTls, trusted: &Pki, mine: Option<&Identity>| {
        let fails = async |stream| shake(stream, trusted, mine, usual()).await;
        failed(server, fails).await
    };
    let plain = failed(&server, async |mut stream| {
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        stream.write_all(preface).await.unwrap();
    });
    let plain = plain.await;
    assert_eq!(plain.reason, Reason::Plaintext);
    assert!(
        plain
            .message
            .contains("plaintext to a port with TLS (port.tls)"),
        "{plain}"
    );
    let strange = Pki::new();
    let mistrusted = told(&server, &strange, None).await;
    assert_eq!(mistrusted.reason, Reason::RefusedByPeer);
    assert!(
        mistrusted.message.contains("port.tls.cert_file"),
        "{mistrusted}"
    );
    let gone = failed(&server, async |stream| drop(stream)).await;
    assert_eq!(gone.reason, Reason::Gone);
    let only_old = TlsVersions {
        tls13: false,
        ..usual()
    };
    let only_new = ServerTls {
        versions: TlsVersions {
            tls12: false,
            ..usual()
        },
        ..server.clone()
    };
    let apart = failed(&only_new, async |stream| {
        shake(stream, &pki, None, only_old).await;
    });
    assert_eq!(apart.await.reason, Reason::NothingInCommon);

    server.client_ca_file = Some(files.put("ca.pem", &pki.ca_pem));
    for (mine, reason, word) in [
        (None, Reason::NoCertificate, "port.tls.client_ca_file"),
        (
            Some(strange.client("sidecar")),
            Reason::UnknownAuthority,
            "port.tls.client_ca_file",
        ),
        (
            Some(pki.expired(&["sidecar"])),
            Reason::Expired,
            "not valid after",
        ),
        (
            Some(pki.not_yet_valid(&["sidecar"])),
            Reason::NotYetValid,
            "not valid before",
        ),
    ] {
        let told = told(&server, &pki, mine.as_ref()).await;
        assert_eq!(told.reason, reason, "{told}");
        assert!(told.message.contains(word), "{told}");
    }
}

#[test]
fn a_handshake_that_fails_is_counted_once_by_its_reason() {
    let (files, pki) = (Files(TempDir::new().unwrap()), Pki::new());
    let server = files.settings(&pki.server(&["localhost"]));
    let recorder = PrometheusBuilder::new().build_recorder();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    ::metrics::with_local_recorder(&recorder, || {
        runtime.block_on(failed(&server, async |stream| drop(stream)));
        let strange = Pki::new();
        runtime.block_on(failed(&server, async |stream| {
            shake(stream, &strange, None, TlsVersions::default()).await;
        }));
    });
    let page = recorder.handle().render();
    for reason in ["gone", "refused_by_peer"] {
        let line = format!(
            "penstock_tls_handshake_failures_total{{setting=\"port.tls\",reason=\"{reason}\"}} 1"
        );
        assert!(page.contains(&line), "{page}");
    }
}

#[tokio::test]
async fn only_clients_with_one_of_the_names_are_let_in() {
    let (files, pki) = (Files(TempDir::new().unwrap()), Pki::new());
    let mut server = files.settings(&pki.server(&["localhost"]));
    server.client_ca_file = Some(files.put("ca.pem", &pki.ca_pem));
    server.client_names = ClientNames {
        setting: "port.client_names".to_owned(),
        names: vec!["receiver.test".to_owned()],
    };
    let other = pki.client("other.test");
    let told = failed(&server, async |stream| {
        shake(stream, &pki, Some(&other), TlsVersions::default()).await;
    });
    let told = told.await;
    assert_eq!(told.reason, Reason::ClientName);
    assert!(
        told.message.contains("port.client_names") && told.message.contains("other.test"),
        "{told}"
    );
}

#[tokio::test(start_paused = true)]
async fn one_that_never_shakes_hands_is_given_up_in_time() {
    let (files, pki) = (Files(TempDir::new().unwrap()), Pki::new());
    let tls = files.settings(&pki.server(&["localhost"]));
    let tls = ServerSide::new(&tls, &["h2"]).unwrap();
    let (_silent, stream) = tokio::io::duplex(64);
    let (limit, begun) = (Duration::from_secs(10), tokio::time::Instant::now());
    let told = tls.accept(stream, limit).await;
    let told = told.unwrap_err();
    assert_eq!(begun.elapsed(), limit);
    assert_eq!(told.reason, Reason::Slow);
    assert!(told.message.contains("within 10s"), "{told}");
}

#[test]
fn it_is_told_when_certificates_end() {
    let (files, pki) = (Files(TempDir::new().unwrap()), Pki::new());
    // Of a chain what ends first counts, of authorities what ends last.
    let old = pki.expired(&["old.test"]).cert_pem;
    let mut chain = pki.server(&["localhost"]);
    chain.cert_pem += &old;
    let mut settings = files.settings(&chain);
    let authorities = format!("{}{old}", pki.ca_pem);
    settings.client_ca_file = Some(files.put("ca.pem", &authorities));
    let tls = ServerSide::new(&settings, &["h2"]).unwrap();
    let [ca, cert] = &tls.expiries()[..] else {
        panic!("{:?}", tls.expiries())
    };
    assert_eq!(
        [&*ca.setting, &*cert.setting],
        ["port.tls.client_ca_file", "port.tls.cert_file"]
    );
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs() as i64;
    assert!(cert.seconds < now && now < ca.seconds);
}
