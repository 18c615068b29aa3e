//! Stand-ins for unit tests: a body given chunk by chunk, an exporter, and one signal's stages around them.

use crate::admit::{Admit, SignalBudget};
use crate::identify::Identify;
use crate::metrics::{DoorCounts, Entrance, Transport as Kind};
use crate::pipeline::{BodyError, BodySource, Call, Limits, Peer, Pipeline};
use crate::receive::Route;
use bytes::Bytes;
use futures_util::FutureExt;
use penstock_batcher::{Budgets, CursorSettings, Ledger, Log, LogOptions};
use penstock_hop::{Batch, Outcome, Transport};
use penstock_otlp::Signal;
use penstock_otlp::compress::Encoding;
use penstock_runtime::{Drain, Tasks};
use penstock_settings::{Identity, LogSettings, Retry};
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{oneshot, watch};

pub(crate) const MIB: usize = 1 << 20;
pub(crate) const MAX_HOLD: Duration = Duration::from_secs(8);
pub(crate) const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 1, 2, 3));
pub(crate) const NO_RULES: Identity = Identity {
    pod_ip: false,
    trust_forwarded_for: true,
    metrics_instance_id: false,
    metrics_service_name: false,
    logs_service_name: false,
};

/// What a scripted body does next.
pub(crate) enum Step {
    Chunk(Bytes),
    /// Nothing until this is sent.
    Wait(oneshot::Receiver<()>),
    Error(BodyError),
    /// Nothing ever.
    Stall,
}

/// A body by script that knows how much of it was pulled.
pub(crate) struct Script {
    steps: VecDeque<Step>,
    pub(crate) pulled: usize,
    /// How often it was told that it has waited for the longest time.
    pub(crate) overdue: usize,
}

impl Script {
    pub(crate) fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self {
            steps: steps.into_iter().collect(),
            pulled: 0,
            overdue: 0,
        }
    }

    pub(crate) fn of(body: &Bytes) -> Self {
        Self::new([Step::Chunk(body.clone())])
    }
}

impl BodySource for Script {
    async fn chunk(&mut self) -> Option<Result<Bytes, BodyError>> {
        loop {
            match self.steps.pop_front()? {
                Step::Chunk(chunk) => {
                    self.pulled += chunk.len();
                    return Some(Ok(chunk));
                }
                Step::Wait(gate) => drop(gate.await),
                Step::Error(error) => return Some(Err(error)),
                Step::Stall => std::future::pending().await,
            }
        }
    }

    fn overdue(&mut self) {
        self.overdue += 1;
    }
}

/// A call with an uncompressed protobuf body of a known length.
pub(crate) fn call(declared_len: Option<usize>) -> Call {
    Call {
        peer: Peer {
            address: PEER,
            forwarded_for: None,
        },
        encoding: Encoding::Identity,
        json: false,
        declared_len,
        patience: None,
        limits: LIMITS,
        handed_over: None,
    }
}

pub(crate) const LIMITS: Limits = Limits {
    max_bytes: MIB,
    read_timeout: Duration::from_secs(60),
};

/// Takes everything and remembers it.
#[derive(Debug, Default)]
pub(crate) struct Exporter {
    batches: Mutex<Vec<Batch>>,
    items: watch::Sender<usize>,
}

impl Exporter {
    /// Waits for that many items and gives all payloads in order.
    pub(crate) async fn delivered(&self, items: usize) -> Vec<Bytes> {
        self.items
            .subscribe()
            .wait_for(|have| *have >= items)
            .await
            .unwrap();
        let batches = self.batches.lock().unwrap();
        batches
            .iter()
            .map(|batch| Bytes::from(batch.chunks.concat()))
            .collect()
    }
}

impl Transport for Exporter {
    async fn send(&self, batch: &Batch, _attempt: u32) -> Outcome {
        self.batches.lock().unwrap().push(batch.clone());
        self.items.send_modify(|items| *items += batch.items);
        Outcome::Delivered {
            rejected: 0,
            message: String::new(),
        }
    }
}

/// One signal from its pipeline to an exporter that takes everything.
pub(crate) struct Bench {
    pub(crate) route: Route,
    pub(crate) budget: SignalBudget,
    pub(crate) exporter: Arc<Exporter>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) drain: Drain,
    pub(crate) door: Arc<DoorCounts>,
}

impl Bench {
    pub(crate) fn new(signal: Signal, rules: Identity) -> Self {
        let budget = SignalBudget::new(4 * MIB, 0.5, MIB);
        let exporter = Arc::new(Exporter::default());
        let (ledger, drain) = (Ledger::new(), Drain::new());
        let cursor = CursorSettings {
            pipeline: signal.name().to_owned(),
            exporter: "test".to_owned(),
            batch: penstock_settings::Batch::default(),
            retry: Retry::default(),
            in_flight: 1,
            queue_limit: None,
            transport: Arc::clone(&exporter),
            hand_over: None,
            dead_letters: None,
        };
        let settings = LogSettings {
            block_bytes: MIB,
            storage: penstock_settings::Storage::Memory,
            new_exporter: penstock_settings::StartAt::Tail,
        };
        let options = LogOptions {
            signal,
            receiver: "otlp".to_owned(),
            settings,
            budgets: Budgets::new(Arc::clone(&budget.held), 0),
            shard: 0,
            shards: 1,
            max_hold: MAX_HOLD,
        };
        // A log in memory is open at once.
        let log = Log::open(options, vec![cursor], &ledger, &Tasks::new(), &drain)
            .now_or_never()
            .unwrap()
            .unwrap();
        let pipeline = Pipeline {
            signal,
            admit: Admit::new(signal, budget.clone(), MAX_HOLD),
            identify: Identify::new(signal, rules),
            log,
            seen: Arc::default(),
        };
        let entrance = Entrance::new("otlp".to_owned(), Kind::Grpc, signal);
        let route = Route {
            pipeline: Arc::new(pipeline),
            entrance,
        };
        let door = DoorCounts::new("otlp".to_owned(), Kind::Grpc);
        Self {
            route,
            budget,
            exporter,
            ledger,
            drain,
            door,
        }
    }
}
