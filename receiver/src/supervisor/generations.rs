//! Which workers there are, and what takes whose place.
//!
//! *Invariant:* there is a worker that serves, or one that starts, or a time when one will be started, until all is to end.

use super::Event;
use super::backoff::Backoff;
use super::child::{self, Child, Start, Update};
use super::files::{Config, Contents, Files};
use crate::exit;
use crate::link::{Facts, ToSupervisor};
use crate::sockets::Sockets;
use penstock_runtime::Tasks;
use penstock_runtime::signals::Kind;
use rustix::process::{Pid, Signal};
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use updates::Wish;

mod updates;

/// What a worker gets beyond its drain's deadline before it is ended by force.
const MARGIN: Duration = Duration::from_secs(5);
/// For a worker with a new configuration to be ready, with the old one serving on. A worker without one to fall back on
/// gets all the time that it needs: its log may be large.
const PATIENCE: Duration = Duration::from_secs(120);
/// Workers that may be on their way out unasked before no other is started.
const LEAVERS: usize = 2;

/// The workers that there are and what runs in them; one event at a time changes it.
#[derive(Debug)]
pub(super) struct Generations {
    around: Around,
    /// What was in the files when they were last looked at.
    seen: watch::Sender<Contents>,
    /// What runs, or is to run.
    config: Config,
    sockets: Arc<Sockets>,
    serving: Option<Child>,
    starting: Option<Child>,
    retiring: Vec<Child>,
    /// A configuration that waits for the one before it to be through, or for a worker that serves.
    waiting: Option<Wish>,
    /// The sockets of an update are being bound.
    binding: bool,
    /// When another worker is started, if one is to be.
    start_at: Option<Instant>,
    backoff: Backoff,
    /// Some worker was ready once.
    served: bool,
    /// The exit code so far, once everything is to end.
    stopping: Option<u8>,
    facts: watch::Sender<Facts>,
}

/// What workers and their configuration come from.
#[derive(Debug)]
pub(super) struct Around {
    /// The program that workers are started from.
    pub(super) program: PathBuf,
    pub(super) files: Files,
    pub(super) tasks: Tasks,
    pub(super) events: mpsc::Sender<Event>,
}

impl Generations {
    /// Starts the first worker.
    pub(super) fn begin(
        around: Around,
        seen: watch::Sender<Contents>,
        config: Config,
        sockets: Sockets,
    ) -> Self {
        tell_warnings(&config);
        let facts = Facts {
            pid: std::process::id(),
            ..Facts::default()
        };
        let mut generations = Self {
            around,
            seen,
            config,
            sockets: Arc::new(sockets),
            serving: None,
            starting: None,
            retiring: Vec::new(),
            waiting: None,
            binding: false,
            start_at: None,
            backoff: Backoff::default(),
            served: false,
            stopping: None,
            facts: watch::Sender::new(facts),
        };
        generations.start(None);
        generations
    }

    /// Everything is to end.
    pub(super) fn stopping(&self) -> bool {
        self.stopping.is_some()
    }

    /// Takes in what has happened; gives the exit code when it is time to end.
    pub(super) fn handle(&mut self, event: Event) -> Option<u8> {
        match event {
            Event::Signal(Kind::Child) => self.reap(),
            Event::Signal(Kind::Hangup) => {
                let told = self.around.files.clone().tell(self.around.events.clone());
                self.around.tasks.spawn("configuration read", told);
            }
            Event::Signal(kind) => {
                tracing::info!(signal = kind.name(), "stop requested");
                self.stop(exit::WHOLE);
            }
            Event::Broken(failure) => {
                tracing::error!(failure, "supervisor failed");
                self.stop(exit::FAILED);
            }
            Event::Said(pid, word) => self.said(pid, word),
            Event::Heard(pid) => {
                if let Some(child) = self.children().find(|child| child.pid == pid) {
                    child.heard = true;
                }
            }
            Event::Found(found) => self.found(found),
            Event::Bound(bound) => self.bound(bound),
            Event::Due => self.over_due(),
        }
        while let Some((child, status)) = self.take_ended() {
            if let Some(code) = self.ended(child, status) {
                return Some(code);
            }
        }
        if self.stopping() && self.children().next().is_none() {
            return self.stopping;
        }
        if !self.busy()
            && let Some(wish) = self.waiting.take()
        {
            self.take_over(wish);
        }
        None
    }

    fn children(&mut self) -> impl Iterator<Item = &mut Child> {
        let one = self.serving.iter_mut().chain(&mut self.starting);
        one.chain(&mut self.retiring)
    }

    /// A configuration is on its way in, or the one before it still on its way out.
    fn busy(&self) -> bool {
        self.binding || self.starting.is_some() || self.retiring.iter().any(|child| !child.left)
    }

    /// Too many workers are on their way out unasked for another one.
    fn crowded(&self) -> bool {
        self.retiring.iter().filter(|child| child.left).count() > LEAVERS
    }

