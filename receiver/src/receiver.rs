//! A running receiver: started from settings, asked for its addresses and counts, stopped by a drain.

use crate::admit::SignalBudget;
use crate::drain::{self, Drained};
use crate::link::Facts;
use crate::metrics::{Counts, DoorCounts, Entrance, SignalCounts, Transport};
use crate::outward::Outward;
use crate::pages;
use crate::plan::{Plan, health_check_socket};
use crate::receive::listener::{self, Bound, Leave};
use crate::receive::parking::Pool;
use crate::receive::serve::Front;
use crate::shard::{self, Opening, Shared};
use crate::sockets::{Sockets, Wanted};
use penstock_batcher::log::strays;
use penstock_batcher::{Budgets, DeadLetters, Ledger};
use penstock_http2::SettingsError;
use penstock_otlp::Signal;
use penstock_runtime::tasks::Failure;
use penstock_runtime::{Drain, Phase, Pulse, Tasks, shards};
use penstock_settings::{ComponentId, Settings, Storage, SyncPolicy, cpu_quota};
use penstock_telemetry::{Process, Recorder, health_check};
use penstock_tls::{TlsFault, Watched, watch as look_again};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::time::timeout_at;

#[cfg(test)]
mod tests;

/// What shards get to end once the drain is over. What then still runs hangs, on a disk for instance.
const LAST_TASKS: Duration = Duration::from_secs(1);

/// Why a receiver could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No pipeline for any of the signals, or no port.
    #[error(
        "nothing to serve: no pipeline has one of the signals to serve and an otlp receiver with a protocol"
    )]
    NothingToServe,
    /// A pipeline names an exporter that is not declared.
    #[error("exporter {0} is not declared")]
    UnknownExporter(ComponentId),
    /// An address cannot be listened on.
    #[error("cannot listen on {endpoint}: {error}")]
    Bind {
        /// As in the settings.
        endpoint: String,
        /// Why not.
        error: io::Error,
    },
    /// A certificate or key cannot be used.
    #[error("{0}")]
    Tls(#[from] TlsFault),
    /// What says who may send cannot be used.
    #[error("auth of {receiver}: {message}")]
    Auth {
        /// The receiver's id.
        receiver: String,
        /// What is wrong, without a secret.
        message: String,
    },
    /// The gRPC server's settings are out of what HTTP/2 allows.
    #[error("gRPC on {endpoint}: {error}")]
    Http2 {
        /// As in the settings.
        endpoint: String,
        /// Which one.
        error: SettingsError,
    },
    /// A log cannot be opened.
    #[error("{0}")]
    Log(#[from] penstock_batcher::log::OpenError),
    /// A thread cannot be started.
    #[error("cannot start a shard: {0}")]
    Shard(io::Error),
}

impl StartError {
    /// Whether the same settings may do at another time: it is not they that are at fault.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Shard(_) => true,
            Self::Bind { error, .. } => error.kind() == io::ErrorKind::AddrInUse,
            Self::Log(error) => error.may_pass(),
            Self::NothingToServe
            | Self::UnknownExporter(_)
            | Self::Tls(_)
            | Self::Auth { .. }
            | Self::Http2 { .. } => false,
        }
    }
}

/// A running receiver.
#[derive(Debug)]
pub struct Receiver {
    shared: Shared,
    shards: Vec<shards::Shard>,
    ports: Vec<(Transport, SocketAddr)>,
    admin: SocketAddr,
    health_checks: Vec<SocketAddr>,
    /// Closes the listeners while the drain still closes connections.
    leave: Leave,
    /// Ends when nothing is accepted any more.
    accepting: oneshot::Receiver<()>,
}

impl Receiver {
    /// Binds every port, starts the shards and serves, on the current runtime as far as accepting and the admin server
    /// go. With `recorder`, `/metrics` renders it; it has to be installed before.
    ///
    /// # Errors
    /// [`StartError`]; nothing is served then.
    pub async fn start(settings: Settings, recorder: Option<Recorder>) -> Result<Self, StartError> {
        let sockets = Sockets::bind(&settings).await?;
        Self::start_on(settings, recorder, sockets).await
    }

    /// The same on sockets that are bound already, for these settings.
    ///
    /// # Errors
    /// [`StartError`]; nothing is served then.
    pub async fn start_on(
        settings: Settings,
        recorder: Option<Recorder>,
        sockets: Sockets,
    ) -> Result<Self, StartError> {
        Self::start_under(settings, recorder, sockets, None).await
    }

