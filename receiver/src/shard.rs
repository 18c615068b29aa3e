//! One shard: a thread with its own runtime, logs, hop clients and connections.
//!
//! *Invariant:* shares nothing with other shards but budgets, counts and the drain.

use crate::StartError;
use crate::admit::{Admit, SignalBudget};
use crate::hand_over::Seen;
use crate::identify::Identify;
use crate::metrics::{Counts, DoorCounts, Transport};
use crate::outward::Outward;
use crate::pipeline::{Limits, Pipeline};
use crate::plan::{Plan, Port, Server};
use crate::receive::connection::Life;
use crate::receive::cors::Cors;
use crate::receive::grpc::{GrpcDoor, Replies};
use crate::receive::http::HttpDoor;
use crate::receive::parking::Pool;
use crate::receive::serve::{Door, Front, GrpcPort, HttpPort, Protocol, STREAM_WINDOW, Speaks};
use crate::receive::{Route, Routes};
use futures_util::TryFutureExt;
use futures_util::future::try_join_all;
use http::{HeaderMap, HeaderName, HeaderValue};
use penstock_batcher::log::OpenError;
use penstock_batcher::{Budgets, CursorSettings, DeadLetters, Ledger, Log, LogOptions};
use penstock_hop::HopClient;
use penstock_hop::metadata::HandOver;
use penstock_otlp::Signal;
use penstock_runtime::{Drain, Phase, Pulse, Tasks, shards};
use penstock_settings::ComponentId;
use penstock_telemetry::Process;
use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

/// Accepted connections on their way to a shard.
const HAND_OVER: usize = 256;
/// Time for a gRPC message to arrive once it is pulled. HTTP has a setting for it, gRPC and the Collector have none.
pub(crate) const GRPC_READ_TIMEOUT: Duration = Duration::from_secs(60);

/// A connection on its way to a shard.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) stream: TcpStream,
    pub(crate) peer: SocketAddr,
    /// Which of the plan's ports it came in by.
    pub(crate) port: usize,
}

/// What all shards have in common.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub(crate) plan: Arc<Plan>,
    pub(crate) budgets: [Option<SignalBudget>; 3],
    pub(crate) counts: Arc<Counts>,
    /// By port.
    pub(crate) fronts: Vec<Front>,
    /// TLS and credentials towards exporters and other receivers.
    pub(crate) outward: Outward,
    /// What held calls may leave with the gRPC ports.
    pub(crate) parked: Arc<Pool>,
    pub(crate) ledger: Arc<Ledger>,
    /// What the logs of each served signal share.
    pub(crate) logs: [Option<Budgets>; 3],
    /// How many shards there are.
    pub(crate) shards: usize,
    /// Where rejected items go.
    pub(crate) dead_letters: Option<Arc<DeadLetters>>,
    /// What other receivers have handed over to any shard.
    pub(crate) seen: Arc<Seen>,
    pub(crate) tasks: Tasks,
    pub(crate) drain: Drain,
    pub(crate) process: Process,
    /// By shard.
    pub(crate) pulses: Vec<Pulse>,
    /// Connections open in all shards.
    pub(crate) connections: Arc<watch::Sender<usize>>,
    /// Shards whose logs are empty for good.
    pub(crate) flushed: Arc<watch::Sender<usize>>,
}

impl Shared {
    /// Whether this process accepts; if not, why.
    pub(crate) fn ready(&self) -> Result<(), String> {
        match self.drain.phase() {
            Phase::Running => Ok(()),
            phase => Err(format!("draining: {}", phase.name())),
        }
    }

    /// Whether every shard runs; if not, only a new process helps.
    pub(crate) fn alive(&self) -> Result<(), String> {
        let hung = |(index, pulse): (usize, &Pulse)| Some((index, pulse.hung()?));
        match self.pulses.iter().enumerate().find_map(hung) {
            None => Ok(()),
            Some((index, silence)) => {
                let seconds = silence.as_secs();
                Err(format!("shard {index} has done nothing for {seconds} s"))
            }
        }
    }
}

/// Tells when a shard's logs are open.
pub(crate) type Opening = oneshot::Receiver<Result<(), OpenError>>;

/// The acceptor's end of a shard.
#[derive(Debug)]
pub(crate) struct ShardHandle {
    sender: mpsc::Sender<(Accepted, Place)>,
    connections: Arc<AtomicUsize>,
    all: Arc<watch::Sender<usize>>,
}

/// A connection counts from when it is accepted until this is dropped.
#[derive(Debug)]
struct Place {
    connections: Arc<AtomicUsize>,
    all: Arc<watch::Sender<usize>>,
}

