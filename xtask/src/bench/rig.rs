//! The processes of a measurement: load generator, doors, both tiers, sink, peers.

use super::machine::{Cores, command};
use super::workload::Workload;
use crate::admin::{self, Ledger};
use crate::fail::{Outcome, bail};
use crate::process::{Process, binary_path, fresh_folder, wait_until};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// Where measurements are made.
pub(super) struct Lab {
    pub(super) folder: PathBuf,
    pub(super) cores: Cores,
    /// Of our binaries: `release`, or `debug` where only counts matter.
    profile: &'static str,
}

/// Which of the machine's cores a process gets.
#[derive(Clone, Copy)]
pub(super) enum Core {
    /// That of the system under test.
    Server,
    /// Those of all else.
    Others,
    /// Any of them.
    Any,
}

/// A running server and its gRPC address.
pub(super) struct Server {
    pub(super) process: Process,
    pub(super) address: String,
    /// What it said when it was ready.
    ready: Value,
}

/// Where a receiver keeps what it has taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Keep {
    Memory,
    /// On disk, never synced.
    Unsynced,
    /// On disk, synced every second.
    Interval,
    /// On disk, synced before each ack.
    Commit,
}

/// A receiver's settings as far as benches differ in them.
pub(super) struct ReceiverSettings<'a> {
    /// One for each exporter.
    pub(super) replicas: Vec<&'a str>,
    pub(super) keep: Keep,
    pub(super) memory: &'static str,
    /// So many, on any core; one on the core of the system under test if it does not matter.
    pub(super) shards: Option<usize>,
}

impl Keep {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Memory => "log in memory",
            Self::Unsynced => "log `none`",
            Self::Interval => "log `interval`",
            Self::Commit => "log `commit`",
        }
    }

    fn settings(self, data: &Path) -> String {
        let sync = match self {
            Self::Memory => return "storage: memory".to_owned(),
            Self::Unsynced => "none",
            Self::Interval => "interval",
            Self::Commit => "commit",
        };
        // Room for all that comes while a backend is away, in each signal's third.
        format!(
            "storage: disk, directory: {}, max_bytes: 12GiB, sync: {sync}",
            data.display()
        )
    }
}

impl Lab {
    pub(super) fn new(name: &str, profile: &'static str) -> Outcome<Self> {
        Ok(Self {
            folder: fresh_folder(name)?,
            cores: Cores::choose()?,
            profile,
        })
    }

    /// One of our servers, which is ready when it says `ready`.
    fn start(
        &self,
        (name, core): (&str, Core),
        (binary, words): (&str, &[&str]),
        ready: &str,
    ) -> Outcome<Server> {
        let program = binary_path(self.profile, binary);
        let mut command = command(self.cores.of(core), &program, words);
        // Counts that it tells at its end are not asked for.
        let mut process = Process::start(name, &self.folder, command.stdout(Stdio::null()))?;
        let ready = process.ready(ready)?;
        let address = ready["grpc"].as_str().or(ready["hop"].as_str());
        Ok(Server {
            process,
            address: address.unwrap_or_default().to_owned(),
            ready,
        })
    }

    /// The backend.
    pub(super) fn sink(&self, core: Core, words: &[&str]) -> Outcome<Server> {
        self.start(("sink", core), ("bench-sink", words), "sink ready")
    }

    /// A front door without a receiver behind it.
    pub(super) fn door(&self, door: &str, behind: &str) -> Outcome<Server> {
        let words = [door, behind];
        self.start(("door", Core::Server), ("bench-door", &words), "door ready")
    }

    /// A receiver whose log is new.
    pub(super) fn receiver(&self, settings: &ReceiverSettings<'_>) -> Outcome<Server> {
        let data = self.folder.join("data");
        if data.exists() {
            fs::remove_dir_all(&data)?;
        }
        let config = self.config("receiver.yaml", settings, &data)?;
        let words = ["--config", config.as_str()];
        let start = ("penstock-receiver", words.as_slice());
        let core = settings.shards.map_or(Core::Server, |_| Core::Any);
        self.start(("receiver", core), start, "receiver ready")
    }

    /// The `otlp` exporter, on the core of the system under test.
    pub(super) fn exporter(&self, backend: &str) -> Outcome<Server> {
        let settings = ReceiverSettings {
            replicas: vec![backend],
            keep: Keep::Memory,
            memory: "512MiB",
            shards: None,
        };
        let config = self.config("exporter.yaml", &settings, Path::new(""))?;
        let any = "127.0.0.1:0";
        let words = ["--config", &config, "--listen", any, "--admin", any];
        let start = ("penstock-exporter-otlp", words.as_slice());
        self.start(("exporter", Core::Server), start, "exporter ready")
    }

