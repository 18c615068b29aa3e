//! The processes in pods: receivers, exporters, and the senders beside the applications.

use super::chart::{BACKEND, Chart, Spec};
use super::network::{FABRIC, Pod};
use crate::admin::{self, Ledger};
use crate::fail::{Outcome, bail};
use crate::process::{Process, binary_path, children, pause, signal, wait_until};
use serde_json::Value;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What the names of the headless Services are in the configuration.
pub(super) const EXPORTERS: &str = "penstock-exporter-otlp.observability.svc.cluster.local";
pub(super) const PEERS: &str = "penstock-receiver-peers.observability.svc.cluster.local";
/// Where the hop and hand-over are listened for.
const HOP: u16 = 4400;
const HAND_OVER: u16 = 4319;
/// The age at which connections are told to go where a test waits for it.
pub(super) const SHORT_AGE: Duration = Duration::from_secs(5);

/// A receiver or an exporter.
pub(super) struct Tier {
    pub(super) name: String,
    pub(super) pod: Pod,
    spec: Spec,
    process: Process,
}

impl Tier {
    /// Starts a pod of a tier and waits until kubelet would call it ready; connections to it may have another age than by default.
    pub(super) fn start(
        folder: &Path,
        chart: &Chart,
        tier: &str,
        name: String,
        pod: Pod,
        age: Option<Duration>,
    ) -> Outcome<Self> {
        let mut spec = chart.pod(tier, &name)?;
        if let Some(age) = age {
            let key =
                "receivers.otlp.protocols.grpc.keepalive.server_parameters.max_connection_age";
            spec.words.push(format!("--set={key}={}s", age.as_secs()));
        }
        let process = launch(folder, &name, &pod, &spec)?;
        let tier = Self {
            name,
            pod,
            spec,
            process,
        };
        tier.ready()?;
        Ok(tier)
    }

    /// Asks as often as the chart says.
    fn ready(&self) -> Outcome {
        let (path, port) = &self.spec.ready;
        let address = format!("{}:{port}", self.pod.address);
        wait_until(&format!("{} to be ready", self.name), || {
            let ready = admin::get(&address, path).is_ok_and(|(status, _)| status == 200);
            if !ready {
                pause(self.spec.period);
            }
            Ok(ready.then_some(()))
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
        self.process = launch(folder, &self.name, &self.pod, &self.spec)?;
        self.ready()
    }

    /// As kubelet ends a pod: the sleep, SIGTERM, and an end within the grace period. Whatever was held has to be with somebody else then.
    pub(super) fn stop(self) -> Outcome {
        let begin = Instant::now();
        pause(self.spec.pre_stop);
        let status = self.process.stop()?;
        let took = begin.elapsed();
        if !status.success() || took > self.spec.grace {
            bail!("{} ended with {status} after {took:?}", self.name);
        }
        Ok(())
    }

    pub(super) fn admin(&self) -> String {
        format!("{}:{}", self.pod.address, self.spec.ready.1)
    }

    pub(super) fn ledger(&self) -> Outcome<Ledger> {
        Ledger::read(&self.admin())
    }

    /// Fails when somebody without TLS is listened to where our pods speak to each other.
    pub(super) fn is_secured(&self) -> Outcome {
        let port = if self.spec.binary == "penstock-receiver" {
            HAND_OVER
        } else {
            HOP
        };
        let mut stream = TcpStream::connect((self.pod.address.as_str(), port))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")?;
        const ALERT: u8 = 21;
        let mut first = [0];
        match stream.read(&mut first) {
            // The connection's end is an answer too.
            Ok(0) | Err(_) => Ok(()),
            Ok(_) if first == [ALERT] => Ok(()),
            Ok(_) => bail!("{} speaks HTTP/2 in plaintext on port {port}", self.name),
        }
    }
}

fn launch(folder: &Path, name: &str, pod: &Pod, spec: &Spec) -> Outcome<Process> {
    let mut command = pod.command(&binary_path("debug", &spec.binary).to_string_lossy());
    command
        .args(&spec.words)
        .env("MY_POD_IP", &pod.address)
        .stdout(Stdio::null());
    Process::start(name, folder, &mut command)
}

/// The backend, on the fabric. What it has outlives it.
pub(super) struct Backend {
    folder: PathBuf,
    pub(super) record: PathBuf,
    process: Option<Process>,
}

impl Backend {
    pub(super) fn start(folder: &Path) -> Outcome<Self> {
        let mut backend = Self {
            folder: folder.to_owned(),
            record: folder.join("arrived.txt"),
            process: None,
        };
        backend.up()?;
        Ok(backend)
    }

    pub(super) fn up(&mut self) -> Outcome {
        let mut command = Command::new(binary_path("debug", "bench-sink"));
        command.args(["--listen", &format!("{FABRIC}:{BACKEND}")]);
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
