//! TLS and mutual TLS on both ports.

use crate::support::{Client, Raw, finish_whole, post, settings, start, until};
use penstock_otlp::Signal;
use penstock_receiver::{Receiver, StartError};
use penstock_settings::{Pem, ServerTls, Settings};
use penstock_testkit::{Backend, Identity, Pki, request};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity as Mine};

struct Files(TempDir);

impl Files {
    fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn tls(&self, server: &Identity, client_ca: Option<&Pki>) -> ServerTls {
        let cert_file = self.put("cert.pem", &server.cert_pem);
        let key_file = self.put("key.pem", &server.key_pem);
        ServerTls {
            client_ca_file: client_ca.map(|pki| self.put("ca.pem", &pki.ca_pem)),
            reload_interval: Duration::from_millis(20),
            ..ServerTls::new("receivers.otlp.tls", cert_file, key_file)
        }
    }
}

fn with_tls(mut settings: Settings, tls: &ServerTls) -> Settings {
    for receiver in settings.receivers.values_mut() {
        receiver.grpc.as_mut().unwrap().tls = Some(tls.clone());
        receiver.http.as_mut().unwrap().tls = Some(tls.clone());
    }
    settings
}

async fn send(receiver: &Receiver, tls: ClientTlsConfig) -> Result<(), String> {
    let address = receiver.grpc().next().unwrap();
    let endpoint = Endpoint::from_shared(format!("https://localhost:{}", address.port())).unwrap();
    let endpoint = endpoint.tls_config(tls).unwrap();
    let channel = endpoint
        .connect()
        .await
        .map_err(|error| error.to_string())?;
    let sent = Client::over(channel)
        .send(Signal::Traces, &request("traces", &["a"]))
        .await;
    sent.map_err(|status| status.to_string())
}

#[tokio::test]
async fn grpc_over_tls_is_served_to_those_who_trust_us() {
    let (files, pki) = (Files(TempDir::new().unwrap()), Pki::new());
    let backends = [Backend::start().await, Backend::start().await];
    let settings = settings(backends.each_ref().map(Backend::address));
    let tls = files.tls(&pki.server(&["localhost"]), None);
    let receiver = start(with_tls(settings, &tls)).await;

    let trusting = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&pki.ca_pem));
    send(&receiver, trusting).await.unwrap();
    let other = Certificate::from_pem(&Pki::new().ca_pem);
    send(&receiver, ClientTlsConfig::new().ca_certificate(other))
        .await
        .unwrap_err();

    finish_whole(receiver).await;
    assert_eq!(backends[0].delivered("traces"), ["a"]);
}

#[tokio::test]
async fn http_over_tls_speaks_what_was_agreed() {
    let (files, pki) = (Files(TempDir::new().unwrap()), Pki::new());
    let backends = [Backend::start().await, Backend::start().await];
    let settings = settings(backends.each_ref().map(Backend::address));
    let tls = files.tls(&pki.server(&["localhost"]), None);
    let receiver = start(with_tls(settings, &tls)).await;

    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_slice(pki.ca_pem.as_bytes()).unwrap())
        .unwrap();
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(ring)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let tcp = TcpStream::connect(receiver.http().next().unwrap())
        .await
        .unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await
        .unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let mut raw = Raw::over(stream);
    raw.write(post(
        "/v1/traces",
        "application/x-protobuf",
        &request("traces", &["a"]),
    ))
    .await;
    assert_eq!(raw.answer().await.status, 200);

    drop(raw);
    finish_whole(receiver).await;
    assert_eq!(backends[0].delivered("traces"), ["a"]);
}