    /// The same as a supervisor's worker, with what it tells of itself.
    pub(crate) async fn start_under(
        settings: Settings,
        recorder: Option<Recorder>,
        mut sockets: Sockets,
        supervisor: Option<watch::Receiver<Facts>>,
    ) -> Result<Self, StartError> {
        let plan = Plan::new(settings)?;
        let mut listeners = Vec::new();
        let mut fronts = Vec::new();
        let mut ports = Vec::new();
        for port in &plan.ports {
            fronts.push(Front::new(&plan, port)?);
            let (listener, address) = open(&mut sockets, &port.socket())?;
            listeners.push(listener);
            ports.push((port.transport(), address));
        }
        let (admin_listener, admin) = open(&mut sockets, &plan.admin_socket())?;
        let checks = plan.settings.health_checks.iter();
        let checks = checks.map(|check| open(&mut sockets, &health_check_socket(check)));
        let checks: Vec<_> = checks.collect::<Result<_, _>>()?;

        let outward = Outward::new(&plan.settings.penstock)?;
        let shared = shared(plan, fronts, outward);
        let mut handles = Vec::new();
        let mut shards = Vec::new();
        let mut logs = Vec::new();
        for index in 0..shared.shards {
            let (handle, shard, opening) = shard::start(index, &shared)?;
            handles.push(handle);
            shards.push(shard);
            logs.push(opening);
        }
        for opening in logs {
            opened(opening).await?;
        }

        watch_strays(&shared);
        watch_files(&shared);
        let bound = Bound::new(
            shared.plan.settings.penstock.max_connections,
            &shared.connections,
        );
        let leave = Leave::new();
        let (accepts, accepting) = oneshot::channel();
        let work = listener::accept(
            listeners,
            bound,
            handles,
            shared.drain.clone(),
            leave.clone(),
        );
        shared.tasks.spawn("accept", async move {
            work.await;
            drop(accepts);
        });
        let left = leave.clone();
        if let Some(recorder) = &recorder {
            shared.tasks.spawn("metrics", recorder.clone().upkeep());
        }
        pages::admin(&shared, recorder, supervisor).serve_until(
            admin_listener,
            &shared.tasks,
            async move { left.asked().await },
        );
        let health_checks = checks.iter().map(|(_, address)| *address).collect();
        let settings = Arc::clone(&shared.plan);
        for (check, (listener, _)) in settings.settings.health_checks.iter().zip(checks) {
            let (ready, left) = (shared.clone(), leave.clone());
            health_check::pages(check, move || ready.ready()).serve_until(
                listener,
                &shared.tasks,
                async move { left.asked().await },
            );
        }
        Ok(Self {
            shared,
            shards,
            ports,
            admin,
            health_checks,
            leave,
            accepting,
        })
    }

    /// The addresses of OTLP/gRPC.
    pub fn grpc(&self) -> impl Iterator<Item = SocketAddr> {
        self.addresses(Transport::Grpc)
    }

    /// The addresses of OTLP/HTTP.
    pub fn http(&self) -> impl Iterator<Item = SocketAddr> {
        self.addresses(Transport::Http)
    }

    fn addresses(&self, wanted: Transport) -> impl Iterator<Item = SocketAddr> {
        let ports = self
            .ports
            .iter()
            .filter(move |(transport, _)| *transport == wanted);
        ports.map(|(_, address)| *address)
    }

    /// The address of the admin server.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// The addresses of the `health_check` extensions.
    #[must_use]
    pub fn health_checks(&self) -> &[SocketAddr] {
        &self.health_checks
    }

    /// What became of everything that was acked.
    #[must_use]
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.shared.ledger
    }

    /// What became of a signal's requests left of the ack.
    #[must_use]
    pub fn counts(&self, signal: Signal) -> SignalCounts {
        self.shared.counts.of(signal)
    }

    /// Connections that are open now, over all ports.
    #[must_use]
    pub fn connections(&self) -> usize {
        *self.shared.connections.borrow()
    }

    /// Bytes of a signal's budget that are taken now.
    #[must_use]
    pub fn held_bytes(&self, signal: Signal) -> usize {
        self.shared.budgets[signal.index()]
            .as_ref()
            .map_or(0, |budget| budget.held.used())
    }

    /// Requests of a signal that wait for bytes of the budget now.
    #[must_use]
    pub fn waiting(&self, signal: Signal) -> usize {
        self.shared.budgets[signal.index()]
            .as_ref()
            .map_or(0, |budget| budget.held.waiting())
    }

    /// Resolves when a task has failed that must not: the process has to end.
    pub async fn failed(&self) -> Failure {
        self.shared.tasks.failed().await
    }

    /// Begins to drain without waiting for it; [`Receiver::stop`] still has to be called.
    pub fn begin_drain(&self) {
        self.shared
            .drain
            .begin(self.shared.plan.settings.penstock.drain_deadline);
    }

    /// Drains and stops, within the settings' deadline.
    pub async fn stop(self) -> Drained {
        let within = self.shared.plan.settings.penstock.drain_deadline;
        let drained = drain::drain(&self.shared, self.shards.len(), within).await;
        self.join().await;
        drained
    }

    /// Makes room for a successor on the same sockets and log directory, at once: listens no more, finishes the calls that
    /// have begun, and leaves what is held on disk to it. What is held in memory only is delivered first, within the
    /// settings' deadline.
    pub async fn retire(self) -> Drained {
        self.retire_unless(std::future::pending()).await
    }

    /// The same, unless it is `told_to_stop` before it has left anything: then it drains as [`Self::stop`] does.
    pub(crate) async fn retire_unless(mut self, told_to_stop: impl Future<Output = ()>) -> Drained {
        let within = self.shared.plan.settings.penstock.drain_deadline;
        self.shared.drain.begin(within);
        self.leave.ask();
        // The last connections have to be counted before it is waited for their end.
        tokio::select! {
            _ended = &mut self.accepting => {}
            () = self.shared.drain.expired() => tracing::warn!("accepting did not end"),
        }
        let shards = self.shards.len();
        let drained = drain::retire(&self.shared, shards, within, told_to_stop).await;
        self.join().await;
        drained
    }

    async fn join(self) {
        let end = tokio::time::Instant::now() + LAST_TASKS;
        for shard in self.shards {
            let index = shard.index;
            let joined = tokio::task::spawn_blocking(move || shard.join());
            match timeout_at(end, joined).await {
                Ok(Ok(true)) => {}
                Ok(_) => tracing::error!(shard = index, "shard panicked"),
                Err(_) => tracing::error!(shard = index, "shard did not end"),
            }
        }
    }
}

