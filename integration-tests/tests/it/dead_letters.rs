//! What a backend rejects for good is kept, and gets another try when an operator wants it.

use crate::support::{Client, Seat, Setup, assert_law, line, push, settle};
use penstock_batcher::dead_letter::files;
use penstock_receiver::commands::{self, DeadLetterTool, Tool};
use penstock_settings::Source;
use penstock_testkit::{Answer, Backend, Oracle, Pki, Verdict, numbered};
use std::net::SocketAddr;
use std::path::Path;
use tempfile::tempdir;

const EXPORTER: &str = "otlp/only";
const OTHER: &str = "otlp/other";
const INVALID_ARGUMENT: i32 = 3;

async fn replay(directory: &Path, to: SocketAddr) -> bool {
    replay_by(&[], directory, to).await
}

/// The same by the hand-over of a configuration.
async fn replay_by(configs: &[Source], directory: &Path, to: SocketAddr) -> bool {
    let tool = Tool::DeadLetters(DeadLetterTool::Replay {
        configs: configs.to_vec(),
        directory: directory.to_owned(),
        to: to.to_string(),
        exporter: None,
    });
    let done = tokio::task::spawn_blocking(move || commands::perform(&tool));
    done.await.unwrap().unwrap()
}

#[tokio::test]
async fn one_bad_item_is_kept_alone_and_delivered_once_the_backend_takes_it() {
    let (backend, other) = (Backend::start().await, Backend::start().await);
    let (seat, other_seat) = (Seat::new(), Seat::new());
    let directory = tempdir().unwrap();
    let dead_letters = directory.path().join("dead-letter");
    let setup = Setup::new()
        .otlp(EXPORTER, &backend, &[&seat])
        .otlp(OTHER, &other, &[&other_seat])
        .pipeline("logs", &[EXPORTER, OTHER])
        .with(format!(
            "penstock: {{dead_letter: {{directory: \"{}\"}}}}",
            dead_letters.display()
        ));
    let process = setup.process(EXPORTER, &seat).await;
    let other_process = setup.process(OTHER, &other_seat).await;
    let receiver = setup.receiver().await;
    let address = receiver.grpc().next().unwrap();
    let client = Client::http2(address).await;
    let oracle = Oracle::new();

    // All eight, the first four, two, and one.
    let never = Answer::grpc(INVALID_ARGUMENT, "no such tenant");
    backend.script(vec![never; 4]);
    let ids = numbered("record", 8);
    assert!(push(&client, &oracle, "logs", &ids).await.is_ack());
    settle(&receiver).await;
    let fates = line(&receiver, EXPORTER);
    assert_eq!((fates.delivered, fates.rejected), (7, 1));

    let kept = files(&dead_letters).unwrap().remove(0).read().unwrap();
    let [letter] = kept.letters.try_into().unwrap();
    assert_eq!((letter.items, &*letter.meta.exporter), (1, EXPORTER));
    assert!(letter.meta.error.contains("no such tenant"), "{letter:?}");
    assert!(replay(&dead_letters, address).await);
    settle(&receiver).await;
    assert_eq!(line(&receiver, EXPORTER).accepted, 9);
    assert_eq!(line(&receiver, OTHER).accepted, 8, "it had the item");
    assert_eq!(files(&dead_letters).unwrap().len(), 0);

    let ledger = receiver.ledger().clone();
    assert_eq!(receiver.stop().await.dropped, 0);
    process.stop().await;
    other_process.stop().await;
    assert_law(&ledger.lines());
    oracle.arrive(&backend.delivered("logs"));
    assert_eq!(oracle.verdict(), Verdict::default());
    let mut arrived = other.delivered("logs");
    arrived.sort();
    assert_eq!(arrived, ids);
}

#[tokio::test]
async fn a_replay_that_nobody_takes_loses_no_letter() {
    let (backend, seat) = (Backend::start().await, Seat::new());
    let directory = tempdir().unwrap();
    let setup = Setup::new()
        .otlp(EXPORTER, &backend, &[&seat])
        .pipeline("logs", &[EXPORTER])
        .with(format!(
            "penstock: {{dead_letter: {{directory: \"{}\"}}}}",
            directory.path().display()
        ));
    let process = setup.process(EXPORTER, &seat).await;
    let receiver = setup.receiver().await;
    let client = Client::http2(receiver.grpc().next().unwrap()).await;
    backend.otherwise(Answer::grpc(INVALID_ARGUMENT, "never"));
    let ids = numbered("record", 4);
    assert!(push(&client, &Oracle::new(), "logs", &ids).await.is_ack());
    settle(&receiver).await;
    assert_eq!(receiver.stop().await.dropped, 0);
    process.stop().await;

    let items = || letters(directory.path()).iter().sum::<u64>();
    assert_eq!(items(), 4);
    assert!(!replay(directory.path(), seat.address()).await);
    assert_eq!(items(), 4);
}

