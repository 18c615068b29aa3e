//! Settings as a user writes them: pieces of YAML, merged in order.

use super::{Process, Seat};
use penstock_receiver::Receiver;
use penstock_settings::{ComponentId, Settings, Source, load};
use penstock_testkit::Backend;
use std::iter;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;

/// Any port, and times so short that nobody waits for them.
const BASE: &str = "
receivers:
  otlp:
    protocols:
      grpc: {endpoint: 127.0.0.1:0}
      http: {endpoint: 127.0.0.1:0}
processors:
  batch: {timeout: 20ms}
penstock:
  shards: 2
  admin: {endpoint: 127.0.0.1:0}
  hop: {eject_for: 50ms}
";

/// A configuration that grows piece by piece; later pieces win. Where no piece says otherwise, each receiver has its log in
/// a new folder.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    sources: Vec<Source>,
    folder: Arc<TempDir>,
    receivers: Arc<AtomicUsize>,
}

impl Setup {
    /// Receivers and short times; no exporter and no pipeline yet.
    pub(crate) fn new() -> Self {
        Self::of(Vec::new())
    }

    /// The same after what these sources say.
    pub(crate) fn of(sources: Vec<Source>) -> Self {
        let setup = Self {
            sources,
            folder: Arc::new(TempDir::new().unwrap()),
            receivers: Arc::default(),
        };
        setup.with(BASE)
    }

    pub(crate) fn with(mut self, yaml: impl Into<String>) -> Self {
        self.sources.push(Source::Text {
            name: format!("piece-{}.yaml", self.sources.len()),
            yaml: yaml.into(),
        });
        self
    }

    /// An OTLP/gRPC exporter with these replicas.
    pub(crate) fn otlp(self, id: &str, backend: &Backend, replicas: &[&Seat]) -> Self {
        let endpoint = backend.address();
        let tls = "tls: {insecure: true}";
        self.exporter(
            id,
            &format!("{{endpoint: \"{endpoint}\", {tls}, {RETRY}}}"),
            replicas,
        )
    }

    /// An OTLP/HTTP exporter with these replicas.
    pub(crate) fn otlphttp(self, id: &str, backend: &Backend, replicas: &[&Seat]) -> Self {
        let url = backend.url();
        self.exporter(id, &format!("{{endpoint: \"{url}\", {RETRY}}}"), replicas)
    }

    /// An exporter of any kind.
    pub(crate) fn exporter(self, id: &str, settings: &str, replicas: &[&Seat]) -> Self {
        let replicas: Vec<_> = replicas.iter().map(|seat| seat.address()).collect();
        self.with(format!("exporters: {{{id}: {settings}}}"))
            .replicas(id, &replicas)
    }

    /// Where an exporter's replicas are.
    pub(crate) fn replicas(self, id: &str, replicas: &[std::net::SocketAddr]) -> Self {
        let replicas: Vec<_> = replicas
            .iter()
            .map(|address| format!("\"{address}\""))
            .collect();
        let replicas = replicas.join(", ");
        self.with(format!(
            "penstock: {{exporters: {{{id}: {{replicas: [{replicas}]}}}}}}"
        ))
    }

    /// A pipeline from the receiver to these exporters.
    pub(crate) fn pipeline(self, id: &str, exporters: &[&str]) -> Self {
        let exporters = exporters.join(", ");
        self.with(format!(
            "service: {{pipelines: {{{id}: {{receivers: [otlp], processors: [batch], exporters: [{exporters}]}}}}}}"
        ))
    }

    /// What a command is given by `--config`.
    pub(crate) fn sources(&self) -> &[Source] {
        &self.sources
    }

    pub(crate) fn settings(&self) -> Settings {
        let number = self.receivers.fetch_add(1, Ordering::Relaxed);
        let log = self.folder.path().join(number.to_string());
        let first = Source::Text {
            name: "log.yaml".to_owned(),
            yaml: format!("penstock: {{log: {{directory: \"{}\"}}}}", log.display()),
        };
        let sources: Vec<_> = iter::once(first)
            .chain(self.sources.iter().cloned())
            .collect();
        load(&sources).unwrap_or_else(|fault| panic!("{fault}"))
    }

    pub(crate) async fn receiver(&self) -> Receiver {
        let started = Receiver::start(self.settings(), None).await;
        started.unwrap_or_else(|error| panic!("{error}"))
    }

    /// The process of one replica of an exporter.
    pub(crate) async fn process(&self, id: &str, seat: &Seat) -> Process {
        let settings = self.settings();
        let exporter = settings.exporters.get(&ComponentId(id.to_owned()));
        Process::start(seat, exporter.expect("an exporter of that id")).await
    }
}

const RETRY: &str = "retry_on_failure: {initial_interval: 20ms, max_interval: 100ms}";
