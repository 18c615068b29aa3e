//! The load generator of `cargo xtask bench`: unary OTLP/gRPC calls over plain HTTP/2, as cheap as they can be made, so that
//! one core of it can fill one core of a server.
//!
//! `bench-load HOST:PORT REQUESTS CONNECTIONS IN_FLIGHT SECONDS` makes calls in a closed loop: IN_FLIGHT at a time on each
//! connection. REQUESTS are files of one signal with commas between them, which take turns, or `bulk-traces` or
//! `bulk-metrics`: 100 items as an SDK's batches have them. With a sixth word, CALLS_A_SECOND, the loop is open: calls begin at that rate over all connections, whether or
//! not the ones before were answered, with at most IN_FLIGHT unanswered; what was due and found no place is told as `unsent`.
//! Prints one JSON object: calls, items, seconds, failures, unsent, latencies in microseconds and CPU seconds.
//!
//! `bench-load idle HOST:PORT REQUESTS CONNECTIONS` makes one call on each connection, prints
//! `{"message": "idle", "failures": n}` on standard error and keeps all of them open until SIGTERM.
//!
//! The signal is the one in the first file's name.

mod bulk;
mod connection;
mod frames;
mod request;

use bytes::Bytes;
use connection::{Connection, Pace, Seen};
use penstock_otlp::{Signal, check::check};
use penstock_runtime::{Tasks, signals};
use request::{Message, Request};
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// How long after the end an answer may take; longer than any server holds a call.
const PATIENCE: Duration = Duration::from_secs(30);
const USAGE: &str =
    "usage: bench-load HOST:PORT REQUESTS CONNECTIONS IN_FLIGHT SECONDS [CALLS_A_SECOND]
       bench-load idle HOST:PORT REQUESTS CONNECTIONS";

fn main() -> Outcome {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match words.as_slice() {
        ["idle", target, requests, connections] => {
            let request = request_of(target, requests)?;
            runtime.block_on(idle(target, &request, connections.parse()?))
        }
        [target, requests, connections, in_flight, seconds, rate @ ..] if rate.len() < 2 => {
            let request = request_of(target, requests)?;
            let load = Load {
                target: (*target).to_owned(),
                request,
                connections: connections.parse()?,
                in_flight: in_flight.parse()?,
                time: Duration::try_from_secs_f64(seconds.parse()?)?,
                rate: rate.first().map(|rate| rate.parse()).transpose()?,
            };
            let start = Instant::now();
            let seen = runtime.block_on(load.run())?;
            println!("{}", report(&seen, start.elapsed()));
            Ok(())
        }
        _ => Err(USAGE.into()),
    }
}

/// What these words name.
fn request_of(target: &str, requests: &str) -> Outcome<Arc<Request>> {
    let named = |signal: &Signal| requests.contains(signal.name());
    let signal = Signal::ALL
        .into_iter()
        .find(named)
        .ok_or("the requests' name names no signal")?;
    let bodies = match bulk::request(requests) {
        Some(body) => vec![body],
        None => requests
            .split(',')
            .map(std::fs::read)
            .collect::<Result<_, _>>()?,
    };
    let messages = bodies.into_iter().map(|body| {
        let checked = check(signal, Bytes::from(body))?;
        Message::new(&checked.body, checked.items)
    });
    let messages = messages.collect::<Outcome<_>>()?;
    let request = Request::new(signal.grpc_path(), target, messages)?;
    Ok(Arc::new(request))
}

struct Load {
    target: String,
    request: Arc<Request>,
    connections: u32,
    in_flight: usize,
    time: Duration,
    /// Calls a second over all connections; as many as are answered if `None`.
    rate: Option<f64>,
}

impl Load {
    async fn run(self) -> Outcome<Seen> {
        let tasks = Tasks::new();
        let all = Arc::new(Mutex::new(Seen::default()));
        let mut connections = Vec::new();
        for n in 0..self.connections {
            connections.push(Connection::open(&self.target, &self.request, n as usize).await?);
        }
        let start = Instant::now();
        for (n, mut connection) in (0u32..).zip(connections) {
            let pace = Pace {
                in_flight: self.in_flight,
                start: start + Pace::TICK * n / self.connections,
                end: start + self.time,
                rate: self.rate.map(|rate| rate / f64::from(self.connections)),
            };
            let all = Arc::clone(&all);
            tasks.spawn("connection", async move {
                if timeout(self.time + PATIENCE, connection.run(&pace))
                    .await
                    .is_err()
                {
                    connection.give_up("no answer");
                }
                let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                all.add(connection.seen());
            });
        }
        tasks.ended().await;
        let seen = std::mem::take(&mut *all.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(seen)
    }
}

async fn idle(target: &str, request: &Arc<Request>, connections: u32) -> Outcome {
    let tasks = Tasks::new();
    let (called, mut calls) = mpsc::channel(64);
    for _ in 0..connections {
        let mut connection = Connection::open(target, request, 0).await?;
        let called = called.clone();
        tasks.spawn("connection", async move {
            connection.once().await;
            // The receiver outlives all senders unless SIGTERM came first.
            let _told = called.send(connection.seen()).await.is_ok();
            connection.hold().await;
        });
    }
    let mut all = Seen::default();
    for _ in 0..connections {
        all.add(calls.recv().await.unwrap_or_default());
    }
    let failures = all.failures;
    eprintln!(
        "{}",
        serde_json::json!({"message": "idle", "failures": failures})
    );
    signals::stop_requested().await?;
    Ok(())
}

fn report(seen: &Seen, elapsed: Duration) -> serde_json::Value {
    let mut micros = seen.micros.clone();
    micros.sort_unstable();
    let at = |part: usize| {
        micros
            .get(micros.len() * part / 1000)
            .copied()
            .unwrap_or_default()
    };
    serde_json::json!({
        "calls": micros.len(),
        "items": seen.items,
        "failures": seen.failures,
        "failure": seen.failure,
        "unsent": seen.unsent,
        "seconds": elapsed.as_secs_f64(),
        "p50_micros": at(500),
        "p99_micros": at(990),
        "cpu_seconds": cpu_seconds(),
    })
}

/// CPU time of this thread, which does all the work.
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanos: f64 = stat.split_whitespace().next()?.parse().ok()?;
    Some(nanos / 1e9)
}