/// Letters below `directory`, by the number of their items.
fn letters(directory: &Path) -> Vec<u64> {
    let files = files(directory).unwrap();
    let letters = files.iter().flat_map(|file| file.read().unwrap().letters);
    letters.map(|letter| letter.items).collect()
}

#[tokio::test]
async fn a_replay_to_a_receiver_with_tls_and_a_token_shows_what_is_asked_for_or_loses_no_letter() {
    let (backend, seat, pki) = (Backend::start().await, Seat::new(), Pki::new());
    let (directory, files) = (tempdir().unwrap(), tempdir().unwrap());
    let put = |name: &str, text: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let identity = pki.both(&["127.0.0.1"]);
    let ca = put("ca.crt", &pki.ca_pem);
    let other_ca = put("other.crt", &Pki::new().ca_pem);
    let pair = format!(
        "cert_file: {}, key_file: {}",
        put("tls.crt", &identity.cert_pem),
        put("tls.key", &identity.key_pem)
    );
    let plain = Setup::new()
        .otlp(EXPORTER, &backend, &[&seat])
        .pipeline("logs", &[EXPORTER])
        .with(format!(
            "extensions: {{bearertokenauth: {{filename: {}}}}}
service: {{extensions: [bearertokenauth]}}
penstock: {{dead_letter: {{directory: \"{}\"}}}}",
            put("token", "hush\n"),
            directory.path().display()
        ));
    let process = plain.process(EXPORTER, &seat).await;
    let receiver = plain.receiver().await;
    let client = Client::http2(receiver.grpc().next().unwrap()).await;
    let oracle = Oracle::new();
    backend.script(vec![Answer::grpc(INVALID_ARGUMENT, "no such tenant")]);
    let ids = numbered("record", 1);
    assert!(push(&client, &oracle, "logs", &ids).await.is_ack());
    settle(&receiver).await;
    assert_eq!(receiver.stop().await.dropped, 0);
    assert_eq!(letters(directory.path()), [1]);

    let asks = plain.clone().with(format!(
        "receivers: {{otlp: {{protocols: {{grpc: {{
  auth: {{authenticator: bearertokenauth}}, tls: {{{pair}, client_ca_file: {ca}}}}}}}}}}}"
    ));
    let receiver = asks.receiver().await;
    let address = receiver.grpc().next().unwrap();
    let auth = "auth: {authenticator: bearertokenauth}";
    let right = format!("{auth}, tls: {{ca_file: {ca}, {pair}}}");
    for wrong in [
        auth.to_owned(),
        format!("{auth}, tls: {{ca_file: {ca}}}"),
        format!("{auth}, tls: {{ca_file: {other_ca}, {pair}}}"),
        format!("tls: {{ca_file: {ca}, {pair}}}"),
    ] {
        let by = handing_over(&plain, address, &wrong);
        assert!(
            !replay_by(by.sources(), directory.path(), address).await,
            "{wrong}"
        );
        assert_eq!(letters(directory.path()), [1], "{wrong}");
    }
    assert_eq!(line(&receiver, EXPORTER).accepted, 0);
    let by = handing_over(&plain, address, &right);
    assert!(replay_by(by.sources(), directory.path(), address).await);
    settle(&receiver).await;
    assert_eq!(letters(directory.path()), [0; 0]);
    let ledger = receiver.ledger().clone();
    assert_eq!(receiver.stop().await.dropped, 0);
    process.stop().await;
    assert_law(&ledger.lines());
    oracle.arrive(&backend.delivered("logs"));
    assert_eq!(oracle.verdict(), Verdict::default());
}

fn handing_over(setup: &Setup, to: SocketAddr, how: &str) -> Setup {
    setup.clone().with(format!(
        "penstock: {{drain: {{hand_over: {{endpoint: \"{to}\", {how}}}}}}}"
    ))
}
