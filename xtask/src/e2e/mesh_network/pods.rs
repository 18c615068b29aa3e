//! The processes in pods: receivers, exporters, and the senders beside the applications.

use super::network::{FABRIC, Pod};
use crate::admin::Ledger;
use crate::fail::{Outcome, bail};
use crate::process::{Process, binary_path, children, signal};
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// What the names of the headless Services are in the configuration.
pub(super) const EXPORTERS: &str = "penstock-exporter-otlp";
pub(super) const PEERS: &str = "penstock-receiver-peers";
/// The age at which connections are told to go, as it is by default, and where a test waits for it.
pub(super) const USUAL_AGE: Duration = Duration::from_secs(600);
pub(super) const SHORT_AGE: Duration = Duration::from_secs(5);

/// A receiver or an exporter.
pub(super) struct Tier {
    pub(super) name: String,
    pub(super) pod: Pod,
    binary: &'static str,
    words: Vec<String>,
    process: Process,
}

/// The configuration of both tiers, as the chart makes it, with a log of the pod's own.
fn config(folder: &Path, name: &str, backend: u16, age: Duration) -> Outcome<PathBuf> {
    let age = age.as_secs();
    let age = format!("max_connection_age: {age}s");
    let pipeline = "{receivers: [otlp], processors: [batch], exporters: [otlp]}";
    let text = format!(
        "receivers: {{otlp: {{protocols: {{grpc: {{endpoint: '0.0.0.0:4317', keepalive: {{server_parameters: {{{age}}}}}}}}}}}}}\n\
         processors: {{batch: {{send_batch_size: 500, timeout: 200ms}}}}\n\
         exporters: {{otlp: {{endpoint: '{FABRIC}:{backend}', tls: {{insecure: true}}, compression: none, \
         retry_on_failure: {{initial_interval: 100ms, max_interval: 1s}}}}}}\n\
         service:\n  telemetry: {{logs: {{encoding: json}}}}\n  pipelines: {{traces: {pipeline}, metrics: {pipeline}, logs: {pipeline}}}\n\
         penstock:\n  admin: {{endpoint: '0.0.0.0:8888'}}\n  log: {{directory: {}}}\n  hop: {{resolve_interval: 1s}}\n  \
         drain: {{deadline: 10s, hand_over: {{endpoint: 'dns:///{PEERS}:4317'}}}}\n",
        folder.join(format!("log-{name}")).display()
    );
    let path = folder.join(format!("{name}.yaml"));
    fs::write(&path, text)?;
    Ok(path)
}

impl Tier {
    pub(super) fn receiver(
        folder: &Path,
        name: String,
        pod: Pod,
        backend: u16,
        age: Duration,
    ) -> Outcome<Self> {
        let config = config(folder, &name, backend, age)?;
        let words = ["--config", &config.to_string_lossy()].map(str::to_owned);
        Self::start(folder, name, pod, "penstock-receiver", words.to_vec())
    }

    pub(super) fn exporter(folder: &Path, name: String, pod: Pod, backend: u16) -> Outcome<Self> {
        let config = config(folder, &name, backend, USUAL_AGE)?;
        let config = config.to_string_lossy();
        let words = ["--config", &config, "--exporter", "otlp"].map(str::to_owned);
        Self::start(folder, name, pod, "penstock-exporter-otlp", words.to_vec())
    }

    fn start(
        folder: &Path,
        name: String,
        pod: Pod,
        binary: &'static str,
        words: Vec<String>,
    ) -> Outcome<Self> {
        let process = launch(folder, &name, &pod, binary, &words)?;
        Ok(Self {
            name,
            pod,
            binary,
            words,
            process,
        })
    }

    /// Ends all processes of the pod at once, as a container that is out of memory or a node without power does.
    pub(super) fn crash(&mut self) -> Outcome {
        let supervisor = self.process.pid();
        let workers = children(supervisor);
        signal(supervisor, "KILL")?;
        for worker in workers {
            // It may have noticed that its supervisor is gone.
            let _killed = signal(worker, "KILL").is_ok();
        }
        self.process.wait().map(drop)
    }

