//! A receiver that loses its disk gives what it holds to another one.

use crate::support::{Client, Process, Seat, Setup, assert_law, eventually, line, push, settle};
use penstock_receiver::{Drained, Receiver};
use penstock_testkit::{Backend, Oracle, Pki, numbered};
use std::path::Path;
use tempfile::tempdir;

const LIVE: &str = "otlp/live";
const DEAD: &str = "otlp/dead";

/// Two exporters, of which one is dead, and what every receiver of the test is told of them.
struct Scene {
    live: Backend,
    dead: Backend,
    dead_seat: Seat,
    setup: Setup,
    live_process: Process,
    oracle: Oracle,
}

impl Scene {
    async fn new() -> Self {
        let (live, dead) = (Backend::start().await, Backend::start().await);
        let (live_seat, dead_seat) = (Seat::new(), Seat::new());
        let setup = Setup::new()
            .otlp(LIVE, &live, &[&live_seat])
            .otlp(DEAD, &dead, &[&dead_seat])
            .pipeline("traces/a", &[LIVE, DEAD]);
        let live_process = setup.process(LIVE, &live_seat).await;
        Self {
            live,
            dead,
            dead_seat,
            setup,
            live_process,
            oracle: Oracle::new(),
        }
    }

    /// Gives a receiver 200 items, of which the living exporter has everything at the end.
    async fn fill(&self, receiver: &Receiver) -> Vec<String> {
        let client = Client::http2(receiver.grpc().next().unwrap()).await;
        let ids = numbered("span", 200);
        for some in ids.chunks(5) {
            assert!(push(&client, &self.oracle, "traces", some).await.is_ack());
        }
        eventually("the living exporter has everything", || {
            line(receiver, LIVE).delivered == 200
        })
        .await;
        ids
    }

    /// The dead exporter comes back; both have everything once, and all is well with the books of the receiver that is left.
    async fn end(self, receiver: Receiver, ids: Vec<String>) {
        let dead_process = self.setup.process(DEAD, &self.dead_seat).await;
        settle(&receiver).await;
        let ledger = receiver.ledger().clone();
        assert_eq!(receiver.stop().await, Drained::default());
        self.live_process.stop().await;
        dead_process.stop().await;
        assert_law(&ledger.lines());
        for backend in [self.live, self.dead] {
            let mut arrived = backend.delivered("traces");
            arrived.sort();
            assert_eq!(arrived, ids);
        }
        assert_eq!(self.oracle.acked(), 200);
    }
}

fn on_disk(setup: &Setup, directory: &Path) -> Setup {
    let directory = directory.display();
    setup.clone().with(format!(
        "penstock: {{log: {{storage: disk, directory: \"{directory}\"}}}}"
    ))
}

fn handing_over(setup: &Setup, to: &Receiver, deadline: &str) -> Setup {
    let to = to.grpc().next().unwrap();
    setup.clone().with(format!(
        "penstock: {{drain: {{deadline: {deadline}, hand_over: {{endpoint: \"{to}\"}}}}}}"
    ))
}

#[tokio::test]
async fn what_one_exporter_has_not_taken_goes_to_another_receiver_for_that_exporter_alone() {
    for disk in [false, true] {
        let scene = Scene::new().await;
        let (there, here) = (tempdir().unwrap(), tempdir().unwrap());
        let setups = match disk {
            false => [scene.setup.clone(), scene.setup.clone()],
            true => [there.path(), here.path()].map(|path| on_disk(&scene.setup, path)),
        };
        let other = setups[0].receiver().await;
        let first = handing_over(&setups[1], &other, "60s").receiver().await;
        let ids = scene.fill(&first).await;

        let ledger = first.ledger().clone();
        let handed_over = Drained {
            handed_over: 200,
            ..Drained::default()
        };
        assert_eq!(first.stop().await, handed_over);
        let lines = ledger.lines();
        assert_law(&lines);
        let fates = lines
            .iter()
            .map(|line| (&*line.exporter, line.delivered, line.handed_over));
        assert_eq!(
            fates.collect::<Vec<_>>(),
            [(DEAD, 200, 200), (LIVE, 200, 0)]
        );

        let taken = line(&other, DEAD);
        assert_eq!((taken.accepted, taken.held), (200, 200), "{taken:?}");
        assert_eq!(line(&other, LIVE).accepted, 0);
        scene.end(other, ids).await;
    }
}

