//! A real Envoy on each node, configured as Kuma does it, that sends a span and an access log record for each request it serves.

use super::network::{FABRIC, Pod};
use crate::admin;
use crate::e2e::lossless::books::Arrived;
use crate::envoy::{Route, Sidecar};
use crate::fail::{Outcome, bail};
use crate::process::{Process, pause, wait_within};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

const PORT: u16 = 15006;
const ADMIN: u16 = 9901;
/// Between two requests.
const EVERY: Duration = Duration::from_millis(20);
/// How long records wait for others, and a little.
const RECORDS: Duration = Duration::from_millis(1500);
/// Spans wait up to 5 s for others, calls 5 s for a connection.
const SENT: Duration = Duration::from_secs(30);
/// Ids of one Envoy in an event.
const IDS: u64 = 200_000;
/// Ids of requests, apart from those of other senders.
const FIRST: u64 = 1_000_000_000_000;

/// A sidecar in a pod.
pub(super) struct Proxy {
    pub(super) pod: Pod,
    process: Process,
}

/// Counters of Envoy's own.
struct Counts {
    /// Spans and records that requests have made.
    generated: [u64; 2],
    /// Connections to a receiver that could not be made.
    unconnected: u64,
    /// Whether nothing waits to be sent, or to be answered.
    idle: bool,
}

/// What all sidecars made in an event, as they count it.
pub(super) struct Made {
    /// The first id.
    pub(super) first: u64,
    /// Spans and records.
    generated: [u64; 2],
    /// Connections to a receiver that could not be made.
    pub(super) unconnected: u64,
}

/// What all sidecars made of one signal in an event, and what became of it.
pub(super) struct Told {
    pub(super) signal: &'static str,
    pub(super) generated: u64,
    pub(super) delivered: u64,
    pub(super) duplicates: u64,
}

impl Proxy {
    /// Starts it; `envoy` is the program and `target` where Kuma would have it send.
    pub(super) fn start(
        folder: &Path,
        pod: Pod,
        envoy: &Path,
        target: &str,
        application: u16,
    ) -> Outcome<Self> {
        let Some((host, port)) = target.rsplit_once(':') else {
            bail!("{target} is no address")
        };
        let route = Route::Far {
            host: host.to_owned(),
            port: port.parse()?,
        };
        let sidecar = Sidecar {
            name: format!("demo-app-{}", pod.node),
            address: "0.0.0.0",
            port: PORT,
            upstream: (FABRIC, application),
            inbound: true,
            admin: Some(ADMIN),
        };
        let process = sidecar.start(folder, &route, pod.command(&envoy.to_string_lossy()))?;
        Ok(Self { pod, process })
    }

    pub(super) fn stop(self) -> Outcome {
        self.process.stop().map(drop)
    }

    fn counts(&self) -> Outcome<Counts> {
        let (status, page) = admin::get(&format!("{}:{ADMIN}", self.pod.address), "/stats")?;
        if status != 200 {
            bail!("an Envoy tells no counters: {status}");
        }
        let count = |name: &str| -> u64 {
            let lines = page.lines().filter_map(|line| line.split_once(": "));
            let mut lines = lines.filter(|(key, _)| *key == name);
            lines.find_map(|(_, count)| count.parse().ok()).unwrap_or(0)
        };
        let clusters = |name: &str| -> u64 {
            let both = ["meshtrace", "meshaccesslog"];
            let both = both.map(|what| format!("cluster.system_{what}_otel_main-collector.{name}"));
            both.iter().map(|key| count(key)).sum()
        };
        let prefix = format!("http.demo-app-{}", self.pod.node);
        let spans = count(&format!("{prefix}.tracing.random_sampling"));
        let records = |fate: &str| count(&format!("access_logs.open_telemetry_access_log.{fate}"));
        let waiting = clusters("upstream_rq_active") + clusters("upstream_rq_pending_active");
        Ok(Counts {
            // It drops records itself while an earlier call has no connection.
            generated: [spans, records("logs_written") + records("logs_dropped")],
            unconnected: clusters("upstream_cx_connect_fail")
                + clusters("upstream_cx_connect_timeout"),
            idle: waiting == 0 && count("tracing.opentelemetry.spans_sent") == spans,
        })
    }
}

