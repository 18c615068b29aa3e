//! Both tiers with a backend that counts, and the captured requests that clients send.

use crate::admin::{self, Ledger};
use crate::e2e::tiers::{ExporterProcess, ReceiverProcess, Sink};
use crate::fail::{Outcome, bail};
use crate::process::fresh_folder;
use crate::sh;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A captured request.
pub(super) struct Request {
    pub(super) signal: &'static str,
    file: &'static str,
    /// The gRPC method.
    pub(super) path: &'static str,
    items: u64,
}

pub(super) const REQUESTS: [Request; 3] = [
    Request {
        signal: "traces",
        file: "fast-traces-0001.pb",
        path: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        items: 5,
    },
    Request {
        signal: "metrics",
        file: "SYNTH-kumadp-server-v3-metrics-0001.pb",
        path: "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
        items: 142,
    },
    Request {
        signal: "logs",
        file: "kvbody-logs-0001.pb",
        path: "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        items: 13,
    },
];

impl Request {
    pub(super) fn body(&self) -> PathBuf {
        sh::root().join("fixtures/otlp").join(self.file)
    }

    /// A file with the body in gRPC's frame, for clients that do not know gRPC.
    pub(super) fn framed(&self, folder: &Path) -> Outcome<PathBuf> {
        let body = fs::read(self.body())?;
        let mut framed = vec![0];
        framed.extend(u32::try_from(body.len())?.to_be_bytes());
        framed.extend(body);
        let file = folder.join(format!("{}.grpc", self.signal));
        fs::write(&file, framed)?;
        Ok(file)
    }
}

/// Receiver → otlp exporter → a backend on Google's gRPC.
pub(super) struct Tiers {
    pub(super) folder: PathBuf,
    pub(super) receiver: ReceiverProcess,
    exporter: ExporterProcess,
    sink: Sink,
}

impl Tiers {
    pub(super) fn start(stage: &str) -> Outcome<Self> {
        let folder = fresh_folder(&format!("frontdoor/{stage}"))?;
        let sink = Sink::start(&folder)?;
        let at = &sink.address;
        let settings = format!("{{endpoint: '{at}', tls: {{insecure: true}}, compression: none}}");
        let exporter = ExporterProcess::start(&folder, "otlp", "otlp", &settings, "127.0.0.1:0")?;
        let replicas = std::slice::from_ref(&exporter.hop);
        let receiver = ReceiverProcess::start(&folder, &[("otlp", &settings, replicas)])?;
        Ok(Self {
            folder,
            receiver,
            exporter,
            sink,
        })
    }

    /// `http://host:port` of the gRPC port.
    pub(super) fn url(&self) -> Outcome<String> {
        Ok(format!("http://{}", self.receiver.address("grpc")?))
    }

    /// Every request was sent `calls` times: that much must have been accepted and have arrived, no more and no less, over
    /// at most `connections`. Stops everything and tells the sum.
    pub(super) fn expect(self, calls: u64, connections: u64) -> Outcome<String> {
        let expected = REQUESTS
            .each_ref()
            .map(|request| (request.signal, calls * request.items));
        if calls > 0 {
            self.receiver.settled(&expected)?;
        }
        let admin = self.receiver.address("admin")?;
        let ledger = Ledger::read(admin)?;
        ledger.check_law()?;
        for (signal, items) in expected {
            let accepted = ledger.accepted(signal);
            if accepted != items {
                bail!("{items} items of {signal} sent, {accepted} accepted");
            }
        }
        let opened = admin::counter(admin, "penstock_receive_connections_total", "")?;
        if opened > connections {
            bail!("{opened} connections, at most {connections} expected");
        }
        let out = self.sink.out.clone();
        self.receiver.stop()?;
        self.exporter.drain()?;
        self.sink.stop()?;
        let arrived = arrived(&out)?;
        for (signal, items) in expected {
            let arrived = arrived.get(signal).copied().unwrap_or_default();
            if arrived != items {
                bail!("{items} items of {signal} sent, {arrived} at the backend");
            }
        }
        let items: u64 = expected.iter().map(|(_, items)| items).sum();
        let calls = calls * REQUESTS.len() as u64;
        Ok(format!(
            "{calls} calls over {opened} connections, {items} items sent, accepted and at the backend"
        ))
    }
}

/// Items of each signal in the sink's output.
fn arrived(out: &Path) -> Outcome<BTreeMap<String, u64>> {
    let mut arrived = BTreeMap::new();
    for line in fs::read_to_string(out)?.lines() {
        let request: Value = serde_json::from_str(line)?;
        let signal = request["signal"].as_str().unwrap_or_default().to_owned();
        *arrived.entry(signal).or_default() += request["items"].as_u64().unwrap_or_default();
    }
    Ok(arrived)
}
