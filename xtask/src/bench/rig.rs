//! The processes of a measurement: load generator, doors, both tiers, sink.

use super::Workload;
use super::machine::{Cores, command};
use crate::admin::Ledger;
use crate::fail::{Outcome, bail};
use crate::process::{Process, wait_until};
use crate::sh;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Stdio;

/// The receiver's settings in all benches but for addresses and memory.
pub(crate) const CONFIG: &str = "
receivers: {otlp: {protocols: {grpc: {endpoint: 127.0.0.1:0}}}}
processors: {batch: {}}
exporters:
  otlp: {endpoint: BACKEND, tls: {insecure: true}, compression: none}
service:
  telemetry: {logs: {encoding: json, level: info}}
  pipelines:
    traces: {receivers: [otlp], processors: [batch], exporters: [otlp]}
    metrics: {receivers: [otlp], processors: [batch], exporters: [otlp]}
    logs: {receivers: [otlp], processors: [batch], exporters: [otlp]}
penstock:
  admin: {endpoint: 127.0.0.1:0}
  shards: 1
  log: {storage: memory}
  memory: {limit: MEMORY}
  exporters: {otlp: {replicas: ['REPLICA']}}
";

/// The log's settings in there.
pub(crate) const IN_MEMORY: &str = "storage: memory";

/// A running server and its gRPC address.
pub(crate) struct Server {
    pub(crate) process: Process,
    pub(crate) address: String,
    /// What it said when it was ready.
    pub(crate) ready: Value,
}

impl Server {
    pub(crate) fn start(
        folder: &Path,
        name: &str,
        (cores, binary, words): (Option<&str>, &str, &[&str]),
        message: &str,
    ) -> Outcome<Self> {
        // Counts that it tells at its end are not asked for.
        let mut command = command(cores, binary, words);
        let mut process = Process::start(name, folder, command.stdout(Stdio::null()))?;
        let ready = process.ready(message)?;
        let address = ready["grpc"].as_str().unwrap_or_default().to_owned();
        Ok(Self {
            process,
            address,
            ready,
        })
    }

    /// The backend.
    pub(crate) fn sink(folder: &Path, cores: Option<&str>) -> Outcome<Self> {
        Self::slow_sink(folder, cores, 0)
    }

    /// One that takes so many milliseconds for each batch.
    pub(crate) fn slow_sink(folder: &Path, cores: Option<&str>, delay: u32) -> Outcome<Self> {
        let words = ["--delay", &delay.to_string()];
        let start = (cores, "bench-sink", words.as_slice());
        Self::start(folder, "sink", start, "sink ready")
    }

    /// A receiver that hands over to `replica`, on the server's core.
    pub(crate) fn receiver(
        folder: &Path,
        cores: Option<&str>,
        backend: &str,
        replica: &str,
        memory: &str,
    ) -> Outcome<Self> {
        let addresses = (backend, replica);
        Self::receiver_with_log(folder, cores, addresses, memory, IN_MEMORY)
    }

    /// The same with other settings of the log.
    pub(crate) fn receiver_with_log(
        folder: &Path,
        cores: Option<&str>,
        (backend, replica): (&str, &str),
        memory: &str,
        log: &str,
    ) -> Outcome<Self> {
        let config = folder.join("receiver.yaml");
        let text = CONFIG
            .replace("BACKEND", backend)
            .replace("REPLICA", replica)
            .replace("MEMORY", memory)
            .replace(IN_MEMORY, log);
        fs::write(&config, text)?;
        let words = ["--config", &config.to_string_lossy()];
        let start = (cores, "penstock-receiver", words.as_slice());
        Self::start(folder, "receiver", start, "receiver ready")
    }

    /// Of a receiver: waits until nothing is held; the ledger then, which must balance.
    pub(crate) fn settled(&self) -> Outcome<Ledger> {
        let admin = self.ready["admin"].as_str().unwrap_or_default();
        let ledger = wait_until("delivery of everything", || {
            let ledger = Ledger::read(admin)?;
            Ok((ledger.sum("held", |_| true) == 0).then_some(ledger))
        })?;
        ledger.check_law()?;
        Ok(ledger)
    }

    /// Of a receiver: everything that was acked must have been delivered.
    pub(crate) fn delivered(&self, acked: u64) -> Outcome {
        let delivered = self.settled()?.sum("delivered", |_| true);
        if delivered != acked {
            bail!("{acked} items acked, {delivered} delivered");
        }
        Ok(())
    }
}

/// Runs the load generator to its end.
pub(crate) fn load(
    target: &str,
    workload: &Workload,
    cores: &Cores,
    seconds: u32,
    calls_a_second: Option<f64>,
) -> Outcome<Value> {
    let rate = calls_a_second.map(|rate| rate.to_string());
    let (connections, in_flight) = (workload.connections, workload.in_flight);
    let (file, numbers) = (
        fixture(workload.request),
        [connections, in_flight, seconds].map(|number| number.to_string()),
    );
    let mut words = vec![target, &file];
    words.extend(numbers.iter().map(String::as_str));
    words.extend(rate.as_deref());
    let output = command(cores.others.as_deref(), "bench-load", &words).output()?;
    if !output.status.success() {
        bail!("bench-load: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The same, where no call may fail.
pub(crate) fn faultless_load(
    target: &str,
    workload: &Workload,
    cores: &Cores,
    seconds: u32,
) -> Outcome<Value> {
    let load = load(target, workload, cores, seconds, None)?;
    if load["failures"].as_u64() != Some(0) {
        bail!("calls failed: {load}");
    }
    Ok(load)
}

/// Path of a captured request.
pub(crate) fn fixture(request: &str) -> String {
    let file = sh::root().join("fixtures/otlp").join(request);
    file.to_string_lossy().into_owned()
}
