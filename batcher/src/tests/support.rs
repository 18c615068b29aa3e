//! A log with scripted exporters, and requests whose items have ids.

use crate::{
    Budgets, CursorSettings, Ledger, Log, LogOptions, ledger::Line, log::AppendError, log::Request,
};
use bytes::Bytes;
use futures_util::FutureExt;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs};
use penstock_hop::{Batch, Origin, Outcome, Owner, Owners, Transport};
use penstock_otlp::Signal;
use penstock_runtime::{Budget, Drain, Tasks};
use penstock_settings::{LogSettings, Retry};
use prost::Message;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

pub(crate) mod process;

/// What a scripted exporter does with a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Take,
    /// All but the last so many.
    TakeBut(usize),
    Retry,
    RetryAfter(Duration),
    /// Has not seen it: not reachable before this.
    Unreached(Duration),
    TooLarge,
    Reject,
    /// Never comes.
    Silence,
}

/// One attempt as the exporter saw it.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) origin: Origin,
    /// Address of the owner that it went to, where there are owners.
    pub(crate) owner: Option<String>,
    pub(crate) ids: Vec<u64>,
    pub(crate) attempt: u32,
    pub(crate) at: Instant,
}

type Plan = dyn Fn(&Attempt) -> (Duration, Answer) + Send + Sync;

/// An exporter that answers by plan and remembers what it saw.
pub(crate) struct Scripted {
    plan: Box<Plan>,
    seen: Mutex<Seen>,
    owners: watch::Sender<Option<Owners>>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) attempts: Vec<Attempt>,
    pub(crate) delivered: Vec<u64>,
    /// What the last answer rejected; pieces of a rejected batch may come again.
    pub(crate) rejected: BTreeSet<u64>,
    pub(crate) most_in_flight: usize,
    in_flight: usize,
}

impl fmt::Debug for Scripted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scripted")
    }
}

impl Scripted {
    /// Answers at once.
    pub(crate) fn new(plan: impl Fn(&Attempt) -> Answer + Send + Sync + 'static) -> Arc<Self> {
        Self::slow(move |attempt| (Duration::ZERO, plan(attempt)))
    }

    /// Answers after a while.
    pub(crate) fn slow(
        plan: impl Fn(&Attempt) -> (Duration, Answer) + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self {
            plan: Box::new(plan),
            seen: Mutex::default(),
            owners: watch::Sender::default(),
        })
    }

    /// From now on every Resource has its owner among these.
    pub(crate) fn owned_by(&self, addresses: &[&str]) {
        let owners = Owners::new(addresses.iter().copied());
        self.owners.send_replace(Some(owners));
    }

    pub(crate) fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn delivered(&self) -> Vec<u64> {
        let mut ids = self.seen().delivered;
        ids.sort_unstable();
        ids
    }
}

impl Transport for Scripted {
    async fn send(&self, batch: &Batch, attempt: u32) -> Outcome {
        self.answer(None, batch, attempt).await
    }

    fn owners(&self) -> Option<Owners> {
        self.owners.borrow().clone()
    }

    async fn moved(&self, epoch: u64) {
        let mut owners = self.owners.subscribe();
        let moved = |owners: &Option<Owners>| owners.as_ref().is_some_and(|o| o.epoch() != epoch);
        owners.wait_for(moved).await.unwrap();
    }

    async fn send_to(&self, owner: &Owner, batch: &Batch, attempt: u32) -> Outcome {
        self.answer(Some(owner.address().to_owned()), batch, attempt)
            .await
    }
}

impl Scripted {
    async fn answer(&self, owner: Option<String>, batch: &Batch, attempt: u32) -> Outcome {
        let ids = ids(batch);
        assert_eq!(ids.len(), batch.items, "a batch counts its items");
        let attempt = Attempt {
            origin: batch.origin.clone(),
            owner,
            ids,
            attempt,
            at: Instant::now(),
        };
        {
            let mut seen = self.seen.lock().unwrap();
            seen.attempts.push(attempt.clone());
            seen.in_flight += 1;
            seen.most_in_flight = seen.most_in_flight.max(seen.in_flight);
        }
        let (wait, answer) = (self.plan)(&attempt);
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        if answer == Answer::Silence {
            std::future::pending::<()>().await;
        }
        let mut seen = self.seen.lock().unwrap();
        seen.in_flight -= 1;
        for id in &attempt.ids {
            seen.rejected.remove(id);
        }
        let reason = "as planned".to_owned();
        match answer {
            Answer::Take => {
                seen.delivered.extend(attempt.ids);
                Outcome::Delivered {
                    rejected: 0,
                    message: String::new(),
                }
            }
            Answer::TakeBut(rejected) => {
                let (taken, left) = attempt.ids.split_at(attempt.ids.len() - rejected);
                seen.delivered.extend(taken);
                seen.rejected.extend(left);
                Outcome::Delivered {
                    rejected,
                    message: reason,
                }
            }
            Answer::Reject => {
                seen.rejected.extend(attempt.ids);
                Outcome::Rejected { reason }
            }
            Answer::TooLarge => {
                if let [only] = attempt.ids.as_slice() {
                    seen.rejected.insert(*only);
                }
                Outcome::TooLarge { reason }
            }
            Answer::RetryAfter(after) => Outcome::Retry {
                after: Some(after),
                reason,
            },
            Answer::Unreached(after) => Outcome::Unreached { after, reason },
            Answer::Retry | Answer::Silence => Outcome::Retry {
                after: None,
                reason,
            },
        }
    }
}

