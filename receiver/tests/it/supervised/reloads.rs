//! A configuration takes another's place without a sender noticing, or not at all.

use super::process::{Config, PLAIN, Supervised, asked, children_of, eventually, send, signal};
use penstock_testkit::{Answer, Gate, Pki};
use rustix::process::{Pid, Signal};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Another configuration than the plain one, in something that changes nothing else.
const OTHER: Config<'static> = Config {
    http: ", max_request_body_size: 1000000",
    ..PLAIN
};
const BROKEN: Config<'static> = Config {
    http: ", max_request_body_sise: 1000000",
    ..PLAIN
};
/// Known to be wrong only by a worker that tries to start.
const UNUSABLE: Config<'static> = Config {
    http: ", tls: {cert_file: /nowhere/cert.pem, key_file: /nowhere/key.pem}",
    ..PLAIN
};

/// Senders that call one after the other until they are told to end, some on a new connection each time.
struct Stream {
    end: Arc<AtomicBool>,
    senders: JoinSet<Vec<String>>,
}

impl Stream {
    fn start(address: SocketAddr) -> Self {
        let end = Arc::new(AtomicBool::new(false));
        let mut senders = JoinSet::new();
        for sender in 0..4 {
            let end = Arc::clone(&end);
            senders.spawn(async move {
                let mut acked = Vec::new();
                while !end.load(Ordering::Relaxed) {
                    let id = format!("span-{sender}-{}", acked.len());
                    assert_eq!(send(address, &id).await.status, 200);
                    acked.push(id);
                }
                acked
            });
        }
        Self { end, senders }
    }

    /// What was acked, which is all that was sent.
    async fn end(self) -> Vec<String> {
        self.end.store(true, Ordering::Relaxed);
        let mut acked = self.senders.join_all().await.concat();
        acked.sort_unstable();
        acked
    }
}

#[tokio::test]
async fn no_call_fails_while_configurations_change() {
    let mut receiver = Supervised::start(PLAIN).await;
    let stream = Stream::start(receiver.http());
    let first = receiver.worker().await;

    // One that is changed in the file.
    receiver.configure(OTHER);
    receiver.is("reloads", 1).await;
    let second = receiver.worker().await;
    assert_ne!(second, first);

    // One that cannot be read, and one that cannot be started.
    for (config, failures, reason) in [
        (BROKEN, 1, "max_request_body_sise"),
        (UNUSABLE, 2, "/nowhere/cert.pem"),
    ] {
        receiver.configure(config);
        // Sooner than it would be looked at.
        signal(receiver.supervisor(), Signal::HUP);
        receiver.is("reload_failures", failures).await;
        let state = receiver.state().await;
        let fault = state["supervisor"]["configuration_fault"].to_string();
        assert!(fault.contains(reason), "{fault}");
        let told = receiver
            .says("configuration not taken over; the old one runs on")
            .await;
        assert!(told["error"].to_string().contains(reason), "{told}");
    }
    let metrics = receiver.page("/metrics").await;
    assert!(metrics.contains("penstock_supervisor_reload_failures_total 2"));
    assert!(metrics.contains("penstock_supervisor_configuration_faulty 1"));
    assert_eq!(receiver.worker().await, second);

    // What runs already needs nobody new.
    receiver.configure(OTHER);
    receiver
        .is("configuration_fault", serde_json::Value::Null)
        .await;
    receiver.is("reloads", 1).await;

    // Several at once.
    for _ in 0..5 {
        signal(receiver.supervisor(), Signal::HUP);
    }
    receiver.configure(PLAIN);
    let generations = || children_of(receiver.supervisor()).len();
    while receiver.state().await["supervisor"]["reloads"].as_u64() < Some(2) || generations() > 1 {
        assert!(generations() <= 3);
    }

    let acked = stream.end().await;
    let backend = receiver.stop().await;
    let mut delivered = backend.delivered("traces");
    delivered.sort_unstable();
    assert_eq!(delivered.len(), acked.len());
    assert!(delivered == acked);
}

#[tokio::test]
async fn a_worker_that_dies_is_replaced_by_one_with_what_ran_whatever_is_in_the_file() {
    let receiver = Supervised::start(PLAIN).await;
    for (config, failures) in [(BROKEN, 1), (UNUSABLE, 2)] {
        receiver.configure(config);
        // Sooner than it would be looked at.
        signal(receiver.supervisor(), Signal::HUP);
        receiver.is("reload_failures", failures).await;
        signal(receiver.worker().await, Signal::KILL);
        receiver.send(&format!("span-{failures}")).await;
        receiver.is("restarts", failures).await;
        let state = receiver.state().await;
        assert!(state["supervisor"]["configuration_fault"].is_string());
    }
    receiver.stop().await;
}