/// Requests to the applications of some nodes, one each every [`EVERY`], until they are stopped.
pub(super) struct Requests<'a> {
    proxies: Vec<&'a Proxy>,
    before: Vec<Counts>,
    first: u64,
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Outcome<u64>>>,
}

impl<'a> Requests<'a> {
    /// Starts them, with ids from `first` on among those of Envoys.
    pub(super) fn start(proxies: impl Iterator<Item = &'a Proxy>, first: u64) -> Outcome<Self> {
        let proxies: Vec<_> = proxies.collect();
        let before: Outcome<Vec<_>> = proxies.iter().map(|proxy| proxy.counts()).collect();
        let (first, stop) = (FIRST + first, Arc::new(AtomicBool::new(false)));
        let clients = proxies.iter().map(|proxy| {
            let (address, stop) = (proxy.pod.address.clone(), Arc::clone(&stop));
            let first = first + u64::from(proxy.pod.node) * IDS;
            thread::spawn(move || client(&address, first, &stop))
        });
        Ok(Self {
            before: before?,
            first,
            clients: clients.collect(),
            proxies,
            stop,
        })
    }

    /// Ends them, and waits until Envoy has sent what it has.
    pub(super) fn stop(self) -> Outcome<Made> {
        self.stop.store(true, Ordering::Relaxed);
        let mut answered = 0;
        for client in self.clients {
            answered += client
                .join()
                .map_err(|_| "a client of an Envoy panicked")??;
        }
        // Records wait for others up to a second.
        pause(RECORDS);
        let (mut generated, mut unconnected) = ([0, 0], 0);
        for (proxy, before) in self.proxies.iter().zip(&self.before) {
            let now = wait_within(SENT, "an Envoy to have sent what it has", || {
                let now = proxy.counts()?;
                Ok(now.idle.then_some(now))
            })?;
            for (signal, generated) in generated.iter_mut().enumerate() {
                *generated += now.generated[signal] - before.generated[signal];
            }
            unconnected += now.unconnected - before.unconnected;
        }
        if generated != [answered, answered] {
            bail!("Envoys answered {answered} requests and made {generated:?} spans and records");
        }
        let first = self.first;
        Ok(Made {
            first,
            generated,
            unconnected,
        })
    }
}

/// What arrived of what was made.
pub(super) fn told(made: &Made, arrived: &Arrived) -> Outcome<[Told; 2]> {
    let one = |signal: &'static str, generated: u64| -> Outcome<Told> {
        let (delivered, duplicates) = arrived.count(signal)?;
        if delivered > generated {
            bail!("{delivered} {signal} of Envoys arrived, of {generated}");
        }
        Ok(Told {
            signal,
            generated,
            delivered,
            duplicates,
        })
    };
    let [spans, records] = made.generated;
    Ok([one("traces", spans)?, one("logs", records)?])
}

/// Tells how many requests were answered; each has to be.
fn client(address: &str, first: u64, stop: &AtomicBool) -> Outcome<u64> {
    let mut stream = TcpStream::connect((address, PORT))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(SENT))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut sent = 0;
    while !stop.load(Ordering::Relaxed) {
        let id = first + sent;
        write!(
            stream,
            "GET /ok/items/oid-{id:016} HTTP/1.1\r\nhost: demo-app.kong-mesh-demo.svc:5050\r\n\r\n"
        )?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                bail!("an Envoy closed the connection of its client");
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
            if line == "\r\n" {
                break;
            }
        }
        reader.read_exact(&mut vec![0; length])?;
        sent += 1;
        pause(EVERY);
    }
    Ok(sent)
}
