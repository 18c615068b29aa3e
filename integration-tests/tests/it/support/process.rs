//! One replica of an exporter: its place in the network, and the process that is there or not.

use penstock_exporter_file::FileExporter;
use penstock_exporter_harness::ledger::Line;
use penstock_exporter_harness::{Exporter, Ledger, Options, serve};
use penstock_exporter_otlp::OtlpExporter;
use penstock_runtime::shards::Shard;
use penstock_runtime::{Drain, Tasks};
use penstock_settings::{Backend, Exporter as Settings};
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::oneshot;

/// An address that is ours whether somebody listens there or not. While nobody does, connections are refused.
#[derive(Debug)]
pub(crate) struct Seat {
    address: SocketAddr,
    /// Bound and never listening: nobody else can get the port, not even as the near end of a connection.
    _reserved: TcpSocket,
}

impl Seat {
    pub(crate) fn new() -> Self {
        let reserved = socket(([127, 0, 0, 1], 0).into());
        Self {
            address: reserved.local_addr().unwrap(),
            _reserved: reserved,
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

fn socket(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.set_reuseport(true).unwrap();
    socket.bind(address).unwrap();
    socket
}

/// An exporter's process, as a thread with a runtime of its own: killed, it takes its connections along.
pub(crate) struct Process {
    ledger: Arc<Ledger>,
    drain: Drain,
    kill: oneshot::Sender<()>,
    /// `None` when it was killed, else the number of batches that its drain cut off.
    ended: oneshot::Receiver<Option<usize>>,
    shard: Shard,
}

impl Process {
    /// Starts one at `seat`; returns when it listens.
    pub(crate) async fn start(seat: &Seat, settings: &Settings) -> Self {
        let (address, settings) = (seat.address, settings.clone());
        let ledger = Arc::new(Ledger::new(&settings.id.0));
        let drain = Drain::new();
        let (ready, listening) = oneshot::channel();
        let (kill, killed) = oneshot::channel::<()>();
        let (end, ended) = oneshot::channel();
        let (its_ledger, its_drain) = (Arc::clone(&ledger), drain.clone());
        let shard = Shard::start("exporter", 0, move || async move {
            let listener = socket(address).listen(64).unwrap();
            ready.send(()).unwrap();
            let tasks = Tasks::new();
            let cut_off = tokio::select! {
                cut_off = served(listener, &settings, its_ledger, &its_drain, &tasks) => Some(cut_off),
                _ = killed => None,
            };
            // A test that has failed does not listen any more.
            _ = end.send(cut_off);
        });
        listening.await.unwrap();
        Self {
            ledger,
            drain,
            kill,
            ended,
            shard: shard.unwrap(),
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
        assert_eq!(self.ended.await.unwrap(), Some(0), "batches were cut off");
        assert!(self.shard.join());
        for line in self.ledger.lines() {
            assert!(line.balances(), "{line:?}");
        }
    }

    /// Ends it as SIGKILL does: no answers, no GOAWAY.
    pub(crate) async fn kill(self) {
        self.kill.send(()).unwrap();
        assert_eq!(self.ended.await.unwrap(), None);
        assert!(self.shard.join());
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
    let options = Options::new(settings.hop.max_concurrent_batches);
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
