//! `e2e reload`: the configuration changes under the load of real sidecars, again and again, once into nonsense. Nothing is
//! lost, and no connection is refused.

use super::Options;
use super::rig::{Plan, Rig};
use super::sidecars::Push;
use crate::fail::{Outcome, bail};
use crate::process::{pause, wait_until};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const RELOADS: u32 = 10;
/// The one with a file that cannot be used.
const BROKEN: u32 = 4;
const APART: Duration = Duration::from_secs(2);

/// See the module.
pub(crate) fn reload(options: &Options) -> Outcome {
    let apart = if options.short { APART / 2 } else { APART };
    let rig = Rig::start(&Plan {
        name: "reload",
        profile: "debug",
        signals: &["traces", "metrics", "logs"],
        log: "max_bytes: 1GiB",
        penstock: "",
        exporters: &["file"],
        wrapper: Vec::new(),
    })?;
    let push = Push::start(&rig, apart * (RELOADS + 2))?;
    let visitor = Visitor::start(rig.receiver.grpc());
    let mut longest = Duration::ZERO;
    for n in 0..RELOADS {
        pause(apart);
        if n == BROKEN {
            broken(&rig)?;
        } else {
            longest = longest.max(changed(&rig, n)?);
        }
    }
    let (connections, refused) = visitor.end()?;
    let delivered = push.end(rig)?;
    println!(
        "{RELOADS} reloads, one of a broken file, the longest in {longest:?}; {connections} connections opened meanwhile, {refused} \
         refused; {} items of each signal, {:?} spans and records missing, {} duplicates",
        delivered.generated, delivered.missing, delivered.duplicates
    );
    if refused > 0 || delivered.missing != [0, 0] {
        bail!("a reload cost connections or items");
    }
    Ok(())
}

/// A good file; every other one is announced by SIGHUP, the rest have to be noticed. Returns when the old worker is gone.
fn changed(rig: &Rig, n: u32) -> Outcome<Duration> {
    let old = rig.receiver.worker()?;
    let other = format!("timeout: {}ms", 201 + n);
    let config = rig.receiver.config.with("timeout: 200ms", &other)?;
    let start = Instant::now();
    rig.receiver.reconfigure(&config)?;
    if n.is_multiple_of(2) {
        rig.receiver.signal("HUP")?;
    }
    wait_until("a worker in place of the old one", || {
        let pids = rig.receiver.pids()?;
        // Supervisor and one worker.
        Ok((pids.len() == 2 && !pids.contains(&old)).then_some(()))
    })?;
    Ok(start.elapsed())
}

/// A bad file: it is told, and the worker stays.
fn broken(rig: &Rig) -> Outcome {
    let old = rig.receiver.worker()?;
    let log = rig.folder.join("receiver.log");
    let before = std::fs::read_to_string(&log)?.len();
    let config = rig
        .receiver
        .config
        .with("timeout: 200ms", "timeout: soon")?;
    rig.receiver.reconfigure(&config)?;
    rig.receiver.signal("HUP")?;
    let told = wait_until("a word about the broken file", || {
        let text = std::fs::read_to_string(&log)?;
        let mut new = text[before..].lines();
        Ok(new.find(|line| line.contains("soon")).map(str::to_owned))
    })?;
    println!("of the broken file: {told}");
    pause(APART / 2);
    if rig.receiver.worker()? != old {
        bail!("a broken file cost the worker its place");
    }
    Ok(())
}

/// Somebody who connects all the time.
struct Visitor {
    stopping: Arc<AtomicBool>,
    thread: JoinHandle<(u64, u64)>,
}

impl Visitor {
    fn start(target: &str) -> Self {
        let stopping = Arc::new(AtomicBool::new(false));
        let (stop, target) = (Arc::clone(&stopping), target.to_owned());
        let thread = thread::spawn(move || {
            let (mut opened, mut refused) = (0, 0);
            while !stop.load(Ordering::Relaxed) {
                match TcpStream::connect(&target) {
                    Ok(_) => opened += 1,
                    Err(_) => refused += 1,
                }
                pause(Duration::from_millis(5));
            }
            (opened, refused)
        });
        Self { stopping, thread }
    }

    /// Connections opened, and refused.
    fn end(self) -> Outcome<(u64, u64)> {
        self.stopping.store(true, Ordering::Relaxed);
        let counts = self.thread.join();
        counts.map_err(|_| "the visitor panicked".into())
    }
}
