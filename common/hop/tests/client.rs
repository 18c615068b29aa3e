//! The client against an OTLP server that is not ours: real connections, scripted answers.
//!
//! Does not show how exporters of ours behave; that is the harness's contract test.
#![expect(clippy::unwrap_used, reason = "test code: a panic is how a test fails")]

use bytes::Bytes;
use penstock_hop::metadata::HandOver;
use penstock_hop::{Batch, HopClient, Origin, Outcome, Receivers, Share, Transport, metadata};
use penstock_otlp::Signal;
use penstock_otlp::compress::Encoding;
use penstock_runtime::Tasks;
use penstock_settings::{Backend as Kind, ComponentId, Debug, Exporter, Hop};
use penstock_testkit::{Answer, Backend, Gate, numbered, request};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;

fn exporter(replicas: Vec<String>) -> Exporter {
    let backend = Kind::Debug(Debug::default());
    let mut exporter = Exporter::new(ComponentId("debug/x".to_owned()), backend);
    exporter.timeout = Duration::from_secs(20);
    exporter.hop.replicas = replicas;
    exporter
}

/// Nobody who has failed comes back by himself.
fn hop() -> Hop {
    Hop {
        eject_for: Duration::from_secs(60),
        ..Hop::default()
    }
}

fn client(backends: &[&Backend], hop: &Hop) -> Arc<HopClient> {
    let replicas = backends
        .iter()
        .map(|backend| backend.address().to_string())
        .collect();
    HopClient::new(&exporter(replicas), hop, None, &Tasks::new())
}

fn batch(block: u64) -> Batch {
    let ids = numbered(&block.to_string(), 3);
    Batch {
        signal: Signal::Traces,
        chunks: vec![
            request("traces", &ids[..1]),
            Bytes::new(),
            request("traces", &ids[1..]),
        ],
        items: 3,
        origin: Origin {
            log_id: "log".to_owned(),
            first_block: block,
            last_block: block,
            part: 0,
            parts: 1,
            share: None,
        },
    }
}

fn delivered(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Delivered { rejected: 0, .. })
}

/// A port that nobody listens on.
fn nobody() -> String {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .to_string()
}

#[tokio::test]
async fn chunks_arrive_as_one_request_with_the_hops_headers() {
    for compression in [Encoding::Identity, Encoding::Gzip, Encoding::Zstd] {
        let backend = Backend::start().await;
        let client = client(
            &[&backend],
            &Hop {
                compression,
                ..hop()
            },
        );
        let batch = batch(7);
        let outcome = client.send(&batch, 2).await;
        assert!(delivered(&outcome), "{outcome:?}");
        let arrived = backend.last();
        assert_eq!(arrived.body, batch.chunks.concat());
        assert_eq!(arrived.path, Signal::Traces.grpc_path());
        assert_eq!(Origin::from_headers(&arrived.headers), Some(batch.origin));
        assert_eq!(arrived.headers[metadata::EXPORTER], "debug/x");
        assert_eq!(arrived.headers[metadata::ATTEMPT], "2");
        assert!(
            arrived.headers["grpc-timeout"]
                .to_str()
                .unwrap()
                .ends_with('m')
        );
        assert!(backend.faults().is_empty(), "{:?}", backend.faults());
    }
}

#[tokio::test]
async fn answers_of_any_server_become_outcomes() {
    let backend = Backend::start().await;
    let client = client(&[&backend], &hop());
    let after = Some(Duration::from_millis(1500));
    backend.script([
        Answer::Partial {
            rejected: 2,
            message: "two are bad".to_owned(),
        },
        Answer::Partial {
            rejected: 9,
            message: String::new(),
        },
        Answer::Grpc {
            code: 14,
            message: "later".to_owned(),
            retry_after: after,
        },
        Answer::grpc(3, "never"),
        Answer::grpc(8, "message larger than max"),
        Answer::grpc(12, "unknown service"),
    ]);
    let mut outcomes = Vec::new();
    for block in 0..6 {
        outcomes.push(client.send(&batch(block), 1).await);
    }
    let [partial, excessive, later, never, large, unknown] = outcomes.try_into().unwrap();
    assert!(
        matches!(&partial, Outcome::Delivered { rejected: 2, message } if message == "two are bad")
    );
    assert!(
        matches!(excessive, Outcome::Delivered { rejected: 3, .. }),
        "{excessive:?}"
    );
    assert!(
        matches!(&later, Outcome::Retry { after: told, .. } if *told == after),
        "{later:?}"
    );
    assert!(
        matches!(&never, Outcome::Rejected { reason } if reason.contains("never")),
        "{never:?}"
    );
    assert!(matches!(large, Outcome::TooLarge { .. }), "{large:?}");
    assert!(
        matches!(unknown, Outcome::Retry { after: None, .. }),
        "{unknown:?}"
    );
    assert_eq!(backend.connections(), 1);
}

