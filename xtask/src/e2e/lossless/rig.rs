//! The processes of a trial: oracle, receiver, exporters, backend, each on ports of its own that it finds again after a kill.

use super::books::{Arrived, Sent, Verdict};
use super::parts::{Part, Receiver};
use crate::admin::Ledger;
use crate::fail::{Outcome, bail};
use crate::process::{Process, fixed_port, wait_within};
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// How long what is held may take to be delivered when everything is well again, back-off of half a minute included.
pub(super) const SETTLE: Duration = Duration::from_secs(90);

/// What distinguishes one trial's set-up.
pub(super) struct Plan<'a> {
    /// Folder below `target/e2e`.
    pub(super) name: &'a str,
    /// `debug` or `release`.
    pub(super) profile: &'static str,
    pub(super) signals: &'a [&'a str],
    /// The log's settings but for its directory, YAML inside of braces.
    pub(super) log: &'a str,
    /// Further lines of the `penstock` section.
    pub(super) penstock: &'a str,
    /// `otlp`, which sends to a backend that takes only the oracle's items, and `file`.
    pub(super) exporters: &'a [&'a str],
    /// A program and its words that start the receiver.
    pub(super) wrapper: Vec<String>,
}

/// Oracle → receiver → exporters → backend.
pub(super) struct Rig {
    pub(super) folder: PathBuf,
    profile: &'static str,
    signals: String,
    pub(super) receiver: Receiver,
    pub(super) exporters: Vec<Part>,
    pub(super) backend: Part,
    /// What the backend has.
    arrived: PathBuf,
    /// What the `file` exporter has.
    pub(super) out: PathBuf,
    has_file: bool,
    /// What oracles were told.
    sent: Vec<PathBuf>,
    next: u64,
}

/// The configuration of both tiers, one place for the text.
#[derive(Clone)]
pub(super) struct Config {
    text: String,
}

impl Config {
    fn new(plan: &Plan<'_>, folder: &Path, exporters: &[Exporter], ports: [u16; 2]) -> Self {
        let [grpc, admin] = ports;
        let ids: Vec<_> = exporters.iter().map(|exporter| exporter.id).collect();
        let ids = ids.join(", ");
        let mut text = format!(
            "receivers: {{otlp: {{protocols: {{grpc: {{endpoint: 127.0.0.1:{grpc}}}}}}}}}\n\
             processors: {{batch: {{send_batch_size: 500, timeout: 200ms}}}}\nexporters:\n"
        );
        for exporter in exporters {
            text.push_str(&format!("  {}: {}\n", exporter.id, exporter.settings));
        }
        text.push_str("service:\n  telemetry: {logs: {encoding: json}}\n  pipelines:\n");
        for signal in plan.signals {
            let pipeline = format!("receivers: [otlp], processors: [batch], exporters: [{ids}]");
            text.push_str(&format!("    {signal}: {{{pipeline}}}\n"));
        }
        let log = format!("directory: {}, {}", folder.join("data").display(), plan.log);
        text.push_str(&format!(
            "penstock:\n  admin: {{endpoint: 127.0.0.1:{admin}}}\n  log: {{{log}}}\n{}  exporters:\n",
            plan.penstock
        ));
        for exporter in exporters {
            let hop = format!("replicas: ['127.0.0.1:{}']", exporter.hop);
            text.push_str(&format!("    {}: {{{hop}}}\n", exporter.id));
        }
        Self { text }
    }

    /// The same with something else in a place.
    pub(super) fn with(&self, from: &str, to: &str) -> Outcome<Self> {
        if !self.text.contains(from) {
            bail!("`{from}` is not in the configuration");
        }
        let text = self.text.replace(from, to);
        Ok(Self { text })
    }

    /// Replaces the file in one step: somebody may be reading it.
    pub(super) fn write(&self, path: &Path) -> Outcome {
        let new = path.with_extension("new");
        fs::write(&new, &self.text)?;
        Ok(fs::rename(new, path)?)
    }
}

struct Exporter {
    id: &'static str,
    binary: &'static str,
    settings: String,
    hop: u16,
}

