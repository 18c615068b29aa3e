//! Which servers are believed, and what is said of the others.

use super::*;
use crate::{Reason, ServerSide};
use penstock_settings::{Pem, Secret, ServerTls};
use penstock_testkit::{Identity, Pki};
use std::fs;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

fn inline(text: &str) -> Pem {
    Pem::Inline(Secret::new(text.to_owned()))
}

fn client(trusted: &Pki) -> ClientTls {
    ClientTls {
        setting: "hop.tls".to_owned(),
        ca: Some(inline(&trusted.ca_pem)),
        ..ClientTls::default()
    }
}

fn server(identity: &Identity) -> ServerTls {
    ServerTls {
        cert: inline(&identity.cert_pem),
        key: inline(&identity.key_pem),
        ..ServerTls::new("exporter.tls", "cert".into(), "key".into())
    }
}

/// What becomes of a connection to `exporter.test` behind which `serves`.
async fn connected(
    client: &ClientTls,
    serves: impl AsyncFnOnce(DuplexStream),
) -> Result<(), String> {
    let client = Arc::new(ClientSide::new(client, &["h2"]).unwrap());
    let (ours, theirs) = duplex(64 * 1024);
    let connects = async {
        let connecting = client.connect("exporter.test", ours).await;
        let mut stream = connecting.map_err(|failed| format!("{:?}: {failed}", failed.reason))?;
        // With TLS 1.3 a server's no comes after the handshake.
        let read = stream.read_u8().await;
        read.map(|_| ()).map_err(|error| error.to_string())
    };
    tokio::join!(connects, serves(theirs)).0
}

/// The same with a server that shows this identity and asks for those of `clients`.
async fn to(client: &ClientTls, server: &ServerTls) -> Result<(), String> {
    let side = ServerSide::new(server, &["h2"]).unwrap();
    connected(client, async |stream| {
        if let Ok(mut stream) = side.accept(stream, Duration::from_secs(60)).await {
            stream.write_u8(1).await.unwrap();
            stream.flush().await.unwrap();
        }
    })
    .await
}

#[tokio::test]
async fn a_server_is_believed_for_its_authority_name_and_time_only() {
    let (pki, strange) = (Pki::new(), Pki::new());
    let exporter = pki.server(&["exporter.test"]);
    assert_eq!(to(&client(&pki), &server(&exporter)).await, Ok(()));
    let other = pki.server(&["other.test"]);
    let renamed = ClientTls {
        server_name_override: Some("other.test".to_owned()),
        ..client(&pki)
    };
    assert_eq!(to(&renamed, &server(&other)).await, Ok(()));
    let unverified = ClientTls {
        insecure_skip_verify: true,
        ..client(&strange)
    };
    assert_eq!(to(&unverified, &server(&exporter)).await, Ok(()));
    for (trusts, shown, reason, word) in [
        (
            &strange,
            &exporter,
            Reason::UnknownAuthority,
            "hop.tls.ca_pem",
        ),
        (
            &pki,
            &other,
            Reason::WrongName,
            "hop.tls.server_name_override",
        ),
        (
            &pki,
            &pki.expired(&["exporter.test"]),
            Reason::Expired,
            "has expired",
        ),
        (
            &pki,
            &pki.not_yet_valid(&["exporter.test"]),
            Reason::NotYetValid,
            "not valid yet",
        ),
    ] {
        let told = to(&client(trusts), &server(shown)).await.unwrap_err();
        assert!(told.starts_with(&format!("{reason:?}: ")), "{told}");
        assert!(told.contains(word), "{told}");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_told_from_one_that_goes() {
    let pki = Pki::new();
    let trusting = client(&pki);
    let plain = connected(&trusting, async |mut stream| {
        stream
            .write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0])
            .await
            .unwrap();
    });
    let told = plain.await.unwrap_err();
    assert!(told.contains("plaintext at this port (hop.tls)"), "{told}");
    let goes = connected(&trusting, async |stream| drop(stream)).await;
    let told = goes.unwrap_err();
    assert!(told.starts_with("Gone: "), "{told}");
}

