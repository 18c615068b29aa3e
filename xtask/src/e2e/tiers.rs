//! Both tiers as processes, on ports of their own choice.

use crate::admin::Ledger;
use crate::fail::{Outcome, bail};
use crate::process::{Process, fresh_folder, wait_until};
use crate::tools;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Usual settings of `protocols.grpc`.
pub(crate) const GRPC: &str = "endpoint: 127.0.0.1:0";

/// A folder for one scenario's files.
pub(crate) fn folder(scenario: &str) -> Outcome<PathBuf> {
    fresh_folder(&format!("e2e/{scenario}"))
}

/// One exporter process: what the configuration says of it and where it listens.
pub(crate) struct ExporterProcess {
    process: Process,
    /// Where it listens for the hop.
    pub(crate) hop: String,
    /// Where its admin pages are.
    pub(crate) admin: String,
    /// Words of the command line that name its configuration.
    config: Vec<String>,
    id: String,
    binary: String,
    name: String,
}

impl ExporterProcess {
    /// Starts exporter `id` whose settings are `settings` (YAML, one line) as process `name`.
    pub(crate) fn start(
        folder: &Path,
        name: &str,
        id: &str,
        settings: &str,
        hop: &str,
    ) -> Outcome<Self> {
        Self::start_with(folder, name, id, settings, hop, "{}")
    }

    /// The same with another configuration on top.
    pub(crate) fn start_with(
        folder: &Path,
        name: &str,
        id: &str,
        settings: &str,
        hop: &str,
        top: &str,
    ) -> Outcome<Self> {
        let text = config_text(&folder.join("log"), GRPC, &[(id, settings)], &[]);
        let config = written(folder, name, &text, top)?;
        let kind = id.split('/').next().unwrap_or(id);
        let binary = format!(
            "penstock-exporter-{}",
            match kind {
                "otlphttp" => "otlp",
                "prometheusremotewrite" => "remotewrite",
                kind => kind,
            }
        );
        let (process, [hop, admin]) = Self::spawn(folder, name, &binary, id, &config, hop)?;
        Ok(Self {
            process,
            hop,
            admin,
            config,
            id: id.to_owned(),
            binary,
            name: name.to_owned(),
        })
    }

    fn spawn(
        folder: &Path,
        name: &str,
        binary: &str,
        id: &str,
        config: &[String],
        hop: &str,
    ) -> Outcome<(Process, [String; 2])> {
        let mut words: Vec<&str> = config.iter().map(String::as_str).collect();
        words.extend(["--exporter", id, "--listen", hop, "--admin", "127.0.0.1:0"]);
        let mut process = Process::ours(name, folder, binary, &words)?;
        let ready = process.ready("exporter ready")?;
        let [Some(hop), Some(admin)] = ["hop", "admin"].map(|what| ready[what].as_str()) else {
            bail!("no addresses in {ready}")
        };
        Ok((process, [hop, admin].map(str::to_owned)))
    }

    /// SIGKILL, then the same again at the same address.
    pub(crate) fn kill_and_restart(self, folder: &Path, between: impl FnOnce()) -> Outcome<Self> {
        let Self {
            process,
            hop,
            config,
            id,
            binary,
            name,
            ..
        } = self;
        process.kill()?;
        between();
        let (process, [hop, admin]) = Self::spawn(folder, &name, &binary, &id, &config, &hop)?;
        Ok(Self {
            process,
            hop,
            admin,
            config,
            id,
            binary,
            name,
        })
    }

    /// Waits for a line of its log in which there are all these `words`.
    pub(crate) fn says(&mut self, words: &[&str]) -> Outcome {
        says(&mut self.process, words)
    }

    /// SIGKILL.
    pub(crate) fn kill(self) -> Outcome {
        self.process.kill()
    }

    /// SIGTERM; must end in order.
    pub(crate) fn drain(self) -> Outcome {
        let name = self.process.name().to_owned();
        let status = self.process.stop()?;
        if !status.success() {
            bail!("{name} ended with {status}");
        }
        Ok(())
    }
}

/// A running receiver.
pub(crate) struct ReceiverProcess {
    process: Process,
    ready: Value,
}

impl ReceiverProcess {
    /// Starts a receiver whose pipelines of all signals feed `exporters`: id, settings, replicas.
    pub(crate) fn start(folder: &Path, exporters: &[(&str, &str, &[String])]) -> Outcome<Self> {
        Self::start_with(folder, GRPC, exporters)
    }

    /// The same with settings of `protocols.grpc`.
    pub(crate) fn start_with(
        folder: &Path,
        grpc: &str,
        exporters: &[(&str, &str, &[String])],
    ) -> Outcome<Self> {
        Self::start_under(folder, grpc, exporters, "{}")
    }

    /// The same with another configuration on top.
    pub(crate) fn start_under(
        folder: &Path,
        grpc: &str,
        exporters: &[(&str, &str, &[String])],
        top: &str,
    ) -> Outcome<Self> {
        let settings: Vec<_> = exporters.iter().map(|(id, text, _)| (*id, *text)).collect();
        let replicas: Vec<_> = exporters.iter().map(|(id, _, at)| (*id, *at)).collect();
        let text = config_text(&folder.join("log"), grpc, &settings, &replicas);
        Self::spawn(folder, "receiver", &text, top)
    }

    /// One of several, with a log of its own and another configuration on top.
    pub(crate) fn start_named(
        folder: &Path,
        name: &str,
        exporters: &[(&str, &str)],
        top: &str,
    ) -> Outcome<Self> {
        let text = config_text(&folder.join(name), GRPC, exporters, &[]);
        Self::spawn(folder, name, &text, top)
    }

