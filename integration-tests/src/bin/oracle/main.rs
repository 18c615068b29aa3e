//! A sender that never sends anything twice and remembers what it was told: items with ids over tonic's gRPC client.
//! A call that a connection did not take since it was told to go is made on the next one, as Envoy does: it was not sent.
//!
//! Calls begin at a steady rate, whether or not earlier ones were answered. Each leaves one line in the file, when it has
//! ended: `<signal> <first id> <items> <begun> <ended> <fate>`, times in Unix milliseconds. Fates: `acked`, `refused` (the
//! receiver said so), `unreachable` (there was no connection) and `unknown` (no answer came).
//!
//! Ends after `--seconds` or on SIGTERM, when every call has ended, and prints one JSON object.

mod raw;
mod template;

use clap::Parser;
use http::uri::PathAndQuery;
use penstock_otlp::Signal;
use penstock_runtime::{Tasks, signals};
use raw::Raw;
use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use template::Template;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at, timeout};
use tonic::Status;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// After this a call's fate is unknown; longer than a receiver holds a call.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Parser)]
struct Words {
    /// `host:port` of the receiver's gRPC port.
    target: String,
    /// The file that is written.
    #[arg(long)]
    out: PathBuf,
    /// The first id.
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Items a second over all signals.
    #[arg(long)]
    rate: f64,
    /// Items a call.
    #[arg(long)]
    items: usize,
    /// Connections for each signal.
    #[arg(long, default_value_t = 2)]
    connections: u32,
    /// Unanswered calls on a connection; what is due beyond is not sent.
    #[arg(long, default_value_t = 256)]
    in_flight: usize,
    /// Without it until SIGTERM.
    #[arg(long)]
    seconds: Option<u64>,
    #[arg(long, value_delimiter = ',', default_value = "traces,metrics,logs")]
    signals: Vec<String>,
}

fn main() -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    println!("{}", runtime.block_on(run(&Words::parse()))?);
    Ok(())
}

async fn run(words: &Words) -> Outcome<serde_json::Value> {
    let endpoint = Endpoint::from_shared(format!("http://{}", words.target))?
        .connect_timeout(Duration::from_secs(5))
        .tcp_nodelay(true);
    let chosen: Option<Vec<_>> = words
        .signals
        .iter()
        .map(|name| Signal::from_name(name))
        .collect();
    let chosen = chosen.ok_or("a signal is traces, metrics or logs")?;
    let streams = chosen.len() as f64 * f64::from(words.connections);
    let books = Arc::new(Books {
        next: AtomicU64::new(words.first),
        out: Mutex::new(BufWriter::new(File::create(&words.out)?)),
        counts: Mutex::default(),
    });
    let (tasks, (stop, stopping)) = (Tasks::new(), watch::channel(false));
    let every = Duration::from_secs_f64(words.items as f64 * streams / words.rate);
    let mut begin = Instant::now();
    for signal in chosen {
        let template = Arc::new(Template::new(signal, words.items)?);
        for _ in 0..words.connections {
            let sender = Sender {
                signal,
                items: words.items,
                template: Arc::clone(&template),
                channel: endpoint.connect_lazy(),
                places: Arc::new(Semaphore::new(words.in_flight)),
                books: Arc::clone(&books),
                tasks: tasks.clone(),
            };
            tasks.spawn("sender", sender.run(begin, every, stopping.clone()));
            begin += every.div_f64(streams);
        }
    }
    eprintln!("{}", serde_json::json!({"message": "oracle ready"}));
    let limit = words.seconds.map_or(Duration::MAX, Duration::from_secs);
    // Either ends the sending.
    if let Ok(asked) = timeout(limit, signals::stop_requested()).await {
        asked?;
    }
    stop.send_replace(true);
    tasks.ended().await;
    books.end()
}

/// One connection that sends one signal.
#[derive(Clone)]
struct Sender {
    signal: Signal,
    items: usize,
    template: Arc<Template>,
    channel: Channel,
    places: Arc<Semaphore>,
    books: Arc<Books>,
    tasks: Tasks,
}

