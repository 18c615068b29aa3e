//! The kit's own promises, above all that real OTLP clients take its backend for a real one.

use crate::{Answer, Backend, Gate, Oracle, Request, Verdict, ids, numbered, request};
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use std::time::Duration;
use tonic::Code;
use tonic::codec::CompressionEncoding;

#[test]
fn built_requests_give_their_ids_back() {
    for signal in ["traces", "metrics", "logs"] {
        let sent = numbered("item", 5);
        assert_eq!(ids(signal, &request(signal, &sent)), sent);
    }
}

#[test]
fn oracle_tells_loss_duplication_and_invention() {
    let oracle = Oracle::new();
    let [a, b, c, d] = ["a", "b", "c", "d"].map(str::to_owned);
    oracle.issue(&[a.clone(), b.clone(), c.clone()]);
    oracle.ack(&[a.clone(), b.clone()]);
    oracle.arrive(std::slice::from_ref(&b));
    assert!(!oracle.complete());
    oracle.arrive(&[b.clone(), c, d.clone()]);
    let expected = Verdict {
        missing: vec![a],
        duplicates: vec![b],
        invented: vec![d],
    };
    assert_eq!(oracle.verdict(), expected);
}

#[tokio::test]
async fn scripted_answers_reach_a_tonic_client_in_order() {
    let backend = Backend::start().await;
    let gate = Gate::new();
    backend.script([
        Answer::Ok,
        Answer::Partial {
            rejected: 2,
            message: "too old".to_owned(),
        },
        Answer::Grpc {
            code: 14,
            message: "later, 100 %".to_owned(),
            retry_after: Some(Duration::from_secs(3)),
        },
        Answer::Disconnect,
        Answer::Ok.behind(&gate),
    ]);
    let sent = numbered("item", 3);
    let Ok(Request::Logs(body)) = Request::decode("logs", &request("logs", &sent)) else {
        panic!("a logs request");
    };
    let mut client = LogsServiceClient::connect(backend.url())
        .await
        .unwrap()
        .send_compressed(CompressionEncoding::Gzip);
    assert_eq!(
        client
            .export(body.clone())
            .await
            .unwrap()
            .into_inner()
            .partial_success,
        None
    );
    let partial = client
        .export(body.clone())
        .await
        .unwrap()
        .into_inner()
        .partial_success
        .unwrap();
    assert_eq!(
        (partial.rejected_log_records, &*partial.error_message),
        (2, "too old")
    );
    let refusal = client.export(body.clone()).await.unwrap_err();
    assert_eq!(
        (refusal.code(), refusal.message()),
        (Code::Unavailable, "later, 100 %")
    );
    assert!(!refusal.details().is_empty());
    client.export(body.clone()).await.unwrap_err();
    let held = client.export(body);
    let opener = async {
        assert!(!backend.arrived(5).await[4].answered);
        gate.open();
    };
    let (answer, ()) = tokio::join!(held, opener);
    answer.unwrap();
    assert_eq!(backend.faults(), Vec::<String>::new());
    assert_eq!(
        backend.delivered("logs"),
        [&sent[..], &sent[..], &sent[..]].concat()
    );
    assert_eq!(backend.connections(), 2);
}