/// A log with one cursor per exporter.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) log: Arc<Log>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) tasks: Tasks,
    pub(crate) drain: Drain,
}

impl Bench {
    pub(crate) fn new(cursors: Vec<CursorSettings<Scripted>>) -> Self {
        Self::with_blocks(1 << 20, cursors)
    }

    pub(crate) fn with_blocks(block_bytes: usize, cursors: Vec<CursorSettings<Scripted>>) -> Self {
        let (ledger, tasks, drain) = (Ledger::new(), Tasks::new(), Drain::new());
        let budget = Budget::new(1 << 30, 1.0);
        let options = options(block_bytes, &budget);
        let log = Log::open(options, cursors, &ledger, &tasks, &drain)
            .now_or_never()
            .unwrap()
            .unwrap();
        Self {
            log,
            ledger,
            budget,
            tasks,
            drain,
        }
    }

    pub(crate) async fn append(&self, ids: Range<u64>) -> Result<(), AppendError> {
        let items = usize::try_from(ids.end - ids.start).unwrap();
        self.append_body(request(ids), items).await
    }

    pub(crate) async fn append_body(&self, body: Bytes, items: usize) -> Result<(), AppendError> {
        let permit = self.budget.enter(body.len()).await.unwrap();
        self.log
            .append(Request {
                body: body.into(),
                items,
                permit,
            })
            .await
    }

    pub(crate) async fn drain_within(&self, limit: Duration) {
        self.drain.begin(limit);
        self.drain.enter(penstock_runtime::Phase::Flushing);
        self.log.drained().await;
        self.tasks.ended().await;
        assert_eq!(self.tasks.failed().now_or_never(), None);
    }

    /// The ledger's line of one exporter; it must balance.
    pub(crate) fn line(&self, exporter: &str) -> Line {
        let line = self
            .ledger
            .lines()
            .into_iter()
            .find(|line| line.exporter == exporter)
            .unwrap();
        assert!(line.balances(), "{line:?}");
        line
    }
}

/// A log in memory.
pub(crate) fn options(block_bytes: usize, budget: &Arc<Budget>) -> LogOptions {
    LogOptions {
        signal: Signal::Logs,
        receiver: "otlp".to_owned(),
        settings: LogSettings {
            block_bytes,
            storage: penstock_settings::Storage::Memory,
            new_exporter: penstock_settings::StartAt::Tail,
        },
        budgets: Budgets::new(Arc::clone(budget), 0),
        shard: 0,
        shards: 1,
        max_hold: Duration::from_secs(8),
    }
}

/// A cursor with the Collector's batch settings, without jitter.
pub(crate) fn cursor(exporter: &str, transport: &Arc<Scripted>) -> CursorSettings<Scripted> {
    CursorSettings {
        pipeline: "logs".to_owned(),
        exporter: exporter.to_owned(),
        batch: batch(),
        retry: retry(),
        in_flight: 4,
        queue_limit: None,
        hand_over: None,
        dead_letters: None,
        transport: Arc::clone(transport),
    }
}

pub(crate) fn batch() -> penstock_settings::Batch {
    penstock_settings::Batch {
        send_batch_size: 8192,
        send_batch_max_size: 0,
        timeout: Duration::from_millis(200),
        max_bytes: 4 << 20,
    }
}

pub(crate) fn retry() -> Retry {
    Retry {
        enabled: true,
        initial_interval: Duration::from_secs(1),
        max_interval: Duration::from_secs(30),
        multiplier: 2.0,
        randomization_factor: 0.0,
        max_elapsed_time: None,
    }
}

/// A request of log records, one for each id.
pub(crate) fn request(ids: Range<u64>) -> Bytes {
    let log_records = ids
        .map(|id| LogRecord {
            time_unix_nano: id,
            ..LogRecord::default()
        })
        .collect();
    let scope_logs = vec![ScopeLogs {
        log_records,
        ..ScopeLogs::default()
    }];
    let resource_logs = vec![ResourceLogs {
        scope_logs,
        ..ResourceLogs::default()
    }];
    ExportLogsServiceRequest { resource_logs }
        .encode_to_vec()
        .into()
}

/// The ids of a batch, in order.
pub(crate) fn ids(batch: &Batch) -> Vec<u64> {
    let request = ExportLogsServiceRequest::decode(Bytes::from(batch.chunks.concat())).unwrap();
    let resources = request.resource_logs.into_iter();
    let records = resources
        .flat_map(|r| r.scope_logs)
        .flat_map(|s| s.log_records);
    records.map(|record| record.time_unix_nano).collect()
}

pub(crate) async fn pass(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}