impl Sender {
    async fn run(self, begin: Instant, every: Duration, mut stopping: watch::Receiver<bool>) {
        let mut ticks = interval_at(begin, every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                // The other end lives until it has said so.
                _ = stopping.wait_for(|stop| *stop) => return,
            }
            let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
                self.books.count("unsent", 1);
                continue;
            };
            let sender = self.clone();
            self.tasks.spawn("call", async move {
                sender.call().await;
                drop(place);
            });
        }
    }

    async fn call(self) {
        let items = self.items as u64;
        let first = self.books.next.fetch_add(items, Ordering::Relaxed);
        let begun = unix_millis();
        let answer = timeout(PATIENCE, self.export_once(first)).await;
        let (fate, why) = match answer {
            Ok(Ok(())) => ("acked", None),
            Ok(Err(status)) if Error::source(&status).is_none() => {
                ("refused", Some(format!("{:?}", status.code())))
            }
            Ok(Err(status)) if was_never_connected(&status) => {
                ("unreachable", Some(format!("{:?}", status.code())))
            }
            Ok(Err(status)) => ("unknown", Some(format!("{:?}", status.code()))),
            Err(_) => ("unknown", Some("no answer".to_owned())),
        };
        let line = format!(
            "{} {first} {items} {begun} {} {fate}",
            self.signal.name(),
            unix_millis()
        );
        self.books.ended(&line, fate, why, items);
    }

    /// A call that the receiver cannot have seen goes out again: it met the end of its connection. Envoy's pools and grpc-go do
    /// the same.
    async fn export_once(&self, first: u64) -> Result<(), Status> {
        match self.export(first).await {
            Err(status) if was_never_seen(&status) => self.export(first).await,
            answer => answer,
        }
    }

    async fn export(&self, first: u64) -> Result<(), Status> {
        let mut grpc = Grpc::new(self.channel.clone());
        grpc.ready()
            .await
            .map_err(|error| Status::from_error(error.into()))?;
        let request = tonic::Request::new(self.template.fill(first));
        let path = PathAndQuery::from_static(self.signal.grpc_path());
        grpc.unary(request, path, Raw).await.map(drop)
    }
}

/// Whether nobody was there to be asked.
fn was_never_connected(status: &Status) -> bool {
    let causes = std::iter::successors(Error::source(status), |error| (*error).source());
    causes
        .into_iter()
        .any(|error| error.is::<tonic::ConnectError>())
}

/// Whether the client kept the request to itself, or a GOAWAY named an earlier one as the last that was taken.
fn was_never_seen(status: &Status) -> bool {
    let mut next = Error::source(status);
    while let Some(error) = next {
        let kept = error.downcast_ref::<hyper::Error>();
        let told = error.downcast_ref::<h2::Error>();
        let told = told.is_some_and(|error| {
            error.is_go_away() && error.is_remote() && error.reason() == Some(h2::Reason::NO_ERROR)
        });
        if told || kept.is_some_and(hyper::Error::is_canceled) {
            return true;
        }
        next = error.source();
    }
    false
}

/// What was sent, and what came of it.
struct Books {
    next: AtomicU64,
    out: Mutex<BufWriter<File>>,
    counts: Mutex<BTreeMap<String, u64>>,
}

impl Books {
    fn ended(&self, line: &str, fate: &str, why: Option<String>, items: u64) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(error) = writeln!(out, "{line}") {
            eprintln!("bench-oracle: {error}");
            std::process::exit(1);
        }
        drop(out);
        self.count(&format!("{fate}_calls"), 1);
        self.count(&format!("{fate}_items"), items);
        if let Some(why) = why {
            self.count(&format!("{fate}: {why}"), 1);
        }
    }

    fn count(&self, what: &str, by: u64) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(what.to_owned()).or_default() += by;
    }

    fn end(&self) -> Outcome<serde_json::Value> {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        out.flush()?;
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.insert("next".to_owned(), self.next.load(Ordering::Relaxed));
        Ok(serde_json::json!(*counts))
    }
}

fn unix_millis() -> u128 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_millis()
}