    fn config(&self, file: &str, settings: &ReceiverSettings<'_>, data: &Path) -> Outcome<String> {
        let all = || settings.replicas.iter().enumerate();
        let exporters = all().map(|(n, replica)| {
            format!("  otlp/{n}: {{endpoint: '{replica}', tls: {{insecure: true}}, compression: none}}\n")
        });
        let replicas =
            all().map(|(n, replica)| format!("    otlp/{n}: {{replicas: ['{replica}']}}\n"));
        let names: Vec<_> = all().map(|(n, _)| format!("otlp/{n}")).collect();
        let names = names.join(", ");
        let pipelines = ["traces", "metrics", "logs"].map(|signal| {
            format!(
                "    {signal}: {{receivers: [otlp], processors: [batch], exporters: [{names}]}}\n"
            )
        });
        let text = format!(
            "receivers: {{otlp: {{protocols: {{grpc: {{endpoint: 127.0.0.1:0}}}}}}}}\n\
             processors: {{batch: {{}}}}\n\
             exporters:\n{}\
             service:\n  telemetry: {{logs: {{encoding: json, level: info}}}}\n  pipelines:\n{}\
             penstock:\n  admin: {{endpoint: 127.0.0.1:0}}\n  shards: {}\n  log: {{{}}}\n  memory: {{limit: {}}}\n  exporters:\n{}",
            exporters.collect::<String>(),
            pipelines.concat(),
            settings.shards.unwrap_or(1),
            settings.keep.settings(data),
            settings.memory,
            replicas.collect::<String>(),
        );
        let path = self.folder.join(file);
        fs::write(&path, text)?;
        Ok(path.to_string_lossy().into_owned())
    }

    /// Runs the load generator to its end.
    pub(super) fn load(&self, target: &str, workload: &Workload, seconds: f64) -> Outcome<Value> {
        let requests = workload.words();
        let (connections, in_flight) = (workload.connections, workload.in_flight);
        let numbers = [connections, in_flight].map(|number| number.to_string());
        let seconds = seconds.to_string();
        let rate = workload.rate.map(|rate| rate.to_string());
        let mut words = vec![target, &requests, &numbers[0], &numbers[1], &seconds];
        words.extend(rate.as_deref());
        let program = binary_path(self.profile, "bench-load");
        let output = command(self.cores.of(Core::Others), &program, &words).output()?;
        if !output.status.success() {
            bail!("bench-load: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// The same, where no call may fail.
    pub(super) fn faultless_load(
        &self,
        target: &str,
        workload: &Workload,
        seconds: f64,
    ) -> Outcome<Value> {
        let load = self.load(target, workload, seconds)?;
        if load["failures"].as_u64() != Some(0) {
            bail!("calls failed: {load}");
        }
        Ok(load)
    }

    /// Connections that made one call each and are held until the process is stopped.
    pub(super) fn idle(
        &self,
        target: &str,
        workload: &Workload,
        connections: u32,
    ) -> Outcome<Process> {
        let (requests, connections) = (workload.words(), connections.to_string());
        let words = ["idle", target, &requests, &connections];
        let program = binary_path(self.profile, "bench-load");
        let mut command = command(self.cores.of(Core::Others), &program, &words);
        let mut load = Process::start("idle", &self.folder, &mut command)?;
        let idle = load.ready("idle")?;
        if idle["failures"].as_u64() != Some(0) {
            bail!("calls failed: {idle}");
        }
        Ok(load)
    }
}

impl Server {
    /// A process that is no server of ours and listens there.
    pub(super) fn foreign(process: Process, address: String) -> Self {
        Self {
            process,
            address,
            ready: Value::Null,
        }
    }

    fn admin(&self) -> &str {
        self.ready["admin"].as_str().unwrap_or_default()
    }

    /// Of a sink: items that have come.
    pub(super) fn arrived(&self) -> Outcome<u64> {
        let (_status, counts) = admin::get(self.admin(), "/")?;
        let counts: Value = serde_json::from_str(&counts)?;
        Ok(counts["items"].as_u64().unwrap_or_default())
    }

    /// Of a receiver: waits until nothing is held, and the ledger balances; everything that was acked must have been delivered
    /// by each exporter.
    pub(super) fn delivered(&self, acked: u64) -> Outcome {
        let ledger = wait_until("delivery of everything", || {
            let ledger = Ledger::read(self.admin())?;
            Ok((ledger.sum("held", |_| true) == 0).then_some(ledger))
        })?;
        ledger.check_law()?;
        let used = |line: &&Value| line["accepted"].as_u64() != Some(0);
        for line in ledger.lines().iter().filter(used) {
            if line["delivered"].as_u64() != Some(acked) {
                bail!("{acked} items acked: {line}");
            }
        }
        Ok(())
    }
}
