//! Pages over TLS, as it is set.

use super::*;
use penstock_runtime::Tasks;
use penstock_settings::{ClientTls, Pem, ServerTls};
use penstock_testkit::Pki;
use penstock_tls::{ClientSide, Watched};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const GET: &[u8] = b"GET /metrics HTTP/1.0\r\n\r\n";

#[tokio::test]
async fn pages_are_served_to_whom_the_authority_vouches_for_and_to_nobody_else() {
    let (folder, pki) = (TempDir::new().unwrap(), Pki::new());
    let put = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (server, client) = (pki.server(&["localhost"]), pki.client("prometheus"));
    let ca = put("ca.pem", &pki.ca_pem);
    let cert = put("cert.pem", &server.cert_pem);
    let mut settings = ServerTls::new("tls", cert, put("key.pem", &server.key_pem));
    settings.client_ca_file = Some(ca.clone());
    let tls = Arc::new(ServerSide::new(&settings, &["http/1.1"]).unwrap());
    assert_eq!(tls.setting(), "tls");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let pages = Admin::bare().page("/metrics", || Page::text("a 1\n"));
    secured(pages, tls).serve(listener, &Tasks::new());

    let mut settings = ClientTls {
        ca: Some(Pem::File(ca)),
        ..ClientTls::default()
    };
    let answer = |settings: ClientTls| async move {
        let side = Arc::new(ClientSide::new(&settings, &["http/1.1"]).unwrap());
        let stream = TcpStream::connect(address).await.unwrap();
        let mut stream = side.connect("localhost", stream).await.ok()?;
        stream.write_all(GET).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        Some(answer)
    };
    assert_eq!(
        answer(settings.clone()).await,
        None,
        "without a certificate"
    );
    settings.cert = Some(Pem::File(put("client.pem", &client.cert_pem)));
    settings.key = Some(Pem::File(put("client.key", &client.key_pem)));
    let page = answer(settings).await.unwrap();
    assert!(
        page.starts_with("HTTP/1.0 200") && page.ends_with("a 1\n"),
        "{page}"
    );
    // Who speaks no TLS gets no page.
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(GET).await.unwrap();
    let mut said = Vec::new();
    _ = plain.read_buf(&mut said).await;
    assert!(!said.starts_with(b"HTTP"), "{said:?}");
}
