//! TLS: who is trusted, and how we show who we are.

use super::*;
use penstock_settings::Pem;
use penstock_testkit::Pki;
use tempfile::TempDir;

struct Files {
    folder: TempDir,
}

impl Files {
    fn new() -> Self {
        Self {
            folder: TempDir::new().unwrap(),
        }
    }

    fn write(&self, name: &str, pem: &str) -> Option<Pem> {
        let path = self.folder.path().join(name);
        std::fs::write(&path, pem).unwrap();
        Some(Pem::File(path))
    }
}

/// Both protocols to the same backend under its name.
fn exporters(backend: &Backend, tls: &ClientTls) -> [OtlpExporter; 2] {
    let port = backend.address().port();
    let http = OtlpHttp {
        tls: tls.clone(),
        ..http_at(&format!("https://127.0.0.1:{port}"))
    };
    [
        over_grpc(OtlpGrpc {
            tls: tls.clone(),
            ..grpc(backend)
        }),
        over_http(http),
    ]
}

async fn assert_refused(backend: &Backend, tls: &ClientTls, why: &str) {
    for exporter in exporters(backend, tls) {
        let outcome = export(&exporter).await;
        let Err(ExportError::Retry { reason, .. }) = &outcome else {
            panic!("{outcome:?}")
        };
        assert!(reason.contains(why), "{reason}");
    }
}

async fn assert_delivered(backend: &Backend, tls: &ClientTls) {
    for exporter in exporters(backend, tls) {
        assert_eq!(export(&exporter).await, Ok(Exported::default()));
    }
}

#[tokio::test]
async fn server_is_trusted_for_its_authority_and_name_only() {
    let (pki, stranger, files) = (Pki::new(), Pki::new(), Files::new());
    let ca = files.write("ca.pem", &pki.ca_pem);
    let backend = Backend::start_tls(&pki.server(&["127.0.0.1"]), None).await;
    let tls = ClientTls {
        ca: ca.clone(),
        ..ClientTls::default()
    };
    assert_delivered(&backend, &tls).await;

    let other = ClientTls {
        ca: files.write("other.pem", &stranger.ca_pem),
        ..ClientTls::default()
    };
    assert_refused(&backend, &other, "tls.ca_file does not have").await;
    assert_delivered(
        &backend,
        &ClientTls {
            insecure_skip_verify: true,
            ..other
        },
    )
    .await;

    let named = Backend::start_tls(&pki.server(&["tempo.test"]), None).await;
    assert_refused(&named, &tls, "tls.server_name_override").await;
    let server_name_override = Some("tempo.test".to_owned());
    assert_delivered(
        &named,
        &ClientTls {
            ca,
            server_name_override,
            ..ClientTls::default()
        },
    )
    .await;
}

#[tokio::test]
async fn client_certificate_is_shown_to_a_server_that_asks() {
    let (pki, files) = (Pki::new(), Files::new());
    let backend = Backend::start_tls(&pki.server(&["127.0.0.1"]), Some(&pki)).await;
    let client = pki.client("exporter.test");
    let without = ClientTls {
        ca: files.write("ca.pem", &pki.ca_pem),
        ..ClientTls::default()
    };
    let with = ClientTls {
        cert: files.write("cert.pem", &client.cert_pem),
        key: files.write("key.pem", &client.key_pem),
        ..without.clone()
    };
    assert_delivered(&backend, &with).await;
    for exporter in exporters(&backend, &without) {
        let outcome = export(&exporter).await;
        assert!(
            matches!(outcome, Err(ExportError::Retry { .. })),
            "{outcome:?}"
        );
    }
    assert_eq!(backend.recorded().len(), 2);
}

#[tokio::test]
async fn http_over_tls_multiplexes_on_one_connection() {
    let (pki, files) = (Pki::new(), Files::new());
    let backend = Backend::start_tls(&pki.server(&["127.0.0.1"]), None).await;
    let tls = ClientTls {
        ca: files.write("ca.pem", &pki.ca_pem),
        ..ClientTls::default()
    };
    let [_, exporter] = exporters(&backend, &tls);
    assert_eq!(export(&exporter).await, Ok(Exported::default()));
    let outcomes = futures_util::future::join_all((0..10).map(|_| export(&exporter))).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!(backend.connections(), 1);
}

#[tokio::test]
async fn certificates_that_cannot_be_used_are_told_at_start() {
    let (pki, files) = (Pki::new(), Files::new());
    let backend = Backend::start().await;
    let tell = |tls: ClientTls| {
        refusal(Settings::OtlpGrpc(OtlpGrpc {
            tls,
            ..grpc(&backend)
        }))
    };
    let missing = Some(Pem::File(files.folder.path().join("missing.pem")));
    let message = tell(ClientTls {
        ca: missing,
        ..ClientTls::default()
    });
    assert!(message.contains("missing.pem: "), "{message}");
    let message = tell(ClientTls {
        ca: files.write("empty.pem", ""),
        ..ClientTls::default()
    });
    assert!(message.contains("empty.pem: no certificate"), "{message}");
    let (cert, ca) = (
        files.write("cert.pem", ""),
        files.write("ca.pem", &pki.ca_pem),
    );
    let message = tell(ClientTls {
        ca,
        cert,
        ..ClientTls::default()
    });
    assert!(message.contains("belong together"), "{message}");
}