impl Rig {
    /// Starts everything but the oracle.
    pub(super) fn start(plan: &Plan<'_>) -> Outcome<Self> {
        let folder = super::super::tiers::folder(plan.name)?;
        let (arrived, out) = (folder.join("arrived.txt"), folder.join("otlp.jsonl"));
        let backend_at = format!("127.0.0.1:{}", fixed_port()?);
        // A backend that comes back must not wait for the longest back-off, half a minute by default; and in a short outage
        // a batch fails as often as in a long one.
        let otlp = Exporter {
            id: "otlp",
            binary: "penstock-exporter-otlp",
            settings: format!(
                "{{endpoint: '{backend_at}', tls: {{insecure: true}}, compression: none, retry_on_failure: {{initial_interval: 100ms, max_interval: 1s}}}}"
            ),
            hop: fixed_port()?,
        };
        let file = Exporter {
            id: "file",
            binary: "penstock-exporter-file",
            settings: format!("{{path: {}, append: true}}", out.display()),
            hop: fixed_port()?,
        };
        let mut exporters = vec![otlp, file];
        exporters.retain(|exporter| plan.exporters.contains(&exporter.id));
        let ports = [fixed_port()?, fixed_port()?];
        let config = Config::new(plan, &folder, &exporters, ports);
        let (file, of_exporters) = (folder.join("receiver.yaml"), folder.join("exporters.yaml"));
        config.write(&file)?;
        config.write(&of_exporters)?;
        let part = |name, wrapper: &[String], binary, words: &[&str], ready| {
            Part::new(name, &folder, plan.profile, wrapper, binary, words, ready)
        };
        let record = arrived.to_string_lossy();
        let words = ["--listen", &backend_at, "--record", &record];
        let mut backend = part("backend", &[], "bench-sink", &words, Some("sink ready"));
        backend.up()?;
        let mut running = Vec::new();
        for exporter in &exporters {
            let (config, hop) = (of_exporters.to_string_lossy(), exporter.hop);
            let hop = format!("127.0.0.1:{hop}");
            let words = ["--config", &config, "--exporter", exporter.id];
            let places = ["--listen", &hop, "--admin", "127.0.0.1:0"];
            let words: Vec<_> = words.into_iter().chain(places).collect();
            let ready = Some("exporter ready");
            let mut exporter = part(exporter.id, &[], exporter.binary, &words, ready);
            exporter.up()?;
            running.push(exporter);
        }
        let words = ["--config", &file.to_string_lossy()];
        let binary = "penstock-receiver";
        let supervisor = part("receiver", &plan.wrapper, binary, &words, None);
        let mut receiver = Receiver::new(supervisor, config, file.clone(), ports);
        receiver.up()?;
        Ok(Self {
            profile: plan.profile,
            signals: plan.signals.join(","),
            receiver,
            exporters: running,
            backend,
            arrived,
            out,
            has_file: plan.exporters.contains(&"file"),
            sent: Vec::new(),
            next: 0,
            folder,
        })
    }

    /// Where the receiver keeps its log.
    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Starts an oracle at so many items a second, so many a call.
    pub(super) fn oracle(&mut self, rate: u32, items: u32) -> Outcome<Oracle> {
        let n = self.sent.len();
        let (sent, told) = (self.file("sent", n), self.file("told", n));
        let mut command = Part::command(self.profile, &[], "bench-oracle");
        command.arg(self.receiver.grpc()).arg("--out").arg(&sent);
        let numbers = [("--rate", rate), ("--items", items)];
        for (word, number) in numbers {
            command.args([word, &number.to_string()]);
        }
        command.args(["--first", &self.next.to_string()]);
        command.args(["--signals", &self.signals]);
        command.stdout(Stdio::from(File::create(&told)?));
        let mut process = Process::start("oracle", &self.folder, &mut command)?;
        process.ready("oracle ready")?;
        Ok(Oracle {
            process,
            sent,
            told,
        })
    }

    fn file(&self, name: &str, n: usize) -> PathBuf {
        self.folder.join(format!("{name}-{n}.txt"))
    }

    /// Lets an oracle end its calls; what it was told counts from now on.
    pub(super) fn silence(&mut self, oracle: Oracle) -> Outcome<Value> {
        let Oracle {
            process,
            sent,
            told,
        } = oracle;
        let status = process.stop()?;
        if !status.success() {
            bail!("the oracle ended with {status}");
        }
        let told: Value = serde_json::from_slice(&fs::read(told)?)?;
        println!("oracle: {told}");
        self.next = told["next"].as_u64().ok_or("the oracle told no end")?;
        self.sent.push(sent);
        Ok(told)
    }

