//! The backend of `cargo xtask bench` and of the end-to-end tests that kill: an OTLP/gRPC server that reads each request,
//! counts its items and says yes.
//!
//! Usage: `bench-sink [--listen HOST:PORT] [--record FILE] [--delay MILLISECONDS]`. Prints
//! `{"message": "sink ready", "grpc": ..., "admin": ...}` on standard error and, on SIGTERM, one JSON object with calls and items
//! on standard output; `GET /` of the admin port gives the same at any time. With `--record`, items must have ids of
//! `bench-oracle`, which are in the file before a request is answered. With `--delay`, each answer comes so much later. Windows
//! and frames are those of our exporters.

mod record;

use bytes::Bytes;
use clap::Parser;
use penstock_http2::Http2Settings;
use penstock_integration_tests::unary;
use penstock_otlp::Signal;
use penstock_otlp::check::{check, count};
use penstock_runtime::signals;
use record::Record;
use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
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

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

fn main() -> Outcome {
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
    println!("{}", counts.json());
    Ok(())
}

async fn serve(address: &str, counts: Arc<Counts>) -> Outcome {
    let listener = TcpListener::bind(address).await?;
    let admin = TcpListener::bind("127.0.0.1:0").await?;
    eprintln!(
        "{}",
        serde_json::json!({
            "message": "sink ready",
            "grpc": listener.local_addr()?.to_string(),
            "admin": admin.local_addr()?.to_string(),
        })
    );
    let settings = Http2Settings {
        stream_window_bytes: STREAM_WINDOW,
        connection_window_bytes: CONNECTION_WINDOW,
        max_frame_bytes: STREAM_WINDOW,
        ..Http2Settings::default()
    };
    let told = Arc::clone(&counts);
    let take = move |signal, message| {
        let counts = Arc::clone(&counts);
        async move { counts.take(signal, message).await }
    };
    tokio::select! {
        end = unary::serve(listener, settings, take) => end,
        end = tell(admin, told) => end,
        end = signals::stop_requested() => end.map(drop).map_err(Into::into),
    }
}

/// Says to everybody who asks what has come so far.
async fn tell(admin: TcpListener, counts: Arc<Counts>) -> Outcome {
    loop {
        let (mut stream, _) = admin.accept().await?;
        let mut asked = Vec::new();
        // What is left unread would reset the connection before the answer is read.
        while !asked.ends_with(b"\r\n\r\n") && stream.read_buf(&mut asked).await? > 0 {}
        let answer = format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{}",
            counts.json()
        );
        let _told = stream.write_all(answer.as_bytes()).await.is_ok();
    }
}

impl Counts {
    /// Counts a request. One that cannot be counted is an error, or the bench would praise what it lost.
    async fn take(&self, signal: Signal, body: Bytes) -> bool {
        let items = match &self.record {
            None => Some(count(signal, &body)).filter(|items| *items > 0),
            Some(record) => check(signal, body)
                .ok()
                .filter(|checked| record.write(signal.name(), &checked.body, checked.items))
                .map(|checked| checked.items),
        };
        if !self.delay.is_zero() {
            tokio::time::sleep(self.delay).await;
        }
        self.calls.fetch_add(1, Ordering::Relaxed);
        self.items
            .fetch_add(items.unwrap_or_default() as u64, Ordering::Relaxed);
        items.is_some()
    }

    fn json(&self) -> serde_json::Value {
        let told = |count: &AtomicU64| count.load(Ordering::Relaxed);
        serde_json::json!({"calls": told(&self.calls), "items": told(&self.items)})
    }
}
