//! Hold first, refuse last, and never one signal for another's sake.

use crate::frames::Frames;
use crate::support::{Client, MIB, finish, finish_whole, large_traces, settings, start, until};
use bytes::Bytes;
use penstock_otlp::Signal;
use penstock_otlp::status::Status;
use penstock_receiver::Receiver;
use penstock_settings::Settings;
use penstock_testkit::{Answer, Backend, Gate, request};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tonic::Code;

/// Bytes for each signal; new requests wait above half of it.
const SHARE: usize = MIB;

fn small(exporters: [SocketAddr; 2], max_hold: Duration) -> Settings {
    let mut settings = settings(exporters);
    let memory = &mut settings.penstock.memory;
    memory.limit_bytes = 3 * SHARE;
    memory.high_mark = 0.5;
    memory.max_hold = max_hold;
    settings
}

/// Sends `calls` requests of 100 kB at once; the answers come as the tasks end.
fn flood(client: &Client, calls: usize) -> (JoinSet<Result<(), tonic::Status>>, usize) {
    let (body, items) = large_traces("flood", 100_000);
    let mut sending = JoinSet::new();
    for _ in 0..calls {
        let (client, body) = (client.clone(), body.clone());
        sending.spawn(async move { client.send(Signal::Traces, &body).await });
    }
    (sending, items)
}

#[tokio::test]
async fn calls_are_held_while_the_budget_is_full_and_acked_when_it_frees() {
    let gate = Gate::new();
    let [one, two] = [Backend::start().await, Backend::start().await];
    one.otherwise(Answer::Ok.behind(&gate));
    let hour = Duration::from_secs(3600);
    let receiver = start(small([one.address(), two.address()], hour)).await;
    let client = Client::connect(&receiver).await;

    let (mut sending, items) = flood(&client, 20);
    until(|| receiver.waiting(Signal::Traces) > 0).await;
    assert!(receiver.held_bytes(Signal::Traces) <= SHARE);
    assert_eq!(receiver.counts(Signal::Traces).refused_requests, 0);
    gate.open();
    while let Some(answer) = sending.join_next().await {
        answer.unwrap().unwrap();
    }

    drop(client);
    let lines = finish_whole(receiver).await;
    let traces = lines.iter().find(|line| line.signal == "traces").unwrap();
    assert_eq!(traces.delivered, 20 * items as u64);
}

#[tokio::test]
async fn after_the_longest_hold_calls_are_refused_with_their_items_counted() {
    let gate = Gate::new();
    let [one, two] = [Backend::start().await, Backend::start().await];
    one.otherwise(Answer::Ok.behind(&gate));
    let receiver = start(small(
        [one.address(), two.address()],
        Duration::from_millis(50),
    ))
    .await;
    let client = Client::connect(&receiver).await;

    let (mut sending, items) = flood(&client, 20);
    let (mut acked, mut refused) = (0, 0);
    while let Some(answer) = sending.join_next().await {
        match answer.unwrap() {
            Ok(()) => acked += 1,
            Err(status) => {
                assert_eq!(status.code(), Code::Unavailable);
                let details = Status::decode(status.details()).unwrap();
                assert!(details.retry_after.is_some(), "{details}");
                refused += 1;
            }
        }
    }
    assert!(acked > 0 && refused > 0, "{acked} acked, {refused} refused");
    let counts = receiver.counts(Signal::Traces);
    assert_eq!(counts.refused_requests, refused);
    assert_eq!(counts.uncounted_requests, 0);
    assert_eq!(counts.refused_items, refused * items as u64);

    gate.open();
    drop(client);
    let lines = finish_whole(receiver).await;
    let traces = lines.iter().find(|line| line.signal == "traces").unwrap();
    assert_eq!(traces.delivered, acked * items as u64);
}