/// A shard that says nothing has panicked: it serves nobody.
async fn opened(opening: Opening) -> Result<(), StartError> {
    let silent = |_| StartError::Shard(io::Error::other("it panicked"));
    Ok(opening.await.map_err(silent)??)
}

/// Tells of logs that an earlier configuration has left behind, as long as this process serves.
fn watch_strays(shared: &Shared) {
    let Storage::Disk(disk) = &shared.plan.settings.penstock.log.storage else {
        return;
    };
    let strays = strays::watch(disk.directory.clone(), shared.plan.served());
    let drain = shared.drain.clone();
    shared.tasks.spawn("unserved logs", async move {
        tokio::select! {
            () = strays => {}
            () = drain.reached(Phase::Closing) => {}
        }
    });
}

/// Keeps certificates, tokens and passwords up to date, as long as anybody sends or is sent to.
fn watch_files(shared: &Shared) {
    let mut files: Vec<Arc<dyn Watched>> = Vec::new();
    for front in &shared.fronts {
        files.extend(front.tls.clone().map(|tls| tls as Arc<dyn Watched>));
        files.extend(front.auth.clone().map(|auth| auth as Arc<dyn Watched>));
    }
    files.extend(shared.outward.files());
    for watched in files {
        let drain = shared.drain.clone();
        shared.tasks.spawn("files", async move {
            tokio::select! {
                () = look_again(watched) => {}
                () = drain.reached(Phase::Stopped) => {}
            }
        });
    }
}

fn shared(plan: Plan, fronts: Vec<Front>, outward: Outward) -> Shared {
    let penstock = &plan.settings.penstock;
    let memory = &penstock.memory;
    let shards = penstock.shards.unwrap_or_else(cpu_quota).max(1);
    let budgets = plan.budgets.map(|bytes| {
        bytes.map(|bytes| SignalBudget::new(bytes, memory.high_mark, plan.max_request_bytes))
    });
    let logs = [0, 1, 2].map(|signal| {
        let budget: &SignalBudget = Option::as_ref(&budgets[signal])?;
        Some(Budgets::new(Arc::clone(&budget.held), plan.disk[signal]))
    });
    let entrance = |port: &crate::plan::Port, signal| {
        plan.feed(&port.receiver, signal)
            .map(|_| Entrance::new(port.receiver.to_string(), port.transport(), signal))
    };
    let entrances = plan.ports.iter().flat_map(|port| {
        Signal::ALL
            .into_iter()
            .filter_map(move |signal| entrance(port, signal))
    });
    let counts = Counts {
        entrances: entrances.collect(),
        doors: plan.ports.iter().map(DoorCounts::of).collect(),
    };
    let dead_letters = penstock.dead_letter.as_ref().map(|to| {
        let durable =
            matches!(&penstock.log.storage, Storage::Disk(disk) if disk.sync == SyncPolicy::Commit);
        DeadLetters::open(to, durable)
    });
    let process = Process::new("penstock-receiver", &plan.settings.telemetry.resource);
    Shared {
        dead_letters,
        parked: Pool::beside(plan.budgets.map(Option::unwrap_or_default)),
        plan: Arc::new(plan),
        budgets,
        logs,
        shards,
        counts: Arc::new(counts),
        fronts,
        outward,
        ledger: Ledger::new(),
        seen: Arc::default(),
        tasks: Tasks::new(),
        drain: Drain::new(),
        process,
        pulses: (0..shards).map(|_| Pulse::new()).collect(),
        connections: Arc::new(watch::Sender::new(0)),
        flushed: Arc::new(watch::Sender::new(0)),
    }
}

fn open(
    sockets: &mut Sockets,
    wanted: &Wanted,
) -> Result<(tokio::net::TcpListener, SocketAddr), StartError> {
    let listener = sockets.take(wanted)?;
    let address = listener.local_addr().map_err(|error| wanted.fault(error))?;
    Ok((listener, address))
}
