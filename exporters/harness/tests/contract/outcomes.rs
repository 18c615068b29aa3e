//! One replica: what goes in, what comes back, what is remembered.

use crate::hop::{ITEMS, batch, client, ids};
use crate::script::{Process, Script, Step};
use futures_util::future::join_all;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use penstock_exporter_harness::{ExportError, Exported, Options};
use penstock_hop::{Batch, Outcome, Transport};
use penstock_otlp::Signal;
use penstock_runtime::Tasks;
use penstock_testkit::{Gate, Request, request, traces};
use std::time::Duration;
use tokio::net::TcpStream;
use tonic::Code;
use tonic::codec::CompressionEncoding;

fn reason() -> String {
    "backend said no".to_owned()
}

fn answers() -> Vec<Step> {
    let after = Some(Duration::from_secs(9));
    [
        Ok(Exported {
            rejected: 2,
            message: "two are bad".to_owned(),
        }),
        Err(ExportError::Retry {
            after,
            reason: reason(),
        }),
        Err(ExportError::Retry {
            after: None,
            reason: reason(),
        }),
        Err(ExportError::TooLarge { reason: reason() }),
        Err(ExportError::Rejected { reason: reason() }),
    ]
    .map(Step::Answer)
    .into()
}

fn span_request(ids: &[String]) -> ExportTraceServiceRequest {
    match Request::decode("traces", &traces(ids)).unwrap() {
        Request::Traces(request) => request,
        other => panic!("{other:?}"),
    }
}

async fn plain_client(process: &Process) -> TraceServiceClient<tonic::transport::Channel> {
    TraceServiceClient::connect(format!("http://{}", process.address))
        .await
        .unwrap()
}

#[tokio::test]
async fn the_receiver_hears_what_the_exporter_says() {
    let process = Process::start(&Script::new(answers())).await;
    let client = client(&[process.address]);
    let mut outcomes = Vec::new();
    for block in 0..6 {
        outcomes.push(client.send(&batch(block), 1).await);
    }
    let [partial, later, again, large, never, whole] = outcomes.try_into().unwrap();
    assert!(
        matches!(&partial, Outcome::Delivered { rejected: 2, message } if message == "two are bad")
    );
    assert!(matches!(later, Outcome::Retry { after: Some(after), .. } if after.as_secs() == 9));
    assert!(
        matches!(again, Outcome::Retry { after: None, .. }),
        "{again:?}"
    );
    assert!(matches!(large, Outcome::TooLarge { .. }), "{large:?}");
    assert!(matches!(&never, Outcome::Rejected { reason } if reason.contains("backend said no")));
    assert!(
        matches!(whole, Outcome::Delivered { rejected: 0, .. }),
        "{whole:?}"
    );
    let line = process.traces();
    assert_eq!(
        (line.received, line.delivered, line.rejected, line.failed),
        (30, 8, 7, 15)
    );
    assert!(line.balances());
}

