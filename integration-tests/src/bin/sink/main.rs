//! The backend of `cargo xtask bench` and of the end-to-end tests that kill: an OTLP/gRPC server that reads each request,
//! counts its items and says yes.
//!
//! Usage: `bench-sink [--listen HOST:PORT] [--record FILE] [--delay MILLISECONDS]`. Prints `{"message": "sink ready", "grpc": ...}`
//! on standard error and, on SIGTERM, one JSON object with calls and items on standard output. With `--record`, items must have
//! ids of `bench-oracle`, which are in the file before a request is answered. With `--delay`, each answer comes so much later.
//! Windows and frames are those of our exporters.

mod record;

use bytes::Bytes;
use clap::Parser;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use penstock_otlp::{
    Signal,
    check::{Checked, check},
};
use penstock_runtime::{Tasks, signals};
use record::Record;
use std::convert::Infallible;
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;

#[derive(Parser)]
struct Words {
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: String,
    #[arg(long)]
    record: Option<PathBuf>,
    #[arg(long, default_value_t = 0)]
    delay: u64,
}

/// Flow-control window of a call, and the largest frame.
const STREAM_WINDOW: u32 = 256 << 10;
/// The same for all calls of a connection.
const CONNECTION_WINDOW: u32 = 64 * STREAM_WINDOW;

#[derive(Default)]
struct Counts {
    calls: AtomicU64,
    items: AtomicU64,
    record: Option<Record>,
    delay: Duration,
}

fn main() -> Result<(), Box<dyn Error>> {
    let words = Words::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let record = words.record.as_deref().map(Record::open).transpose()?;
    let counts = Arc::new(Counts {
        record,
        delay: Duration::from_millis(words.delay),
        ..Counts::default()
    });
    runtime.block_on(serve(&words.listen, Arc::clone(&counts)))?;
    let (calls, items) = (&counts.calls, &counts.items);
    let told = |count: &AtomicU64| count.load(Ordering::Relaxed);
    println!(
        "{}",
        serde_json::json!({"calls": told(calls), "items": told(items)})
    );
    Ok(())
}

async fn serve(address: &str, counts: Arc<Counts>) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?.to_string();
    eprintln!(
        "{}",
        serde_json::json!({"message": "sink ready", "grpc": address})
    );
    let tasks = Tasks::new();
    let mut stopping = std::pin::pin!(signals::stop_requested());
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted?,
            _ = &mut stopping => return Ok(()),
        };
        stream.set_nodelay(true)?;
        let counts = Arc::clone(&counts);
        tasks.spawn("connection", async move {
            let service = service_fn(|request| answer(request, Arc::clone(&counts)));
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .initial_stream_window_size(STREAM_WINDOW)
                .initial_connection_window_size(CONNECTION_WINDOW)
                .max_frame_size(STREAM_WINDOW)
                .serve_connection(TokioIo::new(stream), service);
            drop(server.await);
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    counts: Arc<Counts>,
) -> Result<Response<http_body_util::combinators::WithTrailers<Full<Bytes>, Trailers>>, Infallible>
{
    let signal = Signal::from_grpc_path(request.uri().path());
    let body = request
        .into_body()
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes);
    let items = match (signal, body) {
        (Some(signal), Ok(body)) if body.len() >= 5 => check(signal, body.slice(5..))
            .ok()
            .map(|checked| (signal, checked)),
        _ => None,
    };
    let recorded = |(signal, checked): &(Signal, Checked)| match &counts.record {
        Some(record) => record.write(signal.name(), &checked.body, checked.items),
        None => true,
    };
    let items = items.filter(recorded).map(|(_, checked)| checked.items);
    if !counts.delay.is_zero() {
        tokio::time::sleep(counts.delay).await;
    }
    // A request that cannot be counted is an error, or the bench would praise what it lost.
    let status = if items.is_some() { "0" } else { "13" };
    counts.calls.fetch_add(1, Ordering::Relaxed);
    counts
        .items
        .fetch_add(items.unwrap_or_default() as u64, Ordering::Relaxed);
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static(status));
    let empty_message = Full::new(Bytes::from_static(&[0; 5]));
    let mut response =
        Response::new(empty_message.with_trailers(std::future::ready(Some(Ok(trailers)))));
    response
        .headers_mut()
        .insert("content-type", HeaderValue::from_static("application/grpc"));
    Ok(response)
}

type Trailers = std::future::Ready<Option<Result<HeaderMap, Infallible>>>;
