//! The usual case: every given signal into one exporter with one backend.

use super::{Client, Process, Reply, Seat, Setup, assert_law, push, settle};
use penstock_otlp::Signal;
use penstock_receiver::Receiver;
use penstock_testkit::{Backend, Oracle, Verdict};

pub(crate) const EXPORTER: &str = "otlp/only";

/// Both tiers, running.
pub(crate) struct Tiers {
    pub(crate) backend: Backend,
    pub(crate) seat: Seat,
    pub(crate) setup: Setup,
    pub(crate) process: Process,
    pub(crate) receiver: Receiver,
    pub(crate) oracle: Oracle,
}

impl Tiers {
    /// A pipeline per signal; `yaml` says what is special.
    pub(crate) async fn start(signals: &[&str], yaml: &str) -> Self {
        let (backend, seat) = (Backend::start().await, Seat::new());
        let mut setup = Setup::new().otlp(EXPORTER, &backend, &[&seat]);
        for signal in signals {
            setup = setup.pipeline(signal, &[EXPORTER]);
        }
        let setup = setup.with(yaml);
        let process = setup.process(EXPORTER, &seat).await;
        let receiver = setup.receiver().await;
        Self {
            backend,
            seat,
            setup,
            process,
            receiver,
            oracle: Oracle::new(),
        }
    }

    /// A gRPC connection.
    pub(crate) async fn grpc(&self) -> Client {
        Client::http2(self.receiver.grpc().next().unwrap()).await
    }

    /// An HTTP/1.1 connection.
    pub(crate) async fn http(&self) -> Client {
        Client::http1(self.receiver.http().next().unwrap()).await
    }

    pub(crate) async fn push(&self, client: &Client, signal: &str, ids: &[String]) -> Reply {
        push(client, &self.oracle, signal, ids).await
    }

    /// Waits until everything is settled, stops both tiers, and demands that what was acked has arrived, once.
    pub(crate) async fn end(self) {
        let verdict = self.end_at_least_once().await;
        assert_eq!(verdict, Verdict::default());
    }

    /// The same, but leaves duplicates to the caller.
    pub(crate) async fn end_at_least_once(self) -> Verdict {
        settle(&self.receiver).await;
        let ledger = self.receiver.ledger().clone();
        let accepted: u64 = Signal::ALL
            .map(|signal| ledger.accepted(signal))
            .iter()
            .sum();
        assert_eq!(accepted, self.oracle.acked() as u64, "acked is accepted");
        assert_eq!(self.receiver.stop().await.dropped, 0);
        self.process.stop().await;
        assert_law(&ledger.lines());
        assert_eq!(self.backend.faults(), Vec::<String>::new());
        for signal in Signal::ALL {
            self.oracle.arrive(&self.backend.delivered(signal.name()));
        }
        self.oracle.verdict()
    }
}