#[tokio::test]
async fn a_flood_of_traces_with_a_dead_exporter_does_not_touch_metrics() {
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dead = nobody.local_addr().unwrap();
    drop(nobody);
    let alive = Backend::start().await;
    let mut settings = small([dead, alive.address()], Duration::from_secs(30));
    settings.penstock.drain_deadline = Duration::from_millis(500);
    let receiver = start(settings).await;
    // kuma-dp sends all signals over one connection.
    let client = Client::connect(&receiver).await;

    let (mut sending, _) = flood(&client, 60);
    until(|| receiver.waiting(Signal::Traces) > 0).await;
    for number in 0..50 {
        let body = request("metrics", &[format!("point-{number}")]);
        client.send(Signal::Metrics, &body).await.unwrap();
    }
    alive.arrived(1).await;
    assert!(
        receiver.waiting(Signal::Traces) > 0,
        "traces are still held"
    );
    let metrics = receiver.counts(Signal::Metrics);
    assert_eq!((metrics.refused_items, metrics.accepted_items), (0, 50));

    sending.shutdown().await;
    drop(client);
    let (drained, lines) = finish(receiver).await;
    let dropped: u64 = lines.iter().map(|line| line.dropped).sum();
    assert_eq!(drained.dropped, dropped);
    assert!(
        lines
            .iter()
            .all(|line| (line.dropped > 0) == (line.signal == "traces")),
        "{lines:?}"
    );
    assert_eq!(alive.delivered("metrics").len(), 50);
}

#[tokio::test]
async fn as_many_held_calls_as_a_connection_may_have_leave_room_for_other_signals() {
    const HELD: u32 = 1024;
    let gate = Gate::new();
    let [one, two] = [Backend::start().await, Backend::start().await];
    one.otherwise(Answer::Ok.behind(&gate));
    let hour = Duration::from_secs(3600);
    let receiver = start(small([one.address(), two.address()], hour)).await;
    let mut client = Frames::connect(receiver.grpc().next().unwrap()).await;
    // The budget is full above the mark: from here on every call of traces is held.
    let (fill, filled) = large_traces("fill", SHARE * 9 / 10);
    client.call(Signal::Traces, None, &fill).await;
    client.answered().await;
    let (body, items) = large_traces("held", 4400);
    for _ in 0..HELD {
        client.call(Signal::Traces, None, &body).await;
    }
    let waiting = HELD as usize;
    until(|| receiver.waiting(Signal::Traces) >= waiting).await;
    for number in 0..50 {
        let point = request("metrics", &[format!("point-{number}")]);
        let id = client.call(Signal::Metrics, None, &point).await;
        while client.answered().await != id {}
    }
    assert_eq!(receiver.counts(Signal::Metrics).accepted_items, 50);
    assert!(receiver.waiting(Signal::Traces) >= waiting, "still held");
    assert_eq!(receiver.counts(Signal::Traces).refused_requests, 0);

    gate.open();
    let all = filled as u64 + u64::from(HELD) * items as u64;
    while receiver.counts(Signal::Traces).accepted_items < all {
        client.answered().await;
    }
    drop(client);
    finish_whole(receiver).await;
}

#[tokio::test]
async fn full_connection_is_held_instead_of_refused() {
    let gate = Gate::new();
    let [one, two] = [Backend::start().await, Backend::start().await];
    one.otherwise(Answer::Ok.behind(&gate));
    let hour = Duration::from_secs(3600);
    let mut settings = small([one.address(), two.address()], hour);
    for receiver in settings.receivers.values_mut() {
        receiver.grpc.as_mut().unwrap().max_concurrent_streams = 2;
    }
    let receiver = start(settings).await;
    let mut client = Frames::connect(receiver.grpc().next().unwrap()).await;
    let (fill, _) = large_traces("fill", SHARE * 9 / 10);
    client.call(Signal::Traces, None, &fill).await;
    client.answered().await;
    let (body, _) = large_traces("held", 4400);
    // Six streams are for all signals together: two of them would be enough for traces. The third fills the connection.
    for held in 1..=3 {
        client.call(Signal::Traces, None, &body).await;
        until(|| receiver.waiting(Signal::Traces) == held).await;
    }
    for _ in 0..3 {
        client.call(Signal::Traces, None, &body).await;
    }
    let other = Client::connect(&receiver).await;
    for number in 0..50 {
        let metrics = request("metrics", &[format!("point-{number}")]);
        other.send(Signal::Metrics, &metrics).await.unwrap();
    }
    assert_eq!(receiver.waiting(Signal::Traces), 3, "the rest is not read");
    assert_eq!(receiver.counts(Signal::Traces).refused_requests, 0);

    gate.open();
    for _ in 0..6 {
        client.answered().await;
    }
    drop((client, other));
    finish_whole(receiver).await;
}