#[tokio::test]
async fn a_receiver_that_asks_for_tls_and_a_token_takes_what_is_handed_over_with_both() {
    let (scene, files, pki) = (Scene::new().await, tempdir().unwrap(), Pki::new());
    let put = |name: &str, text: &str| {
        let path = files.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let mine = pki.both(&["127.0.0.1"]);
    let (ca, token) = (put("ca.crt", &pki.ca_pem), put("token", "hush\n"));
    let (cert, key) = (
        put("tls.crt", &mine.cert_pem),
        put("tls.key", &mine.key_pem),
    );
    let asks = scene.setup.clone().with(format!(
        "extensions: {{bearertokenauth: {{filename: {token}}}}}
service: {{extensions: [bearertokenauth]}}
receivers: {{otlp: {{protocols: {{grpc: {{
  auth: {{authenticator: bearertokenauth}},
  tls: {{cert_file: {cert}, key_file: {key}, client_ca_file: {ca}}}}}}}}}}}"
    ));
    let other = asks.receiver().await;
    let shows = |yaml: &str| {
        let setup = handing_over(&scene.setup, &other, "60s");
        let hand_over = yaml
            .replace("CA", &ca)
            .replace("CERT", &cert)
            .replace("KEY", &key);
        setup.with(format!(
            "extensions: {{bearertokenauth: {{filename: {token}}}}}
service: {{extensions: [bearertokenauth]}}
penstock: {{drain: {{hand_over: {{{hand_over}}}}}}}"
        ))
    };
    let first = shows(
        "auth: {authenticator: bearertokenauth}, tls: {ca_file: CA, cert_file: CERT, key_file: KEY}",
    );
    let first = first.receiver().await;
    let ids = scene.fill(&first).await;
    let ledger = first.ledger().clone();
    let handed_over = Drained {
        handed_over: 200,
        ..Drained::default()
    };
    assert_eq!(first.stop().await, handed_over);
    assert_law(&ledger.lines());
    scene.end(other, ids).await;
}

#[tokio::test]
async fn what_was_handed_over_outlives_the_receiver_that_took_it() {
    let scene = Scene::new().await;
    let directory = tempdir().unwrap();
    let setup = on_disk(&scene.setup, directory.path()).with("penstock: {drain: {deadline: 1s}}");
    let other = setup.receiver().await;
    let first = handing_over(&scene.setup, &other, "60s").receiver().await;
    let ids = scene.fill(&first).await;
    assert_eq!(first.stop().await.handed_over, 200);

    let kept = Drained {
        kept: 200,
        ..Drained::default()
    };
    assert_eq!(other.stop().await, kept);
    let again = setup.receiver().await;
    eventually("its log is there again", || line(&again, DEAD).held == 200).await;
    scene.end(again, ids).await;
}

#[tokio::test]
async fn a_receiver_without_the_exporter_takes_nothing_and_it_stays_where_it_was() {
    let scene = Scene::new().await;
    let directory = tempdir().unwrap();
    let setup = on_disk(&scene.setup, directory.path());
    let other = scene.setup.clone().pipeline("traces/a", &[LIVE]);
    let other = other.receiver().await;
    let first = handing_over(&setup, &other, "4s").receiver().await;
    let ids = scene.fill(&first).await;

    let kept = Drained {
        kept: 200,
        ..Drained::default()
    };
    assert_eq!(first.stop().await, kept);
    let refused = other.counts(penstock_otlp::Signal::Traces);
    assert!(refused.rejected_requests > 0, "{refused:?}");
    assert_eq!(refused.accepted_items, 0);
    assert_eq!(other.stop().await, Drained::default());
    scene.end(setup.receiver().await, ids).await;
}

#[tokio::test]
async fn a_receiver_that_retires_leaves_what_it_holds_to_its_successor_on_the_same_disk() {
    let scene = Scene::new().await;
    let directory = tempdir().unwrap();
    let setup = on_disk(&scene.setup, directory.path());
    let old = setup.receiver().await;
    let ids = scene.fill(&old).await;
    let new = setup.receiver().await;
    assert_eq!(line(&new, LIVE).accepted, 0, "the old one has its logs");

    let kept = Drained {
        kept: 200,
        ..Drained::default()
    };
    assert_eq!(old.retire().await, kept);
    eventually("its logs are adopted", || line(&new, DEAD).held == 200).await;
    let done = line(&new, LIVE);
    assert_eq!((done.accepted, done.delivered), (200, 200), "{done:?}");
    scene.end(new, ids).await;
}