#[tokio::test]
async fn calls_share_one_connection() {
    let backend = Backend::start().await;
    let client = client(&[&backend], &hop());
    let gate = Gate::new();
    backend.otherwise(Answer::Ok.behind(&gate));
    let batches: Vec<Batch> = (0..20).map(batch).collect();
    let sends = futures_util::future::join_all(batches.iter().map(|batch| client.send(batch, 1)));
    let (outcomes, ()) = tokio::join!(sends, async {
        backend.arrived(20).await;
        gate.open();
    });
    assert!(outcomes.iter().all(delivered));
    assert_eq!(backend.connections(), 1);
}

#[tokio::test]
async fn a_broken_connection_is_a_retry_and_ejects_the_replica() {
    let backend = Backend::start().await;
    let client = client(&[&backend], &hop());
    backend.script([Answer::Disconnect]);
    let outcome = client.send(&batch(1), 1).await;
    assert!(
        matches!(outcome, Outcome::Retry { after: None, .. }),
        "{outcome:?}"
    );
    let outcome = client.send(&batch(1), 2).await;
    assert!(matches!(outcome, Outcome::Unreached { .. }), "{outcome:?}");
    assert_eq!(backend.recorded().len(), 1);
}

#[tokio::test]
async fn an_ejected_replica_that_is_well_again_is_used_again() {
    let backend = Backend::start().await;
    let eject_for = Duration::from_millis(1);
    let client = client(&[&backend], &Hop { eject_for, ..hop() });
    backend.script([Answer::Disconnect, Answer::http(503, "no upstream")]);
    while !delivered(&client.send(&batch(1), 1).await) {
        tokio::task::yield_now().await;
    }
    assert_eq!(backend.recorded().len(), 3);
    assert!(delivered(&client.send(&batch(2), 1).await));
}

#[tokio::test]
async fn a_batch_that_nobody_has_seen_goes_to_another_replica_at_once() {
    let backend = Backend::start().await;
    let replicas = vec![nobody(), backend.address().to_string(), nobody()];
    let client = HopClient::new(&exporter(replicas), &hop(), None, &Tasks::new());
    for block in 0..10 {
        let outcome = client.send(&batch(block), 1).await;
        assert!(delivered(&outcome), "{outcome:?}");
    }
}

/// A server that reads one call and answers with these bytes.
async fn answering(frames: &'static [u8]) -> (SocketAddr, oneshot::Receiver<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, answered) = oneshot::channel();
    Tasks::new().spawn("raw server", async move {
        const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(&SETTINGS).await.unwrap();
        let mut read = Vec::new();
        while !read.windows(7).any(|window| window == b"item.id") {
            stream.read_buf(&mut read).await.unwrap();
        }
        stream.write_all(frames).await.unwrap();
        sender.send(()).unwrap();
        // The connection stays: only the frames say what becomes of the call.
        std::future::pending::<()>().await;
    });
    (address, answered)
}

