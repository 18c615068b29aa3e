//! Processes that are killed and started again, and the receiver with its supervisor and worker among them.

use super::rig::Config;
use crate::admin::{self, Ledger};
use crate::fail::{Outcome, bail};
use crate::process::{self, PATIENCE, Process, binary_path, children, wait_until, wait_within};
use crate::sh;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

/// A process that can be had again.
pub(super) struct Part {
    pub(super) name: &'static str,
    folder: PathBuf,
    profile: &'static str,
    wrapper: Vec<String>,
    binary: &'static str,
    words: Vec<String>,
    /// The log line by which it tells that it is there.
    ready: Option<&'static str>,
    process: Option<Process>,
}

impl Part {
    pub(super) fn new(
        name: &'static str,
        folder: &Path,
        profile: &'static str,
        wrapper: &[String],
        binary: &'static str,
        words: &[&str],
        ready: Option<&'static str>,
    ) -> Self {
        Self {
            name,
            folder: folder.to_owned(),
            profile,
            wrapper: wrapper.to_vec(),
            binary,
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            ready,
            process: None,
        }
    }

    /// One of our binaries, behind a wrapper if there is one.
    pub(super) fn command(profile: &str, wrapper: &[String], binary: &str) -> Command {
        let binary = binary_path(profile, binary);
        let mut command = match wrapper {
            [] => Command::new(binary),
            [program, words @ ..] => {
                let mut command = Command::new(program);
                command.args(words).arg(binary);
                command
            }
        };
        command.current_dir(sh::root());
        command
    }

    /// Starts it and waits until it is ready.
    pub(super) fn up(&mut self) -> Outcome {
        let mut command = Self::command(self.profile, &self.wrapper, self.binary);
        let mut process = Process::start(self.name, &self.folder, command.args(&self.words))?;
        if let Some(ready) = self.ready {
            process.ready(ready)?;
        }
        self.process = Some(process);
        Ok(())
    }

    /// SIGKILL; returns when nothing of it is left.
    pub(super) fn kill(&mut self) -> Outcome {
        match self.process.take() {
            Some(process) => process.kill(),
            None => Ok(()),
        }
    }

    pub(super) fn pid(&self) -> Outcome<u32> {
        let process = self.process.as_ref();
        process
            .map(Process::pid)
            .ok_or_else(|| format!("{} is down", self.name).into())
    }

    /// SIGTERM; must end well.
    pub(super) fn stop(mut self) -> Outcome {
        let status = self.down()?;
        if !status.success() {
            bail!("{} ended with {status}", self.name);
        }
        Ok(())
    }

    /// SIGTERM; it can be started again.
    fn down(&mut self) -> Outcome<ExitStatus> {
        match self.process.take() {
            Some(process) => process.stop(),
            None => bail!("{} is down", self.name),
        }
    }
}

/// The receiver: a supervisor and, as its child, a worker.
pub(super) struct Receiver {
    supervisor: Part,
    pub(super) config: Config,
    file: PathBuf,
    grpc: String,
    admin: String,
    pub(super) port: u16,
}

impl Receiver {
    pub(super) fn new(supervisor: Part, config: Config, file: PathBuf, ports: [u16; 2]) -> Self {
        let [grpc, admin] = ports.map(|port| format!("127.0.0.1:{port}"));
        Self {
            supervisor,
            config,
            file,
            grpc,
            admin,
            port: ports[0],
        }
    }

    /// `host:port` for senders.
    pub(super) fn grpc(&self) -> &str {
        &self.grpc
    }

    /// Starts the supervisor, as often as a kubelet would; returns when a worker is ready.
    pub(super) fn up(&mut self) -> Outcome {
        let end = Instant::now() + PATIENCE;
        loop {
            self.supervisor.up()?;
            match self.ready() {
                Err(error) if error.is::<Ended>() && Instant::now() < end => {
                    println!("{error}; started again");
                }
                other => return other,
            }
        }
    }

    /// Waits until a worker answers.
    pub(super) fn ready(&mut self) -> Outcome {
        let (admin, supervisor) = (&self.admin, &mut self.supervisor);
        wait_until("a worker that is ready", || {
            let process = supervisor
                .process
                .as_mut()
                .ok_or("the supervisor is down")?;
            if let Some(status) = process.ended() {
                return Err(Box::new(Ended(status)));
            }
            let ready = admin::get(admin, "/readyz").is_ok_and(|(status, _)| status == 200);
            Ok(ready.then_some(()))
        })
    }

    /// The worker's pid.
    pub(super) fn worker(&self) -> Outcome<u32> {
        let supervisor = self.supervisor.pid()?;
        wait_within(PATIENCE, "a worker", || {
            Ok(children(supervisor).into_iter().next_back())
        })
    }

    /// Supervisor and workers.
    pub(super) fn pids(&self) -> Outcome<Vec<u32>> {
        let supervisor = self.supervisor.pid()?;
        let mut pids = children(supervisor);
        pids.push(supervisor);
        Ok(pids)
    }

    /// Resident memory of supervisor and workers, in bytes.
    pub(super) fn resident(&self) -> Outcome<f64> {
        Ok(self.pids()?.into_iter().map(process::resident).sum())
    }

    /// SIGKILL for the worker. A new one comes by itself.
    pub(super) fn kill_worker(&self) -> Outcome<u32> {
        let worker = self.worker()?;
        // It may have been about to end anyway.
        let _there = process::signal(worker, "KILL").is_ok();
        Ok(worker)
    }

    /// SIGKILL for the supervisor; tells how long its worker outlived it.
    pub(super) fn kill(&mut self) -> Outcome<Duration> {
        let workers = children(self.supervisor.pid()?);
        let start = Instant::now();
        self.supervisor.kill()?;
        wait_until("the end of the worker of a dead supervisor", || {
            let left = workers.iter().any(|pid| is_there(*pid));
            Ok((!left).then_some(()))
        })?;
        Ok(start.elapsed())
    }

    /// A signal for the supervisor.
    pub(super) fn signal(&self, name: &str) -> Outcome {
        process::signal(self.supervisor.pid()?, name)
    }

    /// Puts another configuration in the file's place.
    pub(super) fn reconfigure(&self, config: &Config) -> Outcome {
        config.write(&self.file)
    }

    pub(super) fn ledger(&self) -> Outcome<Ledger> {
        Ledger::read(&self.admin)
    }

    /// A metric, summed over its labels.
    pub(super) fn metric(&self, name: &str) -> Outcome<f64> {
        let (_status, page) = admin::get(&self.admin, "/metrics")?;
        let of_name = |line: &&str| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
        };
        let values = page.lines().filter(of_name);
        Ok(values
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum())
    }

    /// SIGTERM; must end with 0. Can be started again.
    pub(super) fn down(&mut self) -> Outcome {
        let status = self.supervisor.down()?;
        if !status.success() {
            bail!("the receiver ended with {status}");
        }
        Ok(())
    }

    /// SIGTERM; must end with 0 and leave nobody behind.
    pub(super) fn stop(mut self) -> Outcome {
        let workers = children(self.supervisor.pid()?);
        self.down()?;
        match workers.into_iter().find(|pid| is_there(*pid)) {
            Some(pid) => bail!("worker {pid} outlived its supervisor"),
            None => Ok(()),
        }
    }
}

/// The supervisor ended by itself.
#[derive(Debug)]
struct Ended(ExitStatus);

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the receiver ended with {}", self.0)
    }
}

impl std::error::Error for Ended {}

fn is_there(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ")
        .next()
        .is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}