    fn spawn(folder: &Path, name: &str, text: &str, top: &str) -> Outcome<Self> {
        let config = written(folder, name, text, top)?;
        let words: Vec<&str> = config.iter().map(String::as_str).collect();
        let mut process = Process::ours(name, folder, "penstock-receiver", &words)?;
        let ready = process.ready("receiver ready")?;
        Ok(Self { process, ready })
    }

    /// An address that it told: `grpc`, `http`, `admin`.
    pub(crate) fn address(&self, what: &str) -> Outcome<&str> {
        self.ready[what]
            .as_str()
            .ok_or_else(|| format!("no {what} in {}", self.ready).into())
    }

    /// Waits for a line of its log in which there are all these `words`.
    pub(crate) fn says(&mut self, words: &[&str]) -> Outcome {
        says(&mut self.process, words)
    }

    /// The port of 4317's stand-in.
    pub(crate) fn grpc_port(&self) -> Outcome<u16> {
        let port = self.address("grpc")?.rsplit(':').next().unwrap_or_default();
        Ok(port.parse()?)
    }

    /// Waits until `accepted` items of a signal have come in and nothing is held, then checks the law.
    pub(crate) fn settled(&self, expected: &[(&str, u64)]) -> Outcome<Ledger> {
        let admin = self.address("admin")?.to_owned();
        let ledger = wait_until(&format!("delivery of {expected:?}"), || {
            let ledger = Ledger::read(&admin)?;
            let arrived = expected
                .iter()
                .all(|(signal, items)| ledger.accepted(signal) >= *items);
            let done = arrived && ledger.sum("held", |_| true) == 0;
            Ok(done.then_some(ledger))
        })?;
        ledger.check_law()?;
        for field in ["rejected", "dropped"] {
            let lost = ledger.sum(field, |_| true);
            if lost > 0 {
                bail!("{lost} items {field}: {:?}", ledger.lines());
            }
        }
        Ok(ledger)
    }

    /// SIGTERM; a receiver that lost nothing ends with 0.
    pub(crate) fn stop(self) -> Outcome {
        let status = self.process.stop()?;
        if !status.success() {
            bail!("the receiver ended with {status}");
        }
        Ok(())
    }
}

/// The second backend: an OTLP/gRPC server on Google's gRPC for Python.
pub(crate) struct Sink {
    process: Process,
    /// `127.0.0.1:port`.
    pub(crate) address: String,
    /// What it received.
    pub(crate) out: PathBuf,
}

impl Sink {
    pub(crate) fn start(folder: &Path) -> Outcome<Self> {
        let out = folder.join("sink.jsonl");
        let mut command = Command::new(tools::python()?);
        command
            .arg("integration-tests/peers/otlp_sink.py")
            .arg(&out)
            .current_dir(crate::sh::root());
        let mut process = Process::start("sink", folder, &mut command)?;
        let ready = process.ready("sink ready")?;
        let Some(address) = ready["grpc"].as_str().map(str::to_owned) else {
            bail!("no address in {ready}")
        };
        Ok(Self {
            process,
            address,
            out,
        })
    }

    pub(crate) fn stop(self) -> Outcome {
        self.process.stop().map(drop)
    }
}

/// Writes a configuration and the one on top of it; gives the words of a command line that name both.
fn written(folder: &Path, name: &str, text: &str, top: &str) -> Outcome<Vec<String>> {
    let mut words = Vec::new();
    for (file, text) in [
        (format!("{name}.yaml"), text),
        (format!("{name}-top.yaml"), top),
    ] {
        let file = folder.join(file);
        fs::write(&file, text)?;
        words.extend(["--config".to_owned(), file.to_string_lossy().into_owned()]);
    }
    Ok(words)
}

fn says(process: &mut Process, words: &[&str]) -> Outcome {
    process.wait_line(&words.join(" … "), |line| {
        words.iter().all(|word| line.contains(word)).then_some(())
    })
}

fn config_text(
    log: &Path,
    grpc: &str,
    exporters: &[(&str, &str)],
    replicas: &[(&str, &[String])],
) -> String {
    let ids: Vec<_> = exporters.iter().map(|(id, _)| *id).collect();
    let ids = ids.join(", ");
    let mut text = format!(
        "receivers:\n  otlp:\n    protocols:\n      grpc: {{{grpc}}}\n      http: {{endpoint: 127.0.0.1:0}}\n\
         processors:\n  batch: {{send_batch_size: 500, timeout: 200ms}}\nexporters:\n",
    );
    for (id, settings) in exporters {
        text.push_str(&format!("  {id}: {settings}\n"));
    }
    text.push_str("service:\n  telemetry: {logs: {encoding: json}}\n  pipelines:\n");
    for signal in ["traces", "metrics", "logs"] {
        text.push_str(&format!(
            "    {signal}: {{receivers: [otlp], processors: [batch], exporters: [{ids}]}}\n"
        ));
    }
    text.push_str(&format!(
        "penstock:\n  admin: {{endpoint: 127.0.0.1:0}}\n  log: {{directory: {}}}\n",
        log.display()
    ));
    if !replicas.is_empty() {
        text.push_str("  exporters:\n");
    }
    for (id, replicas) in replicas {
        text.push_str(&format!("    {id}: {{replicas: {replicas:?}}}\n"));
    }
    text
}