    /// When something is to be done although nothing happens.
    pub(super) fn due(&mut self) -> Option<Instant> {
        let start_at = self.start_at.filter(|_| !self.crowded());
        let kills = self.children().filter_map(|child| child.kill_at);
        kills.chain(start_at).min()
    }

    fn over_due(&mut self) {
        let now = Instant::now();
        let stopping = self.stopping();
        for child in self.children() {
            if child.kill_at.is_some_and(|at| at <= now) {
                if child.update.is_some() && !stopping {
                    // It was not asked to end; what is told of its configuration is why it has to.
                    let late = || format!("its worker was not ready within {PATIENCE:?}");
                    child.fault.get_or_insert_with(late);
                } else {
                    tracing::error!(pid = %child.pid, "worker does not end by itself; killed");
                }
                child.kill();
            }
        }
        if self.start_at.is_some_and(|at| at <= now) && !self.crowded() {
            self.start(None);
        }
    }

    /// Starts a worker of what is to run, or of its update.
    fn start(&mut self, update: Option<Update>) {
        self.start_at = None;
        let (config, sockets) = match &update {
            Some(update) => (&update.config, &update.sockets),
            None => (&self.config, &self.sockets),
        };
        let start = Start {
            sources: config.sources.clone(),
            signals: self.around.files.signals.clone(),
            sockets: Arc::clone(sockets),
        };
        match Child::spawn(&self.around.program) {
            Ok((mut child, stream)) => {
                tracing::info!(pid = %child.pid, update = update.is_some(), "worker started");
                if update.is_some() && self.serving.is_some() {
                    child.within(PATIENCE);
                }
                child.on_disk = config.directory.is_some();
                child.update = update;
                let (facts, events) = (self.facts.subscribe(), self.around.events.clone());
                let speaks = child::speak(child.pid, stream, start, facts, events);
                self.around.tasks.spawn("worker link", speaks);
                self.starting = Some(child);
            }
            Err(error) => {
                tracing::error!(%error, "worker cannot be started");
                if update.is_some() {
                    self.refuse(&error.to_string());
                }
                self.start_again(None);
            }
        }
    }

    /// Sees to it that there will be a worker, if none serves or starts.
    fn start_again(&mut self, served: Option<Duration>) {
        if self.serving.is_none() && self.starting.is_none() && !self.stopping() {
            let pause = self.backoff.after(served);
            if pause.is_zero() && !self.crowded() {
                // Now, so that no other configuration gets in before there is a worker.
                return self.start(None);
            }
            self.start_at = Some(Instant::now() + pause);
        }
    }

    fn said(&mut self, pid: Pid, word: ToSupervisor) {
        match word {
            ToSupervisor::Failed(fault) => {
                if let Some(child) = self.children().find(|child| child.pid == pid) {
                    child.fault = Some(fault);
                }
            }
            ToSupervisor::Ready => self.ready(pid),
            ToSupervisor::Leaving(reason) => self.leaving(pid, &reason),
        }
    }

    fn leaving(&mut self, pid: Pid, reason: &str) {
        let stranded = |child: &&mut Child| child.pid == pid && child.stranded;
        if let Some(child) = self.retiring.iter_mut().find(stranded) {
            // Now it listens no more, and what it holds is not to be left to its successor.
            child.signal(Signal::TERM);
        }
        if !self.stopping()
            && let Some(mut child) = self.serving.take_if(|child| child.pid == pid)
        {
            tracing::warn!(%pid, reason, "worker leaves; starting another");
            let served = child.served();
            child.left = true;
            child.within(self.config.drain_deadline + MARGIN);
            self.retiring.push(child);
            self.lost(served);
        }
    }

    /// Nobody serves any more.
    fn lost(&mut self, served: Option<Duration>) {
        self.facts.send_modify(|facts| facts.restarts += 1);
        self.put_back();
        if self.crowded() {
            // On disk nothing of it is lost; one that holds data in memory only is waited for.
            let mut leavers = self.retiring.iter_mut().filter(|child| child.left);
            if let Some(oldest) = leavers.find(|child| child.on_disk && child.kill_at.is_some()) {
                tracing::error!(pid = %oldest.pid, "too many workers leave; the oldest killed");
                oldest.kill();
            }
        }
        self.start_again(served);
    }

    /// A worker serves: the one before it may go.
    fn ready(&mut self, pid: Pid) {
        let stopping = self.stopping();
        let lives = |child: &&mut Child| child.pid == pid && child.status.is_none();
        let Some(child) = self.children().find(lives) else {
            return;
        };
        child.ready = Some(Instant::now());
        if stopping {
            // It may have been left to get here, for what it has to hand over.
            return child.signal(Signal::TERM);
        }
        let Some(mut child) = self.starting.take_if(|child| child.pid == pid) else {
            return;
        };
        self.served = true;
        child.kill_at = None;
        let deadline = self.config.drain_deadline + MARGIN;
        let mut stranded = None;
        if let Some(update) = child.update.take() {
            stranded = self.config.strands(&update.config);
            self.config = update.config;
            // Ports that it does not have close with the old worker's.
            self.sockets = update.sockets;
            self.facts.send_modify(|facts| facts.reloads += 1);
            self.fault_is_over();
            tracing::info!(pid = %child.pid, "configuration taken over");
        }
        if let Some(mut old) = self.serving.replace(child) {
            if let Some(reason) = stranded {
                tracing::info!(pid = %old.pid, reason, "the worker before drains to its end");
                old.stranded = true;
            }
            old.signal(Signal::USR2);
            old.within(deadline);
            self.retiring.push(old);
        }
    }

