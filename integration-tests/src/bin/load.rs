//! The load generator of `cargo xtask bench`: unary OTLP/gRPC calls in a closed loop, as cheap as hyper lets them be.
//!
//! Usage: `bench-load HOST:PORT REQUEST.pb CONNECTIONS IN_FLIGHT SECONDS`. The signal is the one in the file's name.
//! Prints one JSON object: calls, items, seconds, failures, and latencies in microseconds.

use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use penstock_otlp::{Signal, check::check};
use penstock_runtime::Tasks;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// What one worker saw.
#[derive(Default)]
struct Seen {
    micros: Vec<u32>,
    failures: u64,
}

fn main() -> Outcome {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [target, file, connections, in_flight, seconds] = words.as_slice() else {
        return Err("usage: bench-load HOST:PORT REQUEST.pb CONNECTIONS IN_FLIGHT SECONDS".into());
    };
    let named = |signal: &Signal| file.contains(signal.name());
    let signal = Signal::ALL
        .into_iter()
        .find(named)
        .ok_or("the file's name names no signal")?;
    let checked = check(signal, Bytes::from(std::fs::read(file)?))?;
    let load = Load {
        target: target.clone(),
        signal,
        message: framed(&checked.body),
        connections: connections.parse()?,
        in_flight: in_flight.parse()?,
        time: Duration::from_secs(seconds.parse()?),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let start = Instant::now();
    let seen = runtime.block_on(load.run())?;
    println!("{}", report(&seen, checked.items, start.elapsed()));
    Ok(())
}

struct Load {
    target: String,
    signal: Signal,
    message: Bytes,
    connections: usize,
    in_flight: usize,
    time: Duration,
}

impl Load {
    async fn run(self) -> Outcome<Seen> {
        let tasks = Tasks::new();
        let all = Arc::new(Mutex::new(Seen::default()));
        let end = Instant::now() + self.time;
        let uri = format!("http://{}{}", self.target, self.signal.grpc_path());
        for _ in 0..self.connections {
            let stream = TcpStream::connect(&self.target).await?;
            stream.set_nodelay(true)?;
            let handshake =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
            let (sender, connection) = handshake.await?;
            tasks.spawn("connection", async move {
                drop(connection.await);
            });
            for _ in 0..self.in_flight {
                let (sender, message, uri) = (sender.clone(), self.message.clone(), uri.clone());
                let all = Arc::clone(&all);
                tasks.spawn("caller", async move {
                    let seen = calls(sender, &uri, &message, end).await;
                    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
                    all.micros.extend(seen.micros);
                    all.failures += seen.failures;
                });
            }
        }
        tasks.ended().await;
        let seen = std::mem::take(&mut *all.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(seen)
    }
}

async fn calls(
    mut sender: SendRequest<Full<Bytes>>,
    uri: &str,
    message: &Bytes,
    end: Instant,
) -> Seen {
    let mut seen = Seen::default();
    while Instant::now() < end {
        let start = Instant::now();
        if call(&mut sender, uri, message).await.is_ok() {
            seen.micros
                .push(u32::try_from(start.elapsed().as_micros()).unwrap_or(u32::MAX));
        } else {
            seen.failures += 1;
            if sender.is_closed() {
                break;
            }
        }
    }
    seen
}

async fn call(sender: &mut SendRequest<Full<Bytes>>, uri: &str, message: &Bytes) -> Outcome {
    let request = http::Request::post(uri)
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Full::new(message.clone()))?;
    let response = sender.send_request(request).await?;
    let (head, body) = response.into_parts();
    let trailers = body.collect().await?;
    let status = head
        .headers
        .get("grpc-status")
        .or_else(|| trailers.trailers()?.get("grpc-status"));
    if status.is_some_and(|status| status == "0") {
        Ok(())
    } else {
        Err("refused".into())
    }
}

fn framed(body: &Bytes) -> Bytes {
    let mut message = BytesMut::with_capacity(body.len() + 5);
    message.put_u8(0);
    message.put_u32(u32::try_from(body.len()).unwrap_or(u32::MAX));
    message.extend_from_slice(body);
    message.freeze()
}

fn report(seen: &Seen, items: usize, elapsed: Duration) -> serde_json::Value {
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
        "items": micros.len() * items,
        "failures": seen.failures,
        "seconds": elapsed.as_secs_f64(),
        "p50_micros": at(500),
        "p99_micros": at(990),
    })
}
