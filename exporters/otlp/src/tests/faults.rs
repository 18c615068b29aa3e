//! Backends that vanish, hang and come back.

use super::*;
use penstock_testkit::Gate;

fn assert_retry(outcome: &Result<Exported, ExportError>) {
    assert!(
        matches!(outcome, Err(ExportError::Retry { after: None, .. })),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn connection_lost_before_the_answer_is_a_retry_and_the_next_batch_goes() {
    let backend = Backend::start().await;
    for exporter in both(&backend) {
        // On a fresh connection and on one that was used before.
        backend.script([
            Answer::Disconnect,
            Answer::Ok,
            Answer::Disconnect,
            Answer::Ok,
        ]);
        for _ in 0..2 {
            assert_retry(&export(&exporter).await);
            assert_eq!(export(&exporter).await, Ok(Exported::default()));
        }
    }
    assert_eq!(backend.recorded().len(), 8);
}

#[tokio::test]
async fn batches_go_again_when_a_backend_comes_back() {
    let backend = Backend::start().await;
    let address = backend.address();
    let exporters = both(&backend);
    for exporter in &exporters {
        assert_eq!(export(exporter).await, Ok(Exported::default()));
    }
    backend.stop().await;
    for exporter in &exporters {
        assert_retry(&export(exporter).await);
    }
    let backend = Backend::start_at(address).await;
    for exporter in &exporters {
        assert_eq!(export(exporter).await, Ok(Exported::default()));
    }
    assert_eq!(backend.recorded().len(), 2);
}

#[tokio::test]
async fn backend_that_hangs_is_left_after_the_timeout_for_a_fresh_connection() {
    let backend = Backend::start().await;
    let settings = [
        Settings::OtlpGrpc(grpc(&backend)),
        Settings::OtlpHttp(http(&backend)),
    ];
    for settings in settings {
        let exporter = OtlpExporter::new(&settings, Duration::from_millis(200)).unwrap();
        backend.script([Answer::Ok.behind(&Gate::new())]);
        let outcome = export(&exporter).await;
        assert_retry(&outcome);
        let reason = outcome.unwrap_err().to_string();
        assert!(reason.ends_with("no answer within 200ms"), "{reason}");
        let hung = backend.last().connection;
        export(&exporter).await.unwrap();
        assert_ne!(backend.last().connection, hung);
    }
}

#[tokio::test]
async fn name_that_does_not_exist_is_a_retry() {
    let backend = Backend::start().await;
    let endpoint = "nowhere.invalid:4317".to_owned();
    let exporter = over_grpc(OtlpGrpc {
        endpoint,
        ..grpc(&backend)
    });
    let outcome = export(&exporter).await;
    assert_retry(&outcome);
    assert!(
        outcome
            .unwrap_err()
            .to_string()
            .starts_with("nowhere.invalid cannot be resolved")
    );
}
