//! Senders that report to an oracle.

use super::{Client, Reply};
use penstock_testkit::{Oracle, numbered, request};
use std::sync::atomic::{AtomicBool, Ordering};

/// Items of a request of [`keep_pushing`], as in one of Envoy's.
const ITEMS: usize = 5;

/// Sends one request with these items over gRPC; an ack is told to the oracle.
pub(crate) async fn push(client: &Client, oracle: &Oracle, signal: &str, ids: &[String]) -> Reply {
    try_push(client, oracle, signal, ids).await.unwrap()
}

async fn try_push(
    client: &Client,
    oracle: &Oracle,
    signal: &str,
    ids: &[String],
) -> Result<Reply, hyper::Error> {
    oracle.issue(ids);
    let reply = client.export(signal, request(signal, ids)).await?;
    if reply.is_ack() {
        oracle.ack(ids);
    }
    Ok(reply)
}

/// Sends one request after the other until told to stop or the connection has ended; each has to be acked.
pub(crate) async fn keep_pushing(
    client: &Client,
    oracle: &Oracle,
    signal: &str,
    name: &str,
    stop: &AtomicBool,
) {
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let ids = numbered(&format!("{name}-{number}"), ITEMS);
        match try_push(client, oracle, signal, &ids).await {
            Ok(reply) => assert!(reply.is_ack(), "{reply:?}"),
            Err(_connection_ended) => return,
        }
    }
}