#[tokio::test]
async fn a_backends_absurd_pause_does_not_stop_the_receiver() {
    let absurd = Step::Answer(Err(ExportError::Retry {
        after: Some(Duration::from_secs(99_999_999_999)),
        reason: reason(),
    }));
    let process = Process::start(&Script::new([absurd])).await;
    let outcome = client(&[process.address]).send(&batch(0), 1).await;
    assert!(
        matches!(outcome, Outcome::Retry { after: Some(after), .. } if after.as_secs() == 300),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn any_otlp_client_hears_the_same_in_otlps_words() {
    let process = Process::start(&Script::new(answers())).await;
    let mut client = plain_client(&process).await;
    let partial = client
        .export(span_request(&ids(0)))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(partial.partial_success.unwrap().rejected_spans, 2);
    let expected = [
        Code::Unavailable,
        Code::Unavailable,
        Code::ResourceExhausted,
        Code::InvalidArgument,
    ];
    for (index, code) in expected.into_iter().enumerate() {
        let status = client.export(span_request(&ids(0))).await.unwrap_err();
        assert_eq!(status.code(), code, "{status:?}");
        assert!(status.message().ends_with("backend said no"));
        // Only the first of them says when.
        assert_eq!(!status.details().is_empty(), index == 0, "{status:?}");
    }
    let whole = client
        .export(span_request(&ids(0)))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(whole.partial_success, None);
}

#[tokio::test]
async fn every_signal_arrives_byte_by_byte() {
    let process = Process::start(&Script::new([])).await;
    let client = client(&[process.address]);
    let mut sent = Vec::new();
    for signal in Signal::ALL {
        let chunks = vec![
            request(signal.name(), &ids(1)),
            request(signal.name(), &ids(2)),
        ];
        sent.push((signal.name(), chunks.concat().into()));
        let outcome = client
            .send(
                &Batch {
                    signal,
                    chunks,
                    items: 10,
                    ..batch(1)
                },
                1,
            )
            .await;
        assert!(matches!(outcome, Outcome::Delivered { .. }), "{outcome:?}");
    }
    assert_eq!(process.script.bodies(), sent);
}

#[tokio::test]
async fn plain_clients_may_compress() {
    let process = Process::start(&Script::new([])).await;
    for encoding in [CompressionEncoding::Gzip, CompressionEncoding::Zstd] {
        let mut client = plain_client(&process).await.send_compressed(encoding);
        client.export(span_request(&ids(1))).await.unwrap();
    }
    let arrived: Vec<_> = process
        .script
        .bodies()
        .into_iter()
        .map(|(_, body)| body)
        .collect();
    assert_eq!(arrived, [traces(&ids(1)), traces(&ids(1))]);
}

/// What comes from a receiver has its origin with it, and was checked there.
#[tokio::test]
async fn what_is_not_otlp_and_from_no_receiver_never_reaches_the_exporter() {
    let process = Process::start(&Script::new([])).await;
    let stream = TcpStream::connect(process.address).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    let tasks = Tasks::new();
    tasks.spawn("connection", async { connection.await.unwrap_or(()) });
    let request = http::Request::post(format!(
        "http://{}{}",
        process.address,
        Signal::Traces.grpc_path()
    ));
    let request = request.header("content-type", "application/grpc").body(());
    let mut client = client.ready().await.unwrap();
    let (answer, mut body) = client.send_request(request.unwrap(), false).unwrap();
    let broken = [0, 0, 0, 0, 2, 0x0a, 0x7f];
    body.send_data(broken.to_vec().into(), true).unwrap();
    let answer = answer.await.unwrap();
    let header = |name| answer.headers()[name].to_str().unwrap();
    assert_eq!(header("grpc-status"), "3");
    assert!(header("grpc-message").contains("valid"));
    assert!(process.script.bodies().is_empty());
    assert_eq!(process.traces().received, 0);
}

#[tokio::test]
async fn a_batch_over_the_limit_is_to_be_cut() {
    let options = Options {
        max_message_bytes: 100,
        ..Options::new(1)
    };
    let process = Process::start_with(&Script::new([]), options).await;
    let outcome = client(&[process.address]).send(&batch(1), 1).await;
    assert!(matches!(outcome, Outcome::TooLarge { .. }), "{outcome:?}");
    let status = plain_client(&process)
        .await
        .export(span_request(&ids(1)))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
}

#[tokio::test]
async fn a_delivered_batch_is_not_exported_twice() {
    let partial = Exported {
        rejected: 1,
        message: "one is bad".to_owned(),
    };
    let process = Process::start(&Script::new([Step::Answer(Ok(partial))])).await;
    let client = client(&[process.address]);
    for attempt in 1..=3 {
        let outcome = client.send(&batch(1), attempt).await;
        assert!(
            matches!(&outcome, Outcome::Delivered { rejected: 1, message } if message == "one is bad"),
            "{outcome:?}"
        );
    }
    assert_eq!(process.script.bodies().len(), 1);
    let line = process.traces();
    assert_eq!(
        (
            line.received,
            line.delivered,
            line.rejected,
            line.duplicates
        ),
        (15, 4, 1, 10)
    );
    assert!(line.balances());
}

#[tokio::test]
async fn a_batch_whose_caller_has_gone_is_finished_and_remembered() {
    let gate = Gate::new();
    let process = Process::start(&Script::new([Step::Held(gate.clone())])).await;
    let client = client(&[process.address]);
    let first = batch(1);
    tokio::select! {
        outcome = client.send(&first, 1) => panic!("{outcome:?}"),
        () = process.script.arrived(1) => {}
    }
    let (repeat, ()) = tokio::join!(client.send(&first, 2), async { gate.open() });
    assert!(matches!(repeat, Outcome::Delivered { .. }), "{repeat:?}");
    assert_eq!(process.script.bodies().len(), 1);
    assert!(process.traces().balances());
}

#[tokio::test]
async fn a_panic_is_a_retry_and_the_process_lives_on() {
    let process = Process::start(&Script::new([Step::Panic])).await;
    let client = client(&[process.address]);
    let outcome = client.send(&batch(1), 1).await;
    assert!(
        matches!(&outcome, Outcome::Retry { reason, .. } if reason.contains("panicked")),
        "{outcome:?}"
    );
    let outcome = client.send(&batch(1), 2).await;
    assert!(matches!(outcome, Outcome::Delivered { .. }), "{outcome:?}");
    assert_eq!(process.traces().failed, ITEMS as u64);
    assert!(process.traces().balances());
}

#[tokio::test]
async fn more_batches_than_places_wait_and_none_is_turned_away() {
    let gates: Vec<Gate> = (0..8).map(|_| Gate::new()).collect();
    let script = Script::new(gates.iter().cloned().map(Step::Held));
    let process = Process::start_with(&script, Options::new(2)).await;
    let client = client(&[process.address]);
    let batches: Vec<Batch> = (0..8).map(batch).collect();
    let sends = join_all(
        batches
            .iter()
            .map(|batch| crate::hop::deliver(&client, batch)),
    );
    let (_, ()) = tokio::join!(sends, async {
        for (index, gate) in gates.iter().enumerate() {
            script.arrived((index + 2).min(8)).await;
            assert_eq!(script.bodies().len(), (index + 2).min(8));
            gate.open();
        }
    });
    assert_eq!(process.traces().delivered, 8 * ITEMS as u64);
}
