//! What arrives at the backend.

use super::*;

#[tokio::test]
async fn every_signal_arrives_as_the_bytes_it_was() {
    let backend = Backend::start().await;
    for exporter in both(&backend) {
        for signal in Signal::ALL {
            let batch = batch(signal, 5);
            assert_eq!(exporter.export(&batch).await, Ok(Exported::default()));
            let arrived = backend.last();
            assert_eq!(
                (arrived.signal, &arrived.wire),
                (signal.name(), &batch.body())
            );
        }
    }
    let paths: Vec<_> = backend
        .recorded()
        .into_iter()
        .map(|recorded| recorded.path)
        .collect();
    let expected = [
        Signal::ALL.map(Signal::grpc_path),
        Signal::ALL.map(Signal::http_path),
    ]
    .concat();
    assert_eq!(paths, expected);
    assert_eq!(backend.faults(), Vec::<String>::new());
}

#[tokio::test]
async fn compressed_bodies_inflate_to_the_batch() {
    let backend = Backend::start().await;
    for compression in [Encoding::Gzip, Encoding::Zstd, Encoding::Deflate] {
        let mut exporters = vec![over_http(OtlpHttp {
            compression,
            ..http(&backend)
        })];
        if compression != Encoding::Deflate {
            exporters.push(over_grpc(OtlpGrpc {
                compression,
                ..grpc(&backend)
            }));
        }
        for exporter in exporters {
            let batch = batch(Signal::Logs, 100);
            assert_eq!(exporter.export(&batch).await, Ok(Exported::default()));
            let arrived = backend.last();
            assert_eq!(arrived.body, batch.body());
            assert!(
                arrived.wire.len() < batch.body().len() / 2,
                "{}",
                arrived.wire.len()
            );
        }
    }
    assert_eq!(backend.faults(), Vec::<String>::new());
}

#[tokio::test]
async fn json_encoding_carries_the_same_items() {
    let backend = Backend::start().await;
    let settings = OtlpHttp {
        json: true,
        compression: Encoding::Gzip,
        ..http(&backend)
    };
    let exporter = over_http(settings);
    for signal in Signal::ALL {
        assert_eq!(
            exporter.export(&batch(signal, 4)).await,
            Ok(Exported::default())
        );
        let arrived = backend.last();
        assert_eq!(arrived.headers["content-type"], "application/json");
        assert_eq!(arrived.request.ids(), numbered("item", 4));
    }
}

#[tokio::test]
async fn headers_of_the_settings_arrive_and_cannot_break_the_protocol() {
    let backend = Backend::start().await;
    let headers = [("X-Scope-OrgID", "tenant"), ("content-type", "text/plain")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec();
    let exporters = [
        over_grpc(OtlpGrpc {
            headers: headers.clone(),
            ..grpc(&backend)
        }),
        over_http(OtlpHttp {
            headers,
            ..http(&backend)
        }),
    ];
    for exporter in exporters {
        assert_eq!(export(&exporter).await, Ok(Exported::default()));
        let headers = backend.last().headers;
        assert_eq!(headers["x-scope-orgid"], "tenant");
        assert!(
            headers["user-agent"]
                .to_str()
                .unwrap()
                .starts_with("penstock-exporter-otlp/")
        );
    }
    let [over_grpc, _] = &backend.recorded()[..] else {
        panic!("two requests")
    };
    assert_eq!(over_grpc.headers["grpc-timeout"], "60000m");
    assert_eq!(over_grpc.headers["te"], "trailers");
}

#[tokio::test]
async fn every_form_of_endpoint_reaches_the_backend() {
    let backend = Backend::start().await;
    let port = backend.address().port();
    for endpoint in [
        format!("127.0.0.1:{port}"),
        format!("localhost:{port}"),
        format!("dns:///localhost:{port}"),
        format!("http://localhost:{port}"),
        format!("http://localhost:{port}/"),
    ] {
        let exporter = over_grpc(OtlpGrpc {
            endpoint: endpoint.clone(),
            ..grpc(&backend)
        });
        assert_eq!(
            export(&exporter).await,
            Ok(Exported::default()),
            "{endpoint}"
        );
    }
}

#[tokio::test]
async fn concurrent_batches_over_grpc_share_one_connection() {
    let backend = Backend::start().await;
    let exporter = over_grpc(grpc(&backend));
    let outcomes = futures_util::future::join_all((0..20).map(|_| export(&exporter))).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!(backend.connections(), 1);
}

#[tokio::test]
async fn batches_over_http_one_after_the_other_share_one_connection() {
    let backend = Backend::start().await;
    let exporter = over_http(http(&backend));
    for _ in 0..5 {
        assert_eq!(export(&exporter).await, Ok(Exported::default()));
    }
    assert_eq!(backend.connections(), 1);
}

#[tokio::test]
async fn settings_that_cannot_work_are_told_at_start() {
    let backend = Backend::start().await;
    let endpoint = |endpoint: &str| {
        refusal(Settings::OtlpGrpc(OtlpGrpc {
            endpoint: endpoint.to_owned(),
            ..grpc(&backend)
        }))
    };
    assert!(endpoint("tempo").ends_with("no port"));
    assert!(endpoint("unix:///socket").contains("use host:port, http://, https:// or dns:///"));
    assert!(endpoint("tem po:4317").ends_with("not host:port"));
    let deflate = OtlpGrpc {
        compression: Encoding::Deflate,
        ..grpc(&backend)
    };
    assert!(refusal(Settings::OtlpGrpc(deflate)).starts_with("compression `deflate`"));
    let headers = vec![("x-token".to_owned(), "geheim\n".to_owned())];
    let message = refusal(Settings::OtlpHttp(OtlpHttp {
        headers,
        ..http(&backend)
    }));
    assert!(
        message.contains("x-token") && !message.contains("geheim"),
        "{message}"
    );
    let message = refusal(Settings::OtlpHttp(http_at("loki:3100")));
    assert!(message.contains("loki:3100"), "{message}");
}