#[tokio::test]
async fn a_server_that_does_not_take_our_certificate_is_explained_after_the_handshake() {
    let pki = Pki::new();
    let folder = TempDir::new().unwrap();
    let ca = folder.path().join("ca.pem");
    fs::write(&ca, &pki.ca_pem).unwrap();
    let asks = ServerTls {
        client_ca_file: Some(ca),
        ..server(&pki.server(&["exporter.test"]))
    };
    let told = to(&client(&pki), &asks).await.unwrap_err();
    assert!(
        told.contains("asks for a certificate; set hop.tls.cert_file"),
        "{told}"
    );
    let shows = |identity: Identity| ClientTls {
        cert: Some(inline(&identity.cert_pem)),
        key: Some(inline(&identity.key_pem)),
        ..client(&pki)
    };
    assert_eq!(to(&shows(pki.client("receiver")), &asks).await, Ok(()));
    let told = to(&shows(Pki::new().client("receiver")), &asks).await;
    let told = told.unwrap_err();
    assert!(
        told.contains("gave up") && told.contains("hop.tls.cert_pem"),
        "{told}"
    );
}

#[test]
fn what_cannot_be_used_is_told_with_its_setting_and_never_with_a_secret() {
    let (pki, folder) = (Pki::new(), TempDir::new().unwrap());
    let missing = folder.path().join("missing.pem");
    let of_file = ClientTls {
        ca: Some(Pem::File(missing.clone())),
        ..client(&pki)
    };
    let fault = ClientSide::new(&of_file, &[]).unwrap_err();
    assert_eq!(fault.file, Some(missing));
    assert_eq!(fault.setting, "hop.tls.ca_file");
    let of_key = ClientTls {
        cert: Some(inline(&pki.client("a").cert_pem)),
        key: Some(inline("hush")),
        ..client(&pki)
    };
    let fault = ClientSide::new(&of_key, &[]).unwrap_err();
    assert_eq!(fault.setting, "hop.tls.key_pem");
    assert!(!fault.to_string().contains("hush"), "{fault}");
    assert!(!format!("{of_key:?}").contains("hush"));
}

#[test]
fn cipher_suites_and_versions_are_those_that_are_allowed() {
    let pki = Pki::new();
    let only = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256";
    let mut narrow = client(&pki);
    narrow.versions.cipher_suites = Some(vec![only.to_owned()]);
    let config = ClientSide::new(&narrow, &[]).unwrap().config();
    let suites = &config.crypto_provider().cipher_suites;
    let new = suites.iter().filter(|suite| suite.tls13().is_some());
    assert_eq!(new.count(), 3, "those of TLS 1.3 are all there");
    let old = suites.iter().filter(|suite| suite.tls13().is_none());
    let old: Vec<_> = old.map(|suite| suite.suite().as_str()).collect();
    assert_eq!(old, [Some(only)]);
}

#[tokio::test]
async fn an_authority_that_changes_is_believed_from_then_on_and_one_that_is_cut_off_changes_nothing()
 {
    let (folder, old, new) = (TempDir::new().unwrap(), Pki::new(), Pki::new());
    let ca = folder.path().join("ca.crt");
    let settings = ClientTls {
        ca: Some(Pem::File(ca.clone())),
        ..client(&old)
    };
    fs::write(&ca, &old.ca_pem).unwrap();
    let side = Arc::new(ClientSide::new(&settings, &["h2"]).unwrap());
    let believes = async |pki: &Pki| {
        let server = ServerSide::new(&server(&pki.server(&["exporter.test"])), &["h2"]).unwrap();
        let (ours, theirs) = duplex(64 * 1024);
        let connects = side.connect("exporter.test", ours);
        let accepts = server.accept(theirs, Duration::from_secs(60));
        tokio::join!(connects, accepts).0.is_ok()
    };
    assert!(believes(&old).await && !believes(&new).await);
    fs::write(&ca, &new.ca_pem[..200]).unwrap();
    assert!(side.look().is_err());
    assert!(believes(&old).await && !believes(&new).await);
    fs::write(&ca, &new.ca_pem).unwrap();
    assert!(side.look().unwrap());
    assert!(!believes(&old).await && believes(&new).await);
    assert!(!side.look().unwrap());
}