#[tokio::test]
async fn a_port_that_is_not_wanted_any_more_closes_and_one_that_is_new_opens() {
    let more = Config {
        receivers: "  otlp/more: {protocols: {http: {endpoint: '127.0.0.1:0'}}}",
        ids: ", otlp/more",
        ..PLAIN
    };
    let mut receiver = Supervised::start(more).await;
    let (stays, goes) = (receiver.http(), receiver.last_http());
    assert_ne!(stays, goes);
    let mut idle = asked(goes, "a").await;
    assert_eq!(idle.answer().await.status, 200);

    receiver.configure(PLAIN);
    receiver.serves().await;
    receiver.is("reloads", 1).await;
    assert_eq!(receiver.http(), stays);
    idle.closed().await;
    let mut refused = false;
    while !refused {
        refused = TcpStream::connect(goes).await.is_err();
    }
    receiver.send("b").await;

    receiver.configure(more);
    receiver.serves().await;
    assert_eq!(receiver.http(), stays);
    assert_eq!(send(receiver.last_http(), "c").await.status, 200);
    let backend = receiver.stop().await;
    assert_eq!(backend.delivered("traces").len(), 3);
}

/// A server's certificate that cannot be read before somebody writes it: a worker hangs in its start.
struct Hanging {
    folder: tempfile::TempDir,
    cert_pem: String,
}

impl Hanging {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let identity = Pki::new().server(&["localhost"]);
        let hanging = Self {
            folder,
            cert_pem: identity.cert_pem,
        };
        fs::write(hanging.at("key.pem"), identity.key_pem).unwrap();
        let made = Command::new("mkfifo").arg(hanging.cert()).status();
        assert!(made.unwrap().success());
        hanging
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn cert(&self) -> PathBuf {
        self.at("cert.pem")
    }

    fn http(&self) -> String {
        let path = |path: &Path| path.display().to_string();
        let (cert, key) = (path(&self.cert()), path(&self.at("key.pem")));
        format!(", tls: {{cert_file: '{cert}', key_file: '{key}'}}")
    }
}

/// The worker that starts beside the one that serves.
async fn starting(receiver: &Supervised, serving: Pid) -> Pid {
    let starts = || {
        let mut workers = children_of(receiver.supervisor()).into_iter();
        workers.find(|worker| *worker != serving)
    };
    eventually("no other worker starts", || starts().is_some()).await;
    starts().unwrap()
}

#[tokio::test]
async fn a_worker_that_dies_while_another_configuration_starts_is_replaced_before_that_is_ready() {
    let receiver = Supervised::start(PLAIN).await;
    let hanging = Hanging::new();
    let first = receiver.worker().await;
    receiver.configure(Config {
        http: &hanging.http(),
        ..PLAIN
    });
    starting(&receiver, first).await;
    signal(first, Signal::KILL);
    receiver.send("a").await;
    receiver.is("restarts", 1).await;
    receiver.is("reloads", 0).await;
    let backend = receiver.stop().await;
    assert_eq!(backend.delivered("traces"), ["a"]);
}

#[tokio::test]
async fn a_fault_in_the_file_is_told_though_an_earlier_configuration_gets_ready_after_it() {
    let receiver = Supervised::start(PLAIN).await;
    let hanging = Hanging::new();
    receiver.configure(Config {
        http: &hanging.http(),
        ..PLAIN
    });
    starting(&receiver, receiver.worker().await).await;
    receiver.configure(BROKEN);
    receiver.is("reload_failures", 1).await;
    fs::write(hanging.cert(), &hanging.cert_pem).unwrap();
    receiver.is("reloads", 1).await;
    let state = receiver.state().await;
    assert!(state["supervisor"]["configuration_fault"].is_string());
    receiver.stop().await;
}

#[tokio::test]
async fn what_nobody_will_look_for_is_delivered_by_the_worker_that_has_it() {
    let mut receiver = Supervised::start(Config {
        receivers: "  otlp/more: {protocols: {http: {endpoint: '127.0.0.1:0'}}}",
        ids: ", otlp/more",
        ..PLAIN
    })
    .await;
    let gate = Gate::new();
    receiver.backend.otherwise(Answer::Ok.behind(&gate));
    assert_eq!(send(receiver.last_http(), "a").await.status, 200);
    receiver.backend.arrived(1).await;
    receiver.configure(PLAIN);
    let told = receiver.says("the worker before drains to its end").await;
    assert!(told["reason"].to_string().contains("otlp/more"), "{told}");
    // Said once it would have left it: nothing is given to its exporters for long otherwise.
    receiver
        .says("nobody comes after: what is held is not left behind")
        .await;
    gate.open();
    assert_eq!(receiver.says("receiver stopped").await["kept_items"], 0);
    let backend = receiver.stop().await;
    assert_eq!(backend.delivered("traces"), ["a"]);
}
