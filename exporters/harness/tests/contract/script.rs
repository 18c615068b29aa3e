//! An exporter that does what the test says, and the process around it.

use bytes::Bytes;
use penstock_exporter_harness::ledger::Line;
use penstock_exporter_harness::{
    ExportBatch, ExportError, Exported, Exporter, Ledger, Options, serve,
};
use penstock_runtime::{Drain, Tasks};
use penstock_testkit::Gate;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

/// What the exporter does with one batch.
pub(crate) enum Step {
    Answer(Result<Exported, ExportError>),
    Held(Gate),
    Panic,
}

/// The exporter; it says yes when the script is at its end.
#[derive(Default)]
pub(crate) struct Script {
    steps: Mutex<VecDeque<Step>>,
    bodies: Mutex<Vec<(&'static str, Bytes)>>,
    arrived: watch::Sender<usize>,
    closed: watch::Sender<bool>,
}

impl Script {
    pub(crate) fn new(steps: impl IntoIterator<Item = Step>) -> Arc<Self> {
        let script = Self::default();
        script.steps.lock().unwrap().extend(steps);
        Arc::new(script)
    }

    /// Every batch that arrived, by signal.
    pub(crate) fn bodies(&self) -> Vec<(&'static str, Bytes)> {
        self.bodies.lock().unwrap().clone()
    }

    /// Waits until `count` batches have arrived.
    pub(crate) async fn arrived(&self, count: usize) {
        self.arrived
            .subscribe()
            .wait_for(|arrived| *arrived >= count)
            .await
            .unwrap();
    }

    pub(crate) fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }
}

impl Exporter for Script {
    async fn export(&self, batch: &ExportBatch) -> Result<Exported, ExportError> {
        assert!(!self.is_closed(), "a batch after close");
        let step = self.steps.lock().unwrap().pop_front();
        self.bodies
            .lock()
            .unwrap()
            .push((batch.signal.name(), batch.body()));
        self.arrived.send_modify(|arrived| *arrived += 1);
        match step {
            None => Ok(Exported::default()),
            Some(Step::Answer(answer)) => answer,
            Some(Step::Held(gate)) => {
                gate.passed().await;
                assert!(!self.is_closed(), "closed with a batch in flight");
                Ok(Exported::default())
            }
            Some(Step::Panic) => panic!("the script says so"),
        }
    }

    async fn close(&self) {
        self.closed.send_replace(true);
    }
}

/// An exporter's process.
pub(crate) struct Process {
    pub(crate) address: SocketAddr,
    pub(crate) script: Arc<Script>,
    ledger: Arc<Ledger>,
    drain: Drain,
    /// Ends with the number of batches that the drain cut off.
    process: penstock_testkit::Process<usize>,
}

impl Process {
    pub(crate) async fn start(script: &Arc<Script>) -> Self {
        Self::start_with(script, Options::new(64)).await
    }

    pub(crate) async fn start_with(script: &Arc<Script>, options: Options) -> Self {
        let (ledger, drain) = (Arc::new(Ledger::new("test")), Drain::new());
        let (its_ledger, its_drain) = (Arc::clone(&ledger), drain.clone());
        let exporter = Arc::clone(script);
        let main = |listener| async move {
            let tasks = Tasks::new();
            serve(listener, exporter, options, its_ledger, &its_drain, &tasks).await
        };
        let anywhere = ([127, 0, 0, 1], 0).into();
        let process = penstock_testkit::Process::start(anywhere, main).await;
        Self {
            address: process.address(),
            script: Arc::clone(script),
            ledger,
            drain,
            process,
        }
    }

    /// The ledger of traces.
    pub(crate) fn traces(&self) -> Line {
        self.ledger.lines().remove(0)
    }

    pub(crate) fn begin_drain(&self, within: Duration) {
        self.drain.begin(within);
    }

    /// Waits for the end of the drain; the number of batches that were cut off.
    pub(crate) async fn drained(self) -> usize {
        self.process.ended().await
    }

    pub(crate) async fn kill(self) {
        self.process.kill().await;
    }
}