    /// Starts what crashed again, in the same pod and with what is on its disk.
    pub(super) fn restart(&mut self, folder: &Path) -> Outcome {
        self.process = launch(folder, &self.name, &self.pod, self.binary, &self.words)?;
        Ok(())
    }

    /// SIGTERM; whatever was held has to be with somebody else in the end.
    pub(super) fn stop(self) -> Outcome {
        let status = self.process.stop()?;
        if !status.success() {
            bail!("{} ended with {status}", self.name);
        }
        Ok(())
    }

    pub(super) fn admin(&self) -> String {
        format!("{}:8888", self.pod.address)
    }

    pub(super) fn ledger(&self) -> Outcome<Ledger> {
        Ledger::read(&self.admin())
    }
}

fn launch(
    folder: &Path,
    name: &str,
    pod: &Pod,
    binary: &str,
    words: &[String],
) -> Outcome<Process> {
    let mut command = pod.command(&binary_path("debug", binary).to_string_lossy());
    command.args(words).stdout(Stdio::null());
    let mut process = Process::start(name, folder, &mut command)?;
    process.ready(match binary {
        "penstock-receiver" => "receiver ready",
        _ => "exporter ready",
    })?;
    Ok(process)
}

/// The backend, on the fabric. What it has outlives it.
pub(super) struct Backend {
    folder: PathBuf,
    port: u16,
    pub(super) record: PathBuf,
    process: Option<Process>,
}

impl Backend {
    pub(super) fn start(folder: &Path, port: u16) -> Outcome<Self> {
        let mut backend = Self {
            folder: folder.to_owned(),
            port,
            record: folder.join("arrived.txt"),
            process: None,
        };
        backend.up()?;
        Ok(backend)
    }

    pub(super) fn up(&mut self) -> Outcome {
        let mut command = Command::new(binary_path("debug", "bench-sink"));
        command.args(["--listen", &format!("{FABRIC}:{}", self.port)]);
        command
            .arg("--record")
            .arg(&self.record)
            .stdout(Stdio::null());
        let mut process = Process::start("backend", &self.folder, &mut command)?;
        process.ready("sink ready")?;
        self.process = Some(process);
        Ok(())
    }

    pub(super) fn down(&mut self) -> Outcome {
        self.process.take().map_or(Ok(()), Process::kill)
    }
}

/// A sender that never sends anything twice, like the sidecars, in a pod of its own.
pub(super) struct Sender {
    process: Process,
    /// What became of each of its calls.
    sent: PathBuf,
    told: PathBuf,
}

/// What a sender does.
pub(super) struct Load {
    pub(super) items_a_second: u32,
    pub(super) items_a_call: u32,
    /// For each signal.
    pub(super) connections: u32,
}

impl Sender {
    pub(super) fn start(
        folder: &Path,
        pod: &Pod,
        target: &str,
        load: &Load,
        first: u64,
    ) -> Outcome<Self> {
        let name = format!("sender-{first}");
        let sent = folder.join(format!("{name}.txt"));
        let told = folder.join(format!("{name}.json"));
        let mut command = pod.command(&binary_path("debug", "bench-oracle").to_string_lossy());
        command.arg(target).arg("--out").arg(&sent);
        let numbers = [
            ("--rate", load.items_a_second),
            ("--items", load.items_a_call),
            ("--connections", load.connections),
        ];
        for (word, number) in numbers {
            command.args([word, &number.to_string()]);
        }
        command
            .args(["--first", &first.to_string()])
            .stdout(Stdio::from(File::create(&told)?));
        let mut process = Process::start(&name, folder, &mut command)?;
        process.ready("oracle ready")?;
        Ok(Self {
            process,
            sent,
            told,
        })
    }

    /// Ends it when each of its calls has ended.
    pub(super) fn stop(self) -> Outcome<PathBuf> {
        self.process.stop()?;
        let told: Value = serde_json::from_slice(&fs::read(self.told)?)?;
        if told["unsent"].is_u64() {
            bail!("a sender could not keep its rate: {told}");
        }
        Ok(self.sent)
    }
}