    /// What all oracles were told.
    pub(super) fn sent(&self) -> Outcome<Sent> {
        Sent::read(&self.sent)
    }

    /// What the backend behind the `otlp` exporter has.
    pub(super) fn arrived(&self) -> Outcome<Arrived> {
        Arrived::of_sink(&self.arrived)
    }

    /// Lets the backend, which must be down, begin with nothing.
    pub(super) fn forget_arrived(&self) -> Outcome {
        Ok(fs::write(&self.arrived, "")?)
    }

    /// Waits until nothing is held; the ledger then, which must balance.
    pub(super) fn settled(&self, limit: Duration) -> Outcome<Ledger> {
        let mut last = None;
        let settled = wait_within(limit, "delivery of everything", || {
            // Nobody answers while a worker starts.
            let ledger = self.receiver.ledger().ok();
            let held = ledger
                .as_ref()
                .map(|l| (l.lines().len(), l.sum("held", |_| true)));
            last = ledger;
            Ok((held.is_some_and(|(lines, held)| lines > 0 && held == 0)).then_some(()))
        });
        let Some(ledger) = last else {
            bail!("the receiver tells no ledger")
        };
        settled.map_err(|err| format!("{err}; the ledger: {:?}", ledger.lines()))?;
        ledger.check_law()?;
        Ok(ledger)
    }

    /// The books of oracle, ledger and backends against each other; gives the verdict over the `otlp` exporter's backend.
    ///
    /// What was accepted for an exporter is what has arrived there and what the ledger says was dropped or rejected: an id is
    /// sent once only, so this holds to the item.
    pub(super) fn judge(&self, ledger: &Ledger) -> Outcome<Verdict> {
        let sent = self.sent()?;
        let mut backends = vec![("otlp", Verdict::of("otlp", &sent, &self.arrived()?)?)];
        if self.has_file {
            let arrived = Arrived::of_file(&self.out)?;
            backends.push(("file", Verdict::of("file", &sent, &arrived)?));
        }
        for line in ledger.lines() {
            let count = |field: &str| line[field].as_u64().unwrap_or(u64::MAX / 8);
            let exporter = backends.iter().find(|(id, _)| line["exporter"] == **id);
            let signal = line["signal"].as_str().unwrap_or_default();
            let Some(tally) = exporter.and_then(|(_, verdict)| verdict.of_signal(signal)) else {
                bail!("a line of nobody: {line}")
            };
            if count("accepted") < tally.acked {
                bail!("{} {signal} acked, but the ledger says {line}", tally.acked);
            }
            let gone = count("dropped") + count("rejected");
            if count("accepted") != tally.arrived + gone || tally.missing > gone {
                bail!(
                    "{} {signal} arrived and {} acked ones are missing, but the ledger says {line}",
                    tally.arrived,
                    tally.missing
                );
            }
        }
        let first = backends.into_iter().next().map(|(_, verdict)| verdict);
        first.ok_or_else(|| "no backend".into())
    }

    /// Everything acked has arrived everywhere, and the ledger says nothing else.
    pub(super) fn nothing_lost(&self, limit: Duration) -> Outcome<Ledger> {
        let ledger = self.settled(limit)?;
        for field in ["rejected", "dropped"] {
            let lost = ledger.sum(field, |_| true);
            if lost > 0 {
                bail!("{lost} items {field}: {:?}", ledger.lines());
            }
        }
        // With nothing dropped, `judge` lets nothing be missing.
        self.judge(&ledger)?.nothing_lost("otlp")?;
        Ok(ledger)
    }

    /// Lines of the receiver's log with this message.
    pub(super) fn told(&self, message: &str) -> Outcome<Vec<String>> {
        let text = fs::read_to_string(self.folder.join("receiver.log"))?;
        let message = format!("\"message\":\"{message}\"");
        let lines = text.lines().filter(|line| line.contains(&message));
        Ok(lines.map(str::to_owned).collect())
    }

    /// Stops everything in order; each must end well.
    pub(super) fn stop(self) -> Outcome {
        self.receiver.stop()?;
        for part in self.exporters.into_iter().chain([self.backend]) {
            part.stop()?;
        }
        Ok(())
    }
}

/// A running oracle.
pub(super) struct Oracle {
    process: Process,
    sent: PathBuf,
    told: PathBuf,
}