impl Place {
    fn take(connections: &Arc<AtomicUsize>, all: &Arc<watch::Sender<usize>>) -> Self {
        connections.fetch_add(1, Ordering::Relaxed);
        all.send_modify(|count| *count += 1);
        Self {
            connections: Arc::clone(connections),
            all: Arc::clone(all),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
        self.all.send_modify(|count| *count -= 1);
    }
}

impl ShardHandle {
    /// Connections that the shard has.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    /// Gives it one more, waiting while it is behind.
    pub(crate) async fn give(&self, accepted: Accepted) {
        let place = Place::take(&self.connections, &self.all);
        if self.sender.send((accepted, place)).await.is_err() {
            tracing::warn!("connection came too late to be served");
        }
    }
}

/// Starts shard number `index`. It tells when its logs are open.
pub(crate) fn start(
    index: usize,
    shared: &Shared,
) -> Result<(ShardHandle, shards::Shard, Opening), StartError> {
    let (sender, receiver) = mpsc::channel(HAND_OVER);
    let (opened, opening) = oneshot::channel();
    let all = Arc::clone(&shared.connections);
    let handle = ShardHandle {
        sender,
        connections: Arc::default(),
        all,
    };
    let shared = shared.clone();
    let main = move || async move {
        // As a task, so that its panic is the process's failure and not just the end of a thread.
        let (tasks, drain) = (shared.tasks.clone(), shared.drain.clone());
        tasks.spawn("shard", run(index, shared, opened, receiver));
        drain.reached(Phase::Stopped).await;
    };
    let shard = shards::Shard::start("shard", index, main).map_err(StartError::Shard)?;
    Ok((handle, shard, opening))
}

async fn run(
    index: usize,
    shared: Shared,
    opened: oneshot::Sender<Result<(), OpenError>>,
    mut accepted: mpsc::Receiver<(Accepted, Place)>,
) {
    let pulse = shared.pulses[index].clone();
    shared.tasks.spawn_forever("pulse", pulse.beat());
    let logs = match open_logs(index, &shared).await {
        Ok(logs) => logs,
        Err(error) => {
            // Whoever starts us stops then.
            drop(opened.send(Err(error)));
            return;
        }
    };
    drop(opened.send(Ok(())));
    let doors: Vec<_> = shared
        .plan
        .ports
        .iter()
        .enumerate()
        .map(|(index, port)| Arc::new(door(&shared, index, port, &logs)))
        .collect();
    // Ends when the acceptors have ended.
    while let Some((accepted, place)) = accepted.recv().await {
        let door = Arc::clone(&doors[accepted.port]);
        let (tasks, drain) = (shared.tasks.clone(), shared.drain.clone());
        shared.tasks.spawn("connection", async move {
            match adopt(accepted.stream) {
                Ok(stream) => door.serve(stream, accepted.peer, &tasks, &drain).await,
                Err(error) => tracing::warn!(%error, "connection not taken over"),
            }
            drop(place);
        });
    }
    for log in logs.values() {
        log.drained().await;
    }
    shared.flushed.send_modify(|count| *count += 1);
}

fn adopt(stream: TcpStream) -> io::Result<tokio::net::TcpStream> {
    stream.set_nonblocking(true)?;
    tokio::net::TcpStream::from_std(stream)
}

type Logs = BTreeMap<(ComponentId, Signal), Arc<Log>>;

async fn open_logs(index: usize, shared: &Shared) -> Result<Logs, OpenError> {
    let plan = &shared.plan;
    let penstock = &plan.settings.penstock;
    let hop = &penstock.hop;
    let clients: BTreeMap<_, _> = plan
        .exporters
        .iter()
        .filter_map(|id| Some((id, plan.settings.exporters.get(id)?)))
        .map(|(id, exporter)| {
            let client = HopClient::new(exporter, hop, shared.outward.hop.as_ref(), &shared.tasks);
            (id, (exporter, client))
        })
        .collect();
    let receivers = penstock.hand_over.as_ref().map(|to| {
        let towards = &shared.outward.hand_over;
        towards.receivers(&to.endpoint, hop, &shared.tasks)
    });
    // All at once, as each may have to read a good part of a segment.
    let opening = plan.feeds.iter().filter_map(|feed| {
        let budgets = shared.logs[feed.signal.index()].as_ref()?;
        let cursors = feed.targets.iter().filter_map(|target| {
            let (exporter, client) = clients.get(&target.exporter)?;
            Some(CursorSettings {
                pipeline: target.pipeline.clone(),
                exporter: target.exporter.to_string(),
                batch: target.batch.clone(),
                retry: exporter.retry.clone(),
                in_flight: exporter.batches_in_flight,
                queue_limit: exporter.queue_limit,
                transport: Arc::clone(client),
                hand_over: receivers.as_ref().map(|receivers| {
                    receivers.cursor(HandOver {
                        pipeline: target.pipeline.clone(),
                        exporter: target.exporter.to_string(),
                    })
                }),
                dead_letters: shared.dead_letters.clone(),
            })
        });
        let options = LogOptions {
            signal: feed.signal,
            receiver: feed.receiver.to_string(),
            settings: penstock.log.clone(),
            budgets: budgets.clone(),
            shard: index,
            shards: shared.shards,
            max_hold: penstock.memory.max_hold,
        };
        let log = Log::open(
            options,
            cursors.collect(),
            &shared.ledger,
            &shared.tasks,
            &shared.drain,
        );
        Some(log.map_ok(|log| ((feed.receiver.clone(), feed.signal), log)))
    });
    Ok(try_join_all(opening).await?.into_iter().collect())
}

fn door(shared: &Shared, index: usize, port: &Port, logs: &Logs) -> Door {
    let counts = Arc::clone(&shared.counts.doors[index]);
    let routes = routes(shared, port, port.transport(), logs);
    let front = &shared.fronts[index];
    let speaks = match &front.protocol {
        Protocol::Grpc(grpc, http2) => {
            let limits = Limits {
                max_bytes: grpc.max_message_bytes,
                read_timeout: GRPC_READ_TIMEOUT,
            };
            let door = GrpcDoor {
                routes,
                limits,
                counts: Arc::clone(&counts),
                replies: Replies::new(),
                pool: Arc::clone(&shared.parked),
                drain: shared.drain.clone(),
                auth: front.auth.clone(),
                held_calls: grpc.max_concurrent_streams,
                stream_window: STREAM_WINDOW as usize,
            };
            Speaks::Grpc(GrpcPort {
                door: Arc::new(door),
                http2: http2.clone(),
                grace: grpc.keepalive.max_connection_age_grace,
            })
        }
        Protocol::Http(http) => {
            let limits = Limits {
                max_bytes: http.max_body_bytes,
                read_timeout: http.read_timeout,
            };
            let door = HttpDoor {
                paths: http.paths.clone(),
                routes,
                limits,
                counts: Arc::clone(&counts),
                auth: front.auth.clone(),
                cors: http.cors.as_ref().map(Cors::new),
                response_headers: headers(&http.response_headers),
            };
            Speaks::Http(HttpPort {
                door: Arc::new(door),
                life: Life::of(http),
                keepalive: http.keepalive.clone(),
                max_streams: http.max_concurrent_streams,
            })
        }
    };
    Door {
        speaks,
        tls: front.tls.clone(),
        counts,
    }
}

/// Headers as the settings have checked them.
fn headers(given: &[(String, String)]) -> HeaderMap {
    let header = |(name, value): &(String, String)| {
        Some((
            HeaderName::try_from(name).ok()?,
            HeaderValue::try_from(value).ok()?,
        ))
    };
    given.iter().filter_map(header).collect()
}

fn routes(shared: &Shared, port: &Port, transport: Transport, logs: &Logs) -> Routes {
    Signal::ALL.map(|signal| {
        let log = logs.get(&(port.receiver.clone(), signal))?;
        let budget = shared.budgets[signal.index()].clone()?;
        let entrance = shared
            .counts
            .entrance(&port.receiver.0, transport, signal)?;
        let penstock = &shared.plan.settings.penstock;
        let pipeline = Pipeline {
            signal,
            admit: Admit::new(signal, budget, penstock.memory.max_hold),
            identify: Identify::new(signal, penstock.identity.clone()),
            log: Arc::clone(log),
            seen: Arc::clone(&shared.seen),
        };
        Some(Route {
            pipeline: Arc::new(pipeline),
            entrance,
        })
    })
}

impl DoorCounts {
    /// The counts of a port.
    pub(crate) fn of(port: &Port) -> Arc<Self> {
        Self::new(port.receiver.to_string(), port.transport())
    }
}

impl Port {
    /// The Collector's word for what it speaks.
    pub(crate) fn transport(&self) -> Transport {
        match self.server {
            Server::Grpc(_) => Transport::Grpc,
            Server::Http(_) => Transport::Http,
        }
    }
}
