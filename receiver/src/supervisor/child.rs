//! A worker as its supervisor sees it: a process, and the stream that it is spoken to through.

use super::Event;
use super::files::Config;
use crate::link::{self, Facts, ToSupervisor, ToWorker};
use crate::sockets::Sockets;
use penstock_otlp::Signal as OtlpSignal;
use penstock_settings::Source;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, wait};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// Always the program that runs now, even when its file has been replaced or removed.
const OURSELVES: &str = "/proc/self/exe";

/// A running worker.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) pid: Pid,
    /// Since when it serves.
    pub(super) ready: Option<Instant>,
    /// When it is ended by force.
    pub(super) kill_at: Option<Instant>,
    /// Why it cannot start, as it said itself.
    pub(super) fault: Option<String>,
    /// The configuration that it brings, if that is a new one.
    pub(super) update: Option<Update>,
    /// What it holds is kept on disk.
    pub(super) on_disk: bool,
    /// It has begun to end unasked.
    pub(super) left: bool,
    /// Nobody will look for all that it holds.
    pub(super) stranded: bool,
    /// How it ended.
    pub(super) status: Option<ExitStatus>,
    /// All that it said has been heard.
    pub(super) heard: bool,
}

/// A configuration that takes another's place when a worker of it is ready.
#[derive(Debug)]
pub(super) struct Update {
    pub(super) config: Config,
    pub(super) sockets: Arc<Sockets>,
}

impl Child {
    /// Starts one, with the supervisor's end of its standard input.
    pub(super) fn spawn(program: &Path) -> io::Result<(Self, UnixStream)> {
        let (ours, theirs) = StdStream::pair()?;
        ours.set_nonblocking(true)?;
        let stdin = OwnedFd::from(theirs);
        let pid = match command(program, stdin.try_clone()?).spawn() {
            Ok(child) => child.id(),
            Err(error) => {
                tracing::warn!(%error, program = %program.display(), "program not started; the one that runs is tried");
                command(OURSELVES.as_ref(), stdin).spawn()?.id()
            }
        };
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let child = Self {
            pid: pid.ok_or(io::ErrorKind::InvalidData)?,
            ready: None,
            kill_at: None,
            fault: None,
            update: None,
            on_disk: false,
            left: false,
            stranded: false,
            status: None,
            heard: false,
        };
        Ok((child, UnixStream::from_std(ours)?))
    }

    /// Sends a signal, unless it has ended: its id may be another process's since.
    pub(super) fn signal(&self, signal: Signal) {
        if self.status.is_some() {
            return;
        }
        if let Err(error) = kill_process(self.pid, signal) {
            tracing::warn!(pid = %self.pid, %error, "worker not signalled");
        }
    }

    /// Ends it by force.
    pub(super) fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.kill_at = None;
    }

    /// Ends it by force unless it ends before.
    pub(super) fn within(&mut self, time: Duration) {
        self.kill_at = Some(Instant::now() + time);
    }

    /// How long it has served.
    pub(super) fn served(&self) -> Option<Duration> {
        self.ready.map(|since| since.elapsed())
    }
}

/// Nobody waits for the child that this starts: `ended` reaps all there are, as a process with id 1 must.
fn command(program: &Path, stdin: OwnedFd) -> Command {
    let mut command = Command::new(program);
    command
        .arg0("penstock-receiver")
        .arg("worker")
        .stdin(Stdio::from(stdin));
    command
}

/// The next child that has ended, ours or one that the system has given us as process 1.
pub(super) fn ended() -> Option<(Pid, ExitStatus)> {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(ended) => {
                return ended.map(|(pid, status)| (pid, ExitStatus::from_raw(status.as_raw())));
            }
            Err(rustix::io::Errno::INTR) => {}
            // There are no children.
            Err(_) => return None,
        }
    }
}

/// What a worker is given at its start.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) sources: Vec<Source>,
    pub(super) signals: Option<Vec<OtlpSignal>>,
    pub(super) sockets: Arc<Sockets>,
}

/// Speaks with a worker until its end, which is told last.
pub(super) async fn speak(
    pid: Pid,
    stream: UnixStream,
    start: Start,
    mut facts: watch::Receiver<Facts>,
    events: mpsc::Sender<Event>,
) {
    let first = facts.borrow_and_update().clone();
    let signals = start.signals.as_deref();
    let given = link::give(&stream, &start.sources, signals, &start.sockets, &first).await;
    // The sockets are not held on to: a port that is not wanted any more has to close.
    drop(start);
    if let Err(error) = given {
        tracing::warn!(%pid, %error, "worker did not listen");
    }
    let (read, write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    loop {
        tokio::select! {
            line = lines.next_line() => {
                let Ok(Some(line)) = line else { break };
                if let Ok(word) = serde_json::from_str::<ToSupervisor>(&line) {
                    _ = events.send(Event::Said(pid, word)).await;
                }
            }
            Ok(()) = facts.changed() => {
                let now = facts.borrow_and_update().clone();
                // Its end is found by reading.
                _ = link::send(write.as_ref(), &ToWorker::Facts(now), None).await;
            }
        }
    }
    _ = events.send(Event::Heard(pid)).await;
}