/// As many calls as a sidecar may have under way, on each of some connections. Tells how many were answered with OK and how
/// many were not.
fn many(receiver: &Receiver, body: &Bytes, connections: usize) -> JoinSet<(u64, u64)> {
    let address = receiver.grpc().next().unwrap();
    let mut sending = JoinSet::new();
    for _ in 0..connections {
        let body = body.clone();
        sending.spawn(async move {
            let (mut client, mut answers) = (Frames::connect(address).await, (0, 0));
            for _ in 0..1024 {
                client.call(Signal::Traces, None, &body).await;
            }
            for _ in 0..1024 {
                match client.ended().await {
                    (_, true) => answers.0 += 1,
                    (_, false) => answers.1 += 1,
                }
            }
            answers
        });
    }
    sending
}

#[tokio::test]
async fn full_pool_holds_the_connections_instead_of_refusing() {
    // What 10 MiB have room for, a held call being counted with gRPC's five bytes and 4 KiB for itself.
    let (body, _) = large_traces("held", 4400);
    let room = 10 * MIB / (5 + body.len() + 4096);
    let gate = Gate::new();
    let [one, two] = [Backend::start().await, Backend::start().await];
    one.otherwise(Answer::Ok.behind(&gate));
    let hour = Duration::from_secs(3600);
    let receiver = start(small([one.address(), two.address()], hour)).await;
    let client = Client::connect(&receiver).await;
    let other = Client::connect(&receiver).await;
    let (fill, _) = large_traces("fill", SHARE * 9 / 10);
    client.send(Signal::Traces, &fill).await.unwrap();
    let mut sending = many(&receiver, &body, 4);
    until(|| receiver.waiting(Signal::Traces) >= room * 3 / 4).await;
    for number in 0..50 {
        let point = request("metrics", &[format!("point-{number}")]);
        other.send(Signal::Metrics, &point).await.unwrap();
    }
    assert!(receiver.waiting(Signal::Traces) <= room);

    gate.open();
    while let Some(answers) = sending.join_next().await {
        assert_eq!(answers.unwrap(), (1024, 0));
    }
    assert_eq!(receiver.counts(Signal::Traces).refused_requests, 0);
    drop((client, other));
    finish_whole(receiver).await;
}

/// That such a connection need not wait for a turn is shown by the unit tests of the places.
#[tokio::test]
async fn calls_refused_for_one_signal_take_no_place_of_another() {
    let gate = Gate::new();
    let [one, two] = [Backend::start().await, Backend::start().await];
    one.otherwise(Answer::Ok.behind(&gate));
    let hold = Duration::from_millis(500);
    let receiver = start(small([one.address(), two.address()], hold)).await;
    let client = Client::connect(&receiver).await;
    let metrics = request("metrics", &["early"]);
    client.send(Signal::Metrics, &metrics).await.unwrap();
    let (fill, _) = large_traces("fill", SHARE * 9 / 10);
    client.send(Signal::Traces, &fill).await.unwrap();
    let (body, _) = large_traces("held", 4400);
    let mut sending = many(&receiver, &body, 4);
    until(|| receiver.counts(Signal::Traces).refused_requests > 0).await;
    // A connection that brings both, while traces are held and refused.
    for number in 0..50 {
        let body = request("metrics", &[format!("point-{number}")]);
        client.send(Signal::Metrics, &body).await.unwrap();
    }
    while let Some(answers) = sending.join_next().await {
        assert_eq!(answers.unwrap(), (0, 1024));
    }
    let counts = receiver.counts(Signal::Traces);
    assert_eq!(counts.refused_requests, 4 * 1024);
    assert_eq!(receiver.counts(Signal::Metrics).refused_requests, 0);
    gate.open();
    drop(client);
    finish_whole(receiver).await;
}
