//! A running receiver: started from settings, asked for its addresses and counts, stopped by a drain.

use crate::admit::SignalBudget;
use crate::drain::{self, Drained};
use crate::metrics::{Counts, DoorCounts, Entrance, SignalCounts, Transport};
use crate::pages;
use crate::plan::Plan;
use crate::receive::listener::{self, Bound};
use crate::receive::parking::Pool;
use crate::receive::serve::Front;
use crate::shard::{self, Shared};
use penstock_batcher::Ledger;
use penstock_http2::SettingsError;
use penstock_otlp::Signal;
use penstock_runtime::tasks::Failure;
use penstock_runtime::{Drain, Tasks, shards};
use penstock_settings::{ComponentId, Settings, cpu_quota};
use penstock_telemetry::Recorder;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;

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
    #[error("{}: {message}", file.display())]
    Tls {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
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
    /// A thread cannot be started.
    #[error("cannot start a shard: {0}")]
    Shard(io::Error),
}

/// A running receiver.
#[derive(Debug)]
pub struct Receiver {
    shared: Shared,
    shards: Vec<shards::Shard>,
    ports: Vec<(Transport, SocketAddr)>,
    admin: SocketAddr,
}

impl Receiver {
    /// Binds every port, starts the shards and serves, on the current runtime as far as accepting and the admin server
    /// go. With `recorder`, `/metrics` renders it; it has to be installed before.
    ///
    /// # Errors
    /// [`StartError`]; nothing is served then.
    pub async fn start(settings: Settings, recorder: Option<Recorder>) -> Result<Self, StartError> {
        let plan = Plan::new(settings)?;
        let mut listeners = Vec::new();
        let mut fronts = Vec::new();
        for port in &plan.ports {
            fronts.push(Front::new(&plan, port)?);
            listeners.push(listener::bind(port.endpoint()).await?);
        }
        let admin = listener::bind(&plan.settings.penstock.admin).await?;

        let shared = shared(plan, fronts);
        let count = shared
            .plan
            .settings
            .penstock
            .shards
            .unwrap_or_else(cpu_quota)
            .max(1);
        let mut handles = Vec::new();
        let mut shards = Vec::new();
        for index in 0..count {
            let (handle, shard) = shard::start(index, &shared)?;
            handles.push(handle);
            shards.push(shard);
        }

        let mut ports = Vec::new();
        for (listener, port) in listeners.iter().zip(&shared.plan.ports) {
            ports.push((port.transport(), address_of(listener, port.endpoint())?));
        }
        let bound = Bound::new(
            shared.plan.settings.penstock.max_connections,
            &shared.connections,
        );
        let accepting = listener::accept(listeners, bound, handles, shared.drain.clone());
        shared.tasks.spawn("accept", accepting);
        let admin_address = address_of(&admin, &shared.plan.settings.penstock.admin)?;
        pages::admin(&shared, recorder).serve(admin, &shared.tasks);
        Ok(Self {
            shared,
            shards,
            ports,
            admin: admin_address,
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
        for shard in self.shards {
            let index = shard.index;
            let joined = tokio::task::spawn_blocking(move || shard.join()).await;
            if !joined.unwrap_or(false) {
                tracing::error!(shard = index, "shard panicked");
            }
        }
        drained
    }
}

fn shared(plan: Plan, fronts: Vec<Front>) -> Shared {
    let memory = &plan.settings.penstock.memory;
    let budgets = plan.budgets.map(|bytes| {
        bytes.map(|bytes| SignalBudget::new(bytes, memory.high_mark, plan.max_request_bytes))
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
    Shared {
        parked: Pool::beside(plan.settings.penstock.memory.limit_bytes),
        plan: Arc::new(plan),
        budgets,
        counts: Arc::new(counts),
        fronts,
        ledger: Ledger::new(),
        tasks: Tasks::new(),
        drain: Drain::new(),
        started: Instant::now(),
        connections: Arc::new(watch::Sender::new(0)),
        flushed: Arc::new(watch::Sender::new(0)),
    }
}

fn address_of(
    listener: &tokio::net::TcpListener,
    endpoint: &str,
) -> Result<SocketAddr, StartError> {
    let fault = |error| StartError::Bind {
        endpoint: endpoint.to_owned(),
        error,
    };
    listener.local_addr().map_err(fault)
}