#[tokio::test]
async fn with_a_client_authority_only_its_clients_are_served() {
    let (files, pki) = (Files(TempDir::new().unwrap()), Pki::new());
    let backends = [Backend::start().await, Backend::start().await];
    let settings = settings(backends.each_ref().map(Backend::address));
    let tls = files.tls(&pki.server(&["localhost"]), Some(&pki));
    let receiver = start(with_tls(settings, &tls)).await;

    let trusting = || ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&pki.ca_pem));
    let mine = |identity: Identity| Mine::from_pem(identity.cert_pem, identity.key_pem);
    send(&receiver, trusting().identity(mine(pki.client("sidecar"))))
        .await
        .unwrap();
    send(&receiver, trusting()).await.unwrap_err();
    let stranger = mine(Pki::new().client("sidecar"));
    send(&receiver, trusting().identity(stranger))
        .await
        .unwrap_err();

    finish_whole(receiver).await;
    assert_eq!(backends[0].delivered("traces"), ["a"]);
}

/// The certificate that a new connection is shown, if the handshake succeeds with this authority.
async fn trusts(receiver: &Receiver, pki: &Pki) -> bool {
    let trusting = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&pki.ca_pem));
    send(receiver, trusting).await.is_ok()
}

#[tokio::test]
async fn changed_certificates_are_for_new_connections_and_open_ones_go_on() {
    let (files, old, new) = (Files(TempDir::new().unwrap()), Pki::new(), Pki::new());
    let backends = [Backend::start().await, Backend::start().await];
    let settings = settings(backends.each_ref().map(Backend::address));
    let tls = files.tls(&old.server(&["localhost"]), None);
    let receiver = start(with_tls(settings, &tls)).await;
    let address = receiver.grpc().next().unwrap();
    let endpoint = Endpoint::from_shared(format!("https://localhost:{}", address.port())).unwrap();
    let trusting = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(&old.ca_pem));
    let open = endpoint
        .tls_config(trusting)
        .unwrap()
        .connect()
        .await
        .unwrap();
    let open = Client::over(open);
    let body = request("traces", &["a"]);
    open.send(Signal::Traces, &body).await.unwrap();

    // The one and then the other: what is between them does not count.
    let identity = new.server(&["localhost"]);
    files.put("cert.pem", &identity.cert_pem);
    files.put("key.pem", &identity.key_pem);
    while !trusts(&receiver, &new).await {
        open.send(Signal::Traces, &body).await.unwrap();
    }
    assert!(!trusts(&receiver, &old).await);
    open.send(Signal::Traces, &body).await.unwrap();
    drop(open);
    finish_whole(receiver).await;
}

#[tokio::test]
async fn a_certificate_that_cannot_be_used_is_named_before_anything_starts() {
    let (files, pki) = (Files(TempDir::new().unwrap()), Pki::new());
    let backends = [Backend::start().await, Backend::start().await];
    let settings = settings(backends.each_ref().map(Backend::address));
    let mut tls = files.tls(&pki.server(&["localhost"]), None);
    let broken = files.put("broken.pem", "no key");
    tls.key = Pem::File(broken.clone());
    let error = Receiver::start(with_tls(settings, &tls), None)
        .await
        .unwrap_err();
    let StartError::Tls(fault) = &error else {
        panic!("{error}")
    };
    assert_eq!(fault.file, Some(broken));
    assert_eq!(fault.setting, "receivers.otlp.tls.key_file");
}

#[tokio::test]
async fn one_that_never_shakes_hands_is_closed() {
    let (files, pki) = (Files(TempDir::new().unwrap()), Pki::new());
    let tls = files.tls(&pki.server(&["localhost"]), None);
    let backends = [Backend::start().await, Backend::start().await];
    let settings = settings(backends.each_ref().map(Backend::address));
    let mut settings = with_tls(settings, &tls);
    for receiver in settings.receivers.values_mut() {
        receiver.http.as_mut().unwrap().read_header_timeout = Duration::from_millis(50);
    }
    let receiver = start(settings).await;
    Raw::connect(receiver.http().next().unwrap())
        .await
        .closed()
        .await;
    until(|| receiver.connections() == 0).await;
    finish_whole(receiver).await;
}
