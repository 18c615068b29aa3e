//! Pages over TLS, as it is set, and for those who may have them.

use super::*;
use crate::state::Limits;
use penstock_runtime::Tasks;
use penstock_settings::{
    Authenticator, Backend, BearerTokens, ClientTls, ComponentId, Exporter, Hop, Pem, ServerTls,
    Tokens,
};
use penstock_testkit::Pki;
use penstock_tls::{ClientSide, Watched};
use std::net::SocketAddr;
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

/// The status line, the headers in small letters, and what follows them.
async fn get(address: SocketAddr, given: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET /metrics HTTP/1.0\r\n{given}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.to_lowercase()
}

#[tokio::test]
async fn pages_are_for_those_who_show_what_auth_asks_for_and_a_changed_file_counts() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("tokens");
    std::fs::write(&path, "old\n").unwrap();
    let bearer = Authenticator::Bearer(BearerTokens {
        header: "authorization".to_owned(),
        scheme: "Bearer".to_owned(),
        tokens: Tokens::File(path.clone()),
    });
    let auth = Arc::new(Auth::new("exporters.prometheus.auth", &bearer).unwrap());
    let own = Prometheus::default();
    let id = ComponentId("prometheus".to_owned());
    let exporter = Exporter::new(id, Backend::Prometheus(own.clone()));
    let state = Arc::new(State::new(Limits {
        max_series: 1,
        max_series_per_metric: 1,
        expiration: Duration::from_secs(1),
    }));
    let tasks = Tasks::new();
    let replicas = Replicas::new(Arc::clone(&state), &exporter, &Hop::default(), &tasks).unwrap();
    let scrape = Scrape::new(&own, Some(Arc::clone(&auth)), &state, &Arc::new(replicas));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    scrape.pages().serve(listener, &tasks);
    for wrong in [
        "",
        "authorization: Bearer new\r\n",
        "authorization: Basic old\r\n",
    ] {
        let answer = get(address, wrong).await;
        assert!(answer.starts_with("http/1.0 401"), "{answer}");
        assert!(
            answer.contains("\r\nwww-authenticate: bearer\r\n"),
            "{answer}"
        );
        assert!(!answer.contains('#'), "nothing of the page: {answer}");
    }
    let answer = get(address, "authorization: Bearer old\r\n").await;
    assert!(answer.starts_with("http/1.0 200"), "{answer}");
    std::fs::write(&path, "new\n").unwrap();
    assert!(auth.look().unwrap());
    for (token, status) in [("old", 401), ("new", 200)] {
        let answer = get(address, &format!("authorization: Bearer {token}\r\n")).await;
        assert!(
            answer.starts_with(&format!("http/1.0 {status}")),
            "{answer}"
        );
    }
}
