//! One replica of an exporter: the process that is at its place in the network, or not.

use penstock_exporter_file::FileExporter;
use penstock_exporter_harness::ledger::Line;
use penstock_exporter_harness::{Exporter, Ledger, Options, serve};
use penstock_exporter_otlp::OtlpExporter;
use penstock_runtime::{Drain, Tasks};
use penstock_settings::{Backend, Exporter as Settings};
use penstock_testkit::Seat;
use penstock_tls::{ServerSide, Watched, watch};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;

/// An exporter's process.
pub(crate) struct Process {
    ledger: Arc<Ledger>,
    drain: Drain,
    /// Ends with the number of batches that its drain cut off.
    process: penstock_testkit::Process<usize>,
}

impl Process {
    /// Starts one at `seat`; returns when it listens.
    pub(crate) async fn start(seat: &Seat, settings: &Settings) -> Self {
        let settings = settings.clone();
        let (ledger, drain) = (Arc::new(Ledger::new(&settings.id.0)), Drain::new());
        let (its_ledger, its_drain) = (Arc::clone(&ledger), drain.clone());
        let main = |listener| async move {
            served(listener, &settings, its_ledger, &its_drain, &Tasks::new()).await
        };
        Self {
            ledger,
            drain,
            process: penstock_testkit::Process::start(seat.address(), main).await,
        }
    }

    /// What it counted of a signal.
    pub(crate) fn line(&self, signal: &str) -> Line {
        let mut lines = self.ledger.lines().into_iter();
        lines.find(|line| line.signal == signal).expect("a signal")
    }

    /// Tells it to finish what it has begun and waits for its end; nothing may be cut off.
    pub(crate) async fn stop(self) {
        self.drain.begin(Duration::from_secs(30));
        assert_eq!(self.process.ended().await, 0, "batches were cut off");
        for line in self.ledger.lines() {
            assert!(line.balances(), "{line:?}");
        }
    }

    /// Ends it as SIGKILL does: no answers, no GOAWAY.
    pub(crate) async fn kill(self) {
        self.process.kill().await;
    }
}

type Served<'a> = Pin<Box<dyn Future<Output = usize> + Send + 'a>>;

fn served<'a>(
    listener: TcpListener,
    settings: &Settings,
    ledger: Arc<Ledger>,
    drain: &'a Drain,
    tasks: &'a Tasks,
) -> Served<'a> {
    let mut options = Options::new(settings.hop.max_concurrent_batches);
    options.tls = settings.hop.tls.as_ref().map(|tls| {
        let tls = Arc::new(ServerSide::new(tls, &["h2"]).unwrap());
        let watched: Arc<dyn Watched> = Arc::<ServerSide>::clone(&tls);
        tasks.spawn("files", watch(watched));
        tls
    });
    match &settings.backend {
        Backend::File(file) => {
            let exporter = FileExporter::open(file).unwrap();
            run(listener, exporter, options, ledger, drain, tasks)
        }
        backend => {
            let exporter = OtlpExporter::new(backend, settings.timeout).unwrap();
            run(listener, exporter, options, ledger, drain, tasks)
        }
    }
}

fn run<'a, E: Exporter>(
    listener: TcpListener,
    exporter: E,
    options: Options,
    ledger: Arc<Ledger>,
    drain: &'a Drain,
    tasks: &'a Tasks,
) -> Served<'a> {
    Box::pin(serve(
        listener,
        Arc::new(exporter),
        options,
        ledger,
        drain,
        tasks,
    ))
}
