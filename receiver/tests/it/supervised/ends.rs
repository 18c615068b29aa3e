//! How the processes end, and that none is left.

use super::process::{
    Config, PLAIN, Supervised, binary, children_of, eventually, signal, state_of,
};
use penstock_testkit::{Answer, Gate};
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};

#[tokio::test]
async fn what_was_acked_is_delivered_before_a_stop_is_over() {
    let mut receiver = Supervised::start(PLAIN).await;
    let gate = Gate::new();
    receiver.backend.otherwise(Answer::Ok.behind(&gate));
    receiver.send("held").await;
    receiver.backend.arrived(1).await;
    signal(receiver.supervisor(), Signal::TERM);
    receiver.says("drain phase").await;
    gate.open();
    assert_eq!(receiver.ended().await.code(), Some(0));
    assert_eq!(receiver.backend.delivered("traces"), ["held"]);
}

#[tokio::test]
async fn the_interrupt_of_a_terminal_goes_to_all_and_ends_all_in_order() {
    let mut receiver = Supervised::start(PLAIN).await;
    receiver.send("a").await;
    // The worker first: it leaves it to the supervisor.
    signal(receiver.worker().await, Signal::INT);
    receiver.send("b").await;
    signal(receiver.supervisor(), Signal::INT);
    assert_eq!(receiver.ended().await.code(), Some(0));
    assert_eq!(receiver.backend.delivered("traces").len(), 2);
}

#[tokio::test]
async fn no_worker_outlives_its_supervisor() {
    let mut receiver = Supervised::start(PLAIN).await;
    receiver.send("a").await;
    let address = receiver.http();
    signal(receiver.supervisor(), Signal::KILL);
    // Both have closed their standard error then.
    receiver.ended().await;
    assert!(std::net::TcpListener::bind(address).is_ok());
}

#[tokio::test]
async fn a_worker_that_hears_nothing_any_more_ends_with_its_supervisor() {
    let mut receiver = Supervised::start(PLAIN).await;
    let worker = receiver.worker().await;
    signal(worker, Signal::STOP);
    eventually("the worker runs", || state_of(worker) == Some('T')).await;
    signal(receiver.supervisor(), Signal::KILL);
    signal(worker, Signal::CONT);
    receiver.ended().await;
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_the_end_with_code_two() {
    let mut receiver = Supervised::begin(PLAIN, Command::new(binary())).await;
    receiver.serves().await;
    let taken = receiver.http();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    let of_port = format!(
        "
receivers: {{otlp: {{protocols: {{http: {{endpoint: '{taken}'}}}}}}}}
exporters: {{debug: }}
service: {{pipelines: {{traces: {{receivers: [otlp], exporters: [debug]}}}}}}
penstock: {{admin: {{endpoint: '127.0.0.1:0'}}, log: {{storage: memory}}}}
"
    );
    for (text, code, reason) in [
        ("receivers: {otpl: }", 2, "config.yaml:1:"),
        // It may be free at another time.
        (&of_port, 1, taken.to_string().as_str()),
    ] {
        fs::write(&path, text).unwrap();
        let output = Command::new(binary())
            .arg("--config")
            .arg(&path)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(reason), "{said}");
        assert_eq!(output.status.code(), Some(code), "{said}");
    }
    receiver.stop().await;
}

#[tokio::test]
async fn a_first_worker_that_cannot_start_is_the_end_with_its_code_and_its_reason() {
    let config = Config {
        http: ", tls: {cert_file: /nowhere/cert.pem, key_file: /nowhere/key.pem}",
        ..PLAIN
    };
    let mut receiver = Supervised::begin(config, Command::new(binary())).await;
    let error = receiver.says("receiver did not start").await["error"].to_string();
    assert!(error.contains("/nowhere/cert.pem"), "{error}");
    assert_eq!(receiver.ended().await.code(), Some(2));
}

#[test]
fn a_worker_is_of_no_use_by_itself() {
    let output = Command::new(binary())
        .arg("worker")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("penstock-receiver itself"), "{said}");
}

/// `unshare` with what makes its child process 1 of a namespace, where that is permitted.
fn namespace() -> Option<Command> {
    let words = [
        "--user",
        "--map-root-user",
        "--pid",
        "--fork",
        "--kill-child",
    ];
    let possible = Command::new("unshare").args(words).arg("true").output();
    if !possible.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: namespaces are not permitted here");
        return None;
    }
    let mut command = Command::new("unshare");
    command.args(words).arg(binary());
    Some(command)
}

#[tokio::test]
async fn as_process_one_it_reaps_what_others_leave_and_ends_when_told() {
    let Some(command) = namespace() else { return };
    let mut receiver = Supervised::begin(PLAIN, command).await;
    receiver.serves().await;
    receiver.send("a").await;
    let [supervisor] = children_of(receiver.supervisor())[..] else {
        panic!("unshare has one child")
    };
    let [worker] = children_of(supervisor)[..] else {
        panic!("the supervisor has one child")
    };

    // As `kubectl exec` does: a process of the namespace leaves one behind.
    let leaves = "sleep 1000 < /dev/null > /dev/null 2>&1 &";
    let target = supervisor.to_string();
    let left = Command::new("nsenter")
        .args(["--target", &target, "--user", "--pid"])
        .args(["--preserve-credentials", "sh", "-c", leaves])
        .status();
    assert!(left.unwrap().success());
    let orphan = || {
        let children = children_of(supervisor);
        children.into_iter().find(|child| *child != worker)
    };
    eventually("no orphan", || orphan().is_some()).await;
    let orphan = orphan().unwrap();
    signal(orphan, Signal::KILL);
    eventually("the orphan is not reaped", || state_of(orphan).is_none()).await;

    // The worker is still known for what it is.
    signal(worker, Signal::KILL);
    receiver.send("b").await;
    receiver.is("restarts", 1).await;
    assert!(state_of(worker).is_none());
    receiver.send("c").await;
    signal(supervisor, Signal::TERM);
    assert_eq!(receiver.ended().await.code(), Some(0));
    let delivered = BTreeSet::from_iter(receiver.backend.delivered("traces"));
    assert_eq!(delivered.len(), 3);
}