    /// Notes which children have ended; of those that are none of ours there is nothing to note.
    fn reap(&mut self) {
        while let Some((pid, status)) = child::ended() {
            if let Some(child) = self.children().find(|child| child.pid == pid) {
                child.status = Some(status);
                child.kill_at = None;
            }
        }
    }

    /// A worker that has ended, and of which nothing more will be heard or has to be.
    fn take_ended(&mut self) -> Option<(Ended, ExitStatus)> {
        let stopping = self.stopping();
        let over = |child: &mut Child| child.status.is_some() && (child.heard || stopping);
        let ended = if let Some(child) = self.serving.take_if(over) {
            Ended::Serving(child)
        } else if let Some(child) = self.starting.take_if(over) {
            Ended::Starting(child)
        } else {
            let position = self.retiring.iter_mut().position(over)?;
            Ended::Retiring(self.retiring.remove(position))
        };
        let (Ended::Serving(child) | Ended::Starting(child) | Ended::Retiring(child)) = &ended;
        let status = child.status?;
        Some((ended, status))
    }

    /// Goes on without a worker; gives the exit code if there is no use in that.
    fn ended(&mut self, ended: Ended, status: ExitStatus) -> Option<u8> {
        let code = exit::of_child(status);
        if self.stopping() {
            let (Ended::Serving(child) | Ended::Starting(child) | Ended::Retiring(child)) = ended;
            if child.ready.is_none() && self.config.hand_over {
                self.not_handed_over();
            } else if child.ready.is_some() || status.code().is_some() {
                // Others have nothing to lose.
                self.worth(code);
            }
            return None;
        }
        match ended {
            Ended::Serving(child) => {
                tracing::error!(pid = %child.pid, %status, "worker died; starting another");
                self.lost(child.served());
            }
            Ended::Starting(child) => {
                let fault = child.fault.unwrap_or_else(|| status.to_string());
                if child.update.is_some() {
                    self.refuse(&fault);
                } else if !self.served && status.code().is_some() {
                    tracing::error!(error = fault, "receiver did not start");
                    return Some(code.max(exit::FAILED));
                } else {
                    tracing::error!(pid = %child.pid, error = fault, "worker did not start");
                }
                self.start_again(None);
            }
            Ended::Retiring(child) => {
                tracing::info!(pid = %child.pid, %status, "worker retired");
            }
        }
        None
    }

    /// Lets every worker end, and then itself.
    fn stop(&mut self, code: u8) {
        if self.stopping() {
            return;
        }
        self.stopping = Some(code);
        self.start_at = None;
        self.waiting = None;
        if self.serving.is_none() && self.starting.is_none() {
            if self.config.hand_over {
                tracing::info!("a worker is started to hand over what the last one left");
                self.start(None);
                if self.starting.is_none() {
                    self.not_handed_over();
                }
            } else if self.config.directory.is_none() {
                // What the last one held is lost; on disk it is safe.
                self.worth(exit::FAILED);
            }
        }
        // The worker closes its own when it takes no more; ours would only let senders wait for nobody.
        self.sockets = Arc::default();
        let within = self.config.drain_deadline + MARGIN;
        for child in self.serving.iter_mut().chain(&mut self.starting) {
            child.within(within);
            // Before it is ready the signal might end it, and what is in its log would stay there.
            if child.ready.is_some() || !self.config.hand_over {
                child.signal(Signal::TERM);
            }
        }
        for child in &self.retiring {
            // There is no successor any more for what it leaves.
            child.signal(Signal::TERM);
        }
    }

    /// The exit code is this one, if nothing was wrong before.
    fn worth(&mut self, code: u8) {
        if self.stopping == Some(exit::WHOLE) {
            self.stopping = Some(code);
        }
    }

    fn not_handed_over(&mut self) {
        tracing::error!(
            directory = ?self.config.directory,
            "what is in the log may not have been handed over; the volume has to be kept"
        );
        self.worth(exit::FAILED);
    }
}

/// A worker that has ended, by what it was.
#[derive(Debug)]
enum Ended {
    Serving(Child),
    Starting(Child),
    Retiring(Child),
}

fn tell_warnings(config: &Config) {
    for warning in &config.warnings {
        tracing::warn!(warning, "settings warning");
    }
    for note in &config.notes {
        tracing::info!(note, "settings note");
    }
}
