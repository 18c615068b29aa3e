//! What the backend's answer makes of a batch.

use super::*;
use bytes::Bytes;

/// The outcome, by name, with the time to wait in seconds.
fn fate(outcome: &Result<Exported, ExportError>) -> (&'static str, Option<u64>) {
    match outcome {
        Ok(_) => ("delivered", None),
        Err(ExportError::Retry { after, .. }) => ("retry", after.map(|after| after.as_secs())),
        Err(ExportError::TooLarge { .. }) => ("too large", None),
        Err(ExportError::Rejected { .. }) => ("rejected", None),
    }
}

#[tokio::test]
async fn each_grpc_code_has_its_consequence() {
    let backend = Backend::start().await;
    let exporter = over_grpc(grpc(&backend));
    let rows = [
        (1, "retry", None),
        (2, "rejected", None),
        (3, "rejected", None),
        (4, "retry", None),
        (5, "retry", Some(30)),
        (6, "rejected", None),
        (7, "retry", Some(30)),
        (8, "retry", None),
        (9, "rejected", None),
        (10, "retry", None),
        (11, "retry", None),
        (12, "retry", Some(30)),
        (13, "rejected", None),
        (14, "retry", None),
        (15, "retry", None),
        (16, "retry", Some(30)),
    ];
    for (code, expected, after) in rows {
        backend.script([Answer::grpc(code, "because, 100 %")]);
        let outcome = export(&exporter).await;
        assert_eq!(fate(&outcome), (expected, after), "code {code}");
        let reason = outcome.unwrap_err().to_string();
        assert!(reason.ends_with(": because, 100 %"), "{reason}");
    }
}

#[tokio::test]
async fn grpc_retry_info_is_heeded() {
    let backend = Backend::start().await;
    let exporter = over_grpc(grpc(&backend));
    for code in [8, 14] {
        let retry_after = Some(Duration::from_secs(17));
        backend.script([Answer::Grpc {
            code,
            message: String::new(),
            retry_after,
        }]);
        assert_eq!(fate(&export(&exporter).await), ("retry", Some(17)));
    }
}

#[tokio::test]
async fn each_http_status_has_its_consequence() {
    let backend = Backend::start().await;
    let exporter = over_http(http(&backend));
    let rows = [
        (200, "delivered", None),
        (204, "delivered", None),
        (301, "retry", Some(30)),
        (308, "retry", Some(30)),
        (400, "rejected", None),
        (401, "retry", Some(30)),
        (403, "retry", Some(30)),
        (404, "retry", Some(30)),
        (405, "retry", Some(30)),
        (413, "too large", None),
        (415, "retry", Some(30)),
        (422, "rejected", None),
        (429, "retry", None),
        (500, "rejected", None),
        (502, "retry", None),
        (503, "retry", None),
        (504, "retry", None),
    ];
    for (status, expected, after) in rows {
        backend.script([Answer::http(status, "")]);
        assert_eq!(
            fate(&export(&exporter).await),
            (expected, after),
            "status {status}"
        );
    }
    for status in [429, 503] {
        backend.script([Answer::Http {
            status,
            headers: vec![("retry-after", "17".to_owned())],
            body: Bytes::new(),
        }]);
        assert_eq!(fate(&export(&exporter).await), ("retry", Some(17)));
    }
}

#[tokio::test]
async fn proxy_that_answers_a_grpc_call_in_http_is_understood() {
    let backend = Backend::start().await;
    let exporter = over_grpc(grpc(&backend));
    for (status, expected, after) in [
        (503, "retry", None),
        (413, "too large", None),
        (404, "retry", Some(30)),
    ] {
        backend.script([Answer::http(status, "no healthy upstream")]);
        assert_eq!(
            fate(&export(&exporter).await),
            (expected, after),
            "status {status}"
        );
    }
    // A web page, say.
    backend.script([Answer::http(200, "<html>")]);
    assert_eq!(fate(&export(&exporter).await), ("retry", None));
}

#[tokio::test]
async fn partial_success_is_counted_on_every_way() {
    let backend = Backend::start().await;
    backend.otherwise(Answer::Partial {
        rejected: 2,
        message: "too old".to_owned(),
    });
    let exporters = [
        over_grpc(grpc(&backend)),
        over_http(http(&backend)),
        over_http(OtlpHttp {
            json: true,
            ..http(&backend)
        }),
    ];
    for exporter in exporters {
        for signal in Signal::ALL {
            let expected = Exported {
                rejected: 2,
                message: "too old".to_owned(),
            };
            assert_eq!(exporter.export(&batch(signal, 3)).await, Ok(expected));
        }
    }
}

#[tokio::test]
async fn long_answer_is_not_kept() {
    let backend = Backend::start().await;
    backend.otherwise(Answer::http(400, &"x".repeat(3 << 20)));
    for exporter in both(&backend) {
        let reason = export(&exporter).await.unwrap_err().to_string();
        assert!(
            reason.starts_with("HTTP 400: xxx") && reason.len() < 2000,
            "{}",
            reason.len()
        );
    }
}

#[tokio::test]
async fn signal_without_an_endpoint_waits_for_one() {
    let backend = Backend::start().await;
    let mut settings = http(&backend);
    settings.urls[Signal::Logs.index()] = None;
    let exporter = over_http(settings);
    let outcome = exporter.export(&batch(Signal::Logs, 1)).await;
    assert_eq!(fate(&outcome), ("retry", Some(30)));
    assert!(outcome.unwrap_err().to_string().contains("`logs_endpoint`"));
    assert_eq!(export(&exporter).await, Ok(Exported::default()));
}
