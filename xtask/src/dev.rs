//! `cargo xtask dev`: both tiers on loopback with the `file` and `debug` exporters as embedded backends.

use crate::admin::Ledger;
use crate::demo::Demo;
use crate::fail::{Outcome, bail};
use crate::process::{Process, pause};
use crate::{sh, steps};
use serde_json::Value;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The configuration that the command runs, for people to read and change.
pub(crate) const CONFIG: &str = "deploy/dev/config.yaml";

pub(crate) fn run(demo: bool) -> Outcome {
    steps::binaries(false)?;
    // Not a new one: what the log holds from the last time is delivered now.
    let folder = sh::target().join("dev");
    std::fs::create_dir_all(&folder)?;
    stop::on_ctrl_c()?;
    let mut tiers = Tiers::start(&folder)?;
    tiers.tell(&folder);
    let demo = if demo {
        Some(Demo::start(&folder, tiers.grpc_port()?)?)
    } else {
        None
    };
    let watched = tiers.watch();
    if let Some(demo) = demo {
        demo.stop()?;
    }
    // The receiver first: it delivers what it holds before the exporters go.
    let stopped = tiers.stop(&folder);
    watched.and(stopped)
}

struct Tiers {
    receiver: Process,
    exporters: Vec<Process>,
    ready: Value,
}

impl Tiers {
    fn start(folder: &Path) -> Outcome<Self> {
        let mut exporters = Vec::new();
        for (name, binary) in [
            ("file", "penstock-exporter-file"),
            ("debug", "penstock-exporter-debug"),
        ] {
            let mut command = Command::new(crate::process::binary_path("debug", binary));
            command
                .args(["--config", CONFIG, "--exporter", name])
                .current_dir(sh::root());
            // The debug exporter prints what arrives on standard output: into a file, so that the summary stays readable.
            command.stdout(std::fs::File::create(folder.join(format!("{name}.out")))?);
            let mut exporter = Process::start(name, folder, &mut command)?;
            exporter.ready("exporter ready")?;
            exporters.push(exporter);
        }
        let mut receiver = Process::ours(
            "receiver",
            folder,
            "penstock-receiver",
            &["--config", CONFIG],
        )?;
        let ready = receiver.ready("receiver ready")?;
        Ok(Self {
            receiver,
            exporters,
            ready,
        })
    }

    fn address(&self, what: &str) -> &str {
        self.ready[what].as_str().unwrap_or("?")
    }

    fn grpc_port(&self) -> Outcome<u16> {
        let port = self.address("grpc").rsplit(':').next().unwrap_or_default();
        port.parse()
            .map_err(|_| format!("no port in {}", self.ready).into())
    }

    fn tell(&self, folder: &Path) {
        let folder = folder.display();
        println!();
        println!("Penstock is running. Send OTLP to");
        println!("  gRPC   {}", self.address("grpc"));
        println!(
            "  HTTP   http://{}/v1/{{traces,metrics,logs}}",
            self.address("http")
        );
        println!("It arrives in");
        println!("  {folder}/otlp.jsonl   one export request a line (file exporter)");
        println!("  {folder}/debug.out    one line a batch (debug exporter)");
        println!(
            "Look inside at http://{}/metrics and /ledger; logs are in {folder}/*.log",
            self.address("admin")
        );
        println!("Ctrl-C stops it.\n");
    }

    /// Prints a summary line a second until Ctrl-C.
    fn watch(&mut self) -> Outcome {
        let live = std::io::stdout().is_terminal();
        let mut before = (Instant::now(), None::<Ledger>);
        while !stop::requested() {
            pause(Duration::from_secs(1));
            for process in self.exporters.iter_mut().chain([&mut self.receiver]) {
                if let Some(status) = process.ended() {
                    if stop::requested() {
                        break;
                    }
                    bail!("{} ended with {status}; see its log", process.name());
                }
            }
            let Ok(ledger) = Ledger::read(self.address("admin")) else {
                continue;
            };
            let now = Instant::now();
            let line = summary(&ledger, before.1.as_ref(), now.duration_since(before.0));
            print!(
                "{}{line}{}",
                if live { "\r\x1b[2K" } else { "" },
                if live { "" } else { "\n" }
            );
            std::io::stdout().flush()?;
            before = (now, Some(ledger));
        }
        println!();
        Ok(())
    }

    fn stop(self, folder: &Path) -> Outcome {
        let status = self.receiver.stop()?;
        for exporter in self.exporters {
            exporter.stop()?;
        }
        if !status.success() {
            bail!("the receiver ended with {status}");
        }
        let folder = folder.display();
        println!("stopped; what was not delivered is in {folder}/log for the next start");
        Ok(())
    }
}

/// `traces 400/s  metrics 0/s  logs 400/s | held 12  delivered 9000  rejected 0  dropped 0`
fn summary(now: &Ledger, before: Option<&Ledger>, elapsed: Duration) -> String {
    let mut line = String::new();
    for name in ["traces", "metrics", "logs"] {
        let then = before.map_or(0, |ledger| ledger.accepted(name));
        let items = now.accepted(name).saturating_sub(then);
        #[expect(clippy::cast_precision_loss, reason = "shown to people")]
        let rate = items as f64 / elapsed.as_secs_f64().max(0.001);
        line.push_str(&format!("{name} {rate:.0}/s  "));
    }
    line.push('|');
    for field in ["held", "delivered", "rejected", "dropped"] {
        line.push_str(&format!(" {field} {} ", now.sum(field, |_| true)));
    }
    line
}

/// Ctrl-C asks the watch to end; the children are in groups of their own and are stopped in order.
mod stop {
    use super::{AtomicBool, Ordering, Outcome};
    use std::thread;

    static REQUESTED: AtomicBool = AtomicBool::new(false);

    pub(super) fn on_ctrl_c() -> Outcome {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        thread::spawn(move || {
            runtime.block_on(async {
                if penstock_runtime::signals::stop_requested().await.is_ok() {
                    REQUESTED.store(true, Ordering::Relaxed);
                }
            });
        });
        Ok(())
    }

    pub(super) fn requested() -> bool {
        REQUESTED.load(Ordering::Relaxed)
    }
}