#[tokio::test]
async fn a_batch_that_a_replica_has_refused_goes_to_another_one_at_once() {
    const REFUSED_STREAM: &[u8] = &[0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, 7];
    const GO_AWAY_BEFORE_IT: &[u8] = &[0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for frames in [REFUSED_STREAM, GO_AWAY_BEFORE_IT] {
        let (refusing, mut answered) = answering(frames).await;
        let backend = Backend::start().await;
        let replicas = vec![refusing.to_string(), backend.address().to_string()];
        let client = HopClient::new(&exporter(replicas), &hop(), None, &Tasks::new());
        while answered.try_recv().is_err() {
            let outcome = client.send(&batch(1), 1).await;
            assert!(delivered(&outcome), "{outcome:?}");
        }
    }
}

#[tokio::test]
async fn a_batch_that_a_replica_may_have_seen_does_not() {
    let (one, two) = (Backend::start().await, Backend::start().await);
    one.otherwise(Answer::Disconnect);
    two.otherwise(Answer::Disconnect);
    let outcome = client(&[&one, &two], &hop()).send(&batch(1), 1).await;
    assert!(matches!(outcome, Outcome::Retry { .. }), "{outcome:?}");
    assert_eq!(one.recorded().len() + two.recorded().len(), 1);
}

#[tokio::test]
async fn without_a_replica_the_answer_comes_at_once() {
    let client = HopClient::new(&exporter(Vec::new()), &hop(), None, &Tasks::new());
    let outcome = client.send(&batch(1), 1).await;
    assert!(
        matches!(outcome, Outcome::Unreached { after, .. } if after == hop().resolve_interval),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn a_replica_that_does_not_answer_in_time_is_a_retry() {
    let backend = Backend::start().await;
    backend.otherwise(Answer::Ok.behind(&Gate::new()));
    let mut settings = exporter(vec![backend.address().to_string()]);
    settings.timeout = Duration::from_millis(50);
    let hop = Hop {
        timeout_margin: Duration::from_millis(50),
        ..hop()
    };
    let client = HopClient::new(&settings, &hop, None, &Tasks::new());
    let outcome = client.send(&batch(1), 1).await;
    assert!(
        matches!(&outcome, Outcome::Retry { reason, .. } if reason.contains("no answer in time")),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn tasks_end_with_the_client() {
    let backend = Backend::start().await;
    let tasks = Tasks::new();
    let replicas = vec![
        backend.address().to_string(),
        format!("dns:///{}", backend.address()),
    ];
    let client = HopClient::new(&exporter(replicas), &hop(), None, &tasks);
    assert!(delivered(&client.send(&batch(1), 1).await));
    drop(client);
    tasks.ended().await;
}

fn hand_over() -> HandOver {
    HandOver {
        pipeline: "traces/2".to_owned(),
        exporter: "otlp/tempo".to_owned(),
    }
}

#[tokio::test]
async fn what_is_handed_over_says_whom_it_is_for() {
    let backend = Backend::start().await;
    let receivers = Receivers::new(
        &backend.address().to_string(),
        &hop(),
        None,
        None,
        &Tasks::new(),
    );
    let batch = batch(7);
    assert!(delivered(
        &receivers.cursor(hand_over()).send(&batch, 1).await
    ));
    let headers = &backend.last().headers;
    let value = |name| headers[name].as_bytes();
    let read = HandOver::parse(
        value(metadata::HAND_OVER_PIPELINE),
        value(metadata::HAND_OVER_EXPORTER),
    );
    assert_eq!(read, hand_over());
    assert_eq!(Origin::from_headers(headers), Some(batch.origin.clone()));

    let client = client(&[&backend], &hop());
    assert!(delivered(&client.send(&batch, 1).await));
    let headers = &backend.last().headers;
    assert!(!headers.contains_key(metadata::HAND_OVER_EXPORTER));
}

#[tokio::test]
async fn a_receiver_that_does_not_take_it_is_left_for_another_one_behind_the_same_address() {
    let backend = Backend::start().await;
    let receivers = Receivers::new(
        &backend.address().to_string(),
        &hop(),
        None,
        None,
        &Tasks::new(),
    );
    let client = receivers.cursor(hand_over());
    const NOT_HERE: [(i32, &str); 3] = [(14, "full"), (9, "unknown exporter"), (3, "never")];
    backend.script(NOT_HERE.map(|(code, why)| Answer::grpc(code, why)));
    for (connections, (_, why)) in NOT_HERE.into_iter().enumerate() {
        let outcome = client.send(&batch(1), 1).await;
        let (Outcome::Retry { reason, .. } | Outcome::Rejected { reason }) = &outcome else {
            panic!("{outcome:?}")
        };
        assert!(reason.contains(why), "{outcome:?}");
        assert_eq!(backend.connections(), connections + 1);
    }
    assert!(delivered(&client.send(&batch(1), 2).await));
    assert!(delivered(&client.send(&batch(2), 1).await));
    assert_eq!(backend.connections(), 4);
}

#[tokio::test]
async fn shares_reach_their_owner_and_ownership_follows_its_life() {
    let (one, other) = (Backend::start().await, Backend::start().await);
    let gone = nobody();
    let mut exporter = exporter(vec![
        one.address().to_string(),
        gone.clone(),
        other.address().to_string(),
    ]);
    exporter.hop.affinity = true;
    let hop = Hop {
        eject_for: Duration::from_millis(1),
        move_after: Duration::from_millis(1),
        ..Hop::default()
    };
    let client = HopClient::new(&exporter, &hop, None, &Tasks::new());
    let owners = client.owners().unwrap();
    assert_eq!(owners.list().len(), 3);
    for owner in owners.list() {
        let mut batch = batch(7);
        batch.origin.share = Some(Share::of(owner, owners.epoch(), None));
        let outcome = client.send_to(owner, &batch, 1).await;
        let backend = [&one, &other]
            .into_iter()
            .find(|b| b.address().to_string() == owner.address());
        match backend {
            Some(backend) => {
                assert!(delivered(&outcome), "{outcome:?}");
                let headers = &backend.last().headers;
                assert_eq!(Origin::from_headers(headers), Some(batch.origin));
            }
            None => assert!(matches!(outcome, Outcome::Unreached { .. }), "{outcome:?}"),
        }
    }
    client.moved(owners.epoch()).await;
    let left = client.owners().unwrap();
    assert!(left.list().len() == 2 && left.list().iter().all(|owner| owner.address() != gone));
    // Somebody answers there again, without a batch having been tried.
    let back = Backend::start_at(gone.parse().unwrap()).await;
    client.moved(left.epoch()).await;
    assert_eq!(client.owners(), Some(owners));
    drop(back);
}
