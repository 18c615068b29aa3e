//! A worker may die; the listener may not.

use super::process::{PLAIN, Supervised, asked, children_of, eventually, signal, state_of};
use crate::support::Raw;
use rustix::process::Signal;
use std::collections::BTreeSet;

#[tokio::test]
async fn connections_that_come_while_there_is_no_worker_are_served_by_the_next() {
    let receiver = Supervised::start(PLAIN).await;
    receiver.send("before").await;
    receiver.backend.arrived(1).await;
    let first = receiver.worker().await;

    // The supervisor cannot do anything about the worker's death for now.
    signal(receiver.supervisor(), Signal::STOP);
    signal(first, Signal::KILL);
    eventually("the worker lives", || state_of(first) == Some('Z')).await;
    let mut meanwhile = Vec::new();
    for id in ["one", "two", "three"] {
        meanwhile.push(asked(receiver.http(), id).await);
    }
    signal(receiver.supervisor(), Signal::CONT);
    for mut connection in meanwhile {
        assert_eq!(connection.answer().await.status, 200);
    }
    receiver.send("after").await;
    receiver.is("restarts", 1).await;
    assert_ne!(receiver.worker().await, first);
    let metrics = receiver.page("/metrics").await;
    assert!(metrics.contains("penstock_supervisor_worker_restarts_total 1"));

    let backend = receiver.stop().await;
    let delivered = BTreeSet::from_iter(backend.delivered("traces"));
    let sent = ["after", "before", "one", "three", "two"].map(str::to_owned);
    // At least once: the worker may have died before it noted that it had delivered.
    assert_eq!(delivered, BTreeSet::from(sent));
}

#[tokio::test]
async fn a_worker_that_is_killed_again_and_again_is_replaced_again_and_again() {
    let receiver = Supervised::start(PLAIN).await;
    for kill in 1..=5 {
        signal(receiver.worker().await, Signal::KILL);
        receiver.send(&format!("span-{kill}")).await;
        receiver.is("restarts", kill).await;
    }
    assert_eq!(children_of(receiver.supervisor()).len(), 1);
    receiver.stop().await;
}

#[tokio::test]
async fn a_worker_that_is_asked_to_go_has_a_successor_before_it_has_gone() {
    let receiver = Supervised::start(PLAIN).await;
    let mut connection = asked(receiver.http(), "before").await;
    assert_eq!(connection.answer().await.status, 200);
    let first = receiver.worker().await;
    signal(first, Signal::USR2);
    receiver.is("restarts", 1).await;
    connection.closed().await;
    receiver.send("after").await;
    assert_ne!(receiver.worker().await, first);
    let backend = receiver.stop().await;
    let mut delivered = backend.delivered("traces");
    delivered.sort_unstable();
    assert_eq!(delivered, ["after", "before"]);
}

#[tokio::test]
async fn workers_that_leave_by_themselves_do_not_pile_up() {
    let mut receiver = Supervised::start(PLAIN).await;
    let mut unfinished = Vec::new();
    for leaver in 1..=3 {
        // It waits for the rest of the call.
        let mut raw = Raw::connect(receiver.http()).await;
        raw.write("POST /v1/traces HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n-")
            .await;
        unfinished.push(raw);
        signal(receiver.worker().await, Signal::USR2);
        receiver.is("restarts", leaver).await;
    }
    receiver
        .says("too many workers leave; the oldest killed")
        .await;
    receiver.send("a").await;
    drop(unfinished);
    let backend = receiver.stop().await;
    assert_eq!(backend.delivered("traces"), ["a"]);
}
