//! Which workers there are, and what takes whose place.
//!
//! *Invariant:* there is a worker that serves, or one that starts, or a time when one will be started, until all is to end.

use super::Event;
use super::backoff::Backoff;
use super::child::{self, Child, Start, Update};
use super::files::{Config, Contents, Files, Found};
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
use tokio::time::{Instant, timeout};

/// What a worker gets beyond its drain's deadline before it is ended by force.
const MARGIN: Duration = Duration::from_secs(5);
/// For a worker with a new configuration to be ready, with the old one serving on. A worker without one to fall back on
/// gets all the time that it needs: its log may be large.
const PATIENCE: Duration = Duration::from_secs(120);
/// For the names in new endpoints to be resolved.
const RESOLVE: Duration = Duration::from_secs(2);

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
    /// A configuration that waits for the one before it to be through.
    waiting: Option<Found>,
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
    pub(super) async fn handle(&mut self, event: Event) -> Option<u8> {
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
            Event::Found(found) => self.found(found).await,
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
            && let Some(found) = self.waiting.take()
        {
            self.take_over(found).await;
        }
        None
    }

    fn children(&mut self) -> impl Iterator<Item = &mut Child> {
        let one = self.serving.iter_mut().chain(&mut self.starting);
        one.chain(&mut self.retiring)
    }

    /// A configuration is on its way in, or the one before it still on its way out.
    fn busy(&self) -> bool {
        self.starting.is_some() || !self.retiring.is_empty()
    }

    /// When something is to be done although nothing happens.
    pub(super) fn due(&mut self) -> Option<Instant> {
        let start_at = self.start_at;
        let kills = self.children().filter_map(|child| child.kill_at);
        kills.chain(start_at).min()
    }

    fn over_due(&mut self) {
        let now = Instant::now();
        for child in self.children() {
            if child.kill_at.is_some_and(|at| at <= now) {
                tracing::error!(pid = %child.pid, "worker does not end by itself; killed");
                child.signal(Signal::KILL);
                child.kill_at = None;
            }
        }
        if self.start_at.is_some_and(|at| at <= now) {
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
            self.start_at = Some(Instant::now() + self.backoff.after(served));
        }
    }

    fn said(&mut self, pid: Pid, word: ToSupervisor) {
        match word {
            ToSupervisor::Failed(fault) => {
                if let Some(child) = self.children().find(|child| child.pid == pid) {
                    child.fault = Some(fault);
                }
            }
            ToSupervisor::Ready => {
                if !self.stopping()
                    && let Some(child) = self.starting.take_if(|child| child.pid == pid)
                {
                    self.ready(child);
                }
            }
            ToSupervisor::Leaving(reason) => {
                if !self.stopping()
                    && let Some(mut child) = self.serving.take_if(|child| child.pid == pid)
                {
                    tracing::warn!(%pid, reason, "worker leaves; starting another");
                    let served = child.served();
                    child.within(self.config.drain_deadline + MARGIN);
                    self.retiring.push(child);
                    self.facts.send_modify(|facts| facts.restarts += 1);
                    self.start_again(served);
                }
            }
        }
    }

    /// A worker serves: the one before it may go.
    fn ready(&mut self, mut child: Child) {
        self.served = true;
        child.ready = Some(Instant::now());
        child.kill_at = None;
        let deadline = self.config.drain_deadline + MARGIN;
        if let Some(update) = child.update.take() {
            self.config = update.config;
            // Ports that it does not have close with the old worker's.
            self.sockets = update.sockets;
            self.facts.send_modify(|facts| {
                facts.reloads += 1;
                facts.configuration_fault = None;
            });
            tracing::info!(pid = %child.pid, "configuration taken over");
        }
        if let Some(mut old) = self.serving.replace(child) {
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
            Ended::Retiring(self.retiring.swap_remove(position))
        };
        let (Ended::Serving(child) | Ended::Starting(child) | Ended::Retiring(child)) = &ended;
        let status = child.status?;
        Some((ended, status))
    }

    /// Goes on without a worker; gives the exit code if there is no use in that.
    fn ended(&mut self, ended: Ended, status: ExitStatus) -> Option<u8> {
        let code = exit::of_child(status);
        if let Some(so_far) = &mut self.stopping {
            // One that never served has nothing to lose.
            let counts = !matches!(ended, Ended::Starting(_)) || status.code().is_some();
            if counts && *so_far == exit::WHOLE {
                *so_far = code;
            }
            return None;
        }
        match ended {
            Ended::Serving(child) => {
                tracing::error!(pid = %child.pid, %status, "worker died; starting another");
                self.facts.send_modify(|facts| facts.restarts += 1);
                if let Some(next) = &mut self.starting {
                    // There is nothing to fall back on any more that serves meanwhile.
                    next.within(MARGIN);
                }
                self.start_again(child.served());
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

    /// Takes in what is in the files now.
    async fn found(&mut self, found: Found) {
        let known = found.contents == *self.seen.borrow();
        if self.stopping() || (known && !found.asked) {
            return;
        }
        self.seen.send_replace(found.contents.clone());
        self.take_over(found).await;
    }

    /// Starts a worker with another configuration, or says why not.
    async fn take_over(&mut self, mut found: Found) {
        let earlier = self.waiting.take();
        let config = match found.config {
            Err(fault) => return self.refuse(&fault),
            Ok(config) => config,
        };
        if self.busy() {
            tracing::info!("configuration waits for the one before it");
            found.asked |= earlier.is_some_and(|earlier| earlier.asked);
            found.config = Ok(config);
            self.waiting = Some(found);
            return;
        }
        if !found.asked && config.sources == self.config.sources {
            tracing::info!("configuration is again what runs");
            self.facts
                .send_modify(|facts| facts.configuration_fault = None);
            return;
        }
        tell_warnings(&config);
        let bind = Sockets::bind_beside(&config.wanted, &self.sockets);
        match timeout(RESOLVE, bind).await {
            Ok(Ok(sockets)) => self.start(Some(Update {
                config,
                sockets: Arc::new(sockets),
            })),
            Ok(Err(error)) => self.refuse(&error.to_string()),
            Err(late) => self.refuse(&format!("an endpoint's name is not resolved: {late}")),
        }
    }

    /// What runs stays, and it is told why.
    fn refuse(&self, fault: &str) {
        tracing::error!(
            error = fault,
            "configuration not taken over; the old one runs on"
        );
        self.facts.send_modify(|facts| {
            facts.reload_failures += 1;
            facts.configuration_fault = Some(fault.to_owned());
        });
    }

    /// Lets every worker end, and then itself.
    fn stop(&mut self, code: u8) {
        if self.stopping() {
            return;
        }
        // Nobody drains what is in the log of a worker that has died; on disk it is safe.
        let none = self.serving.is_none() && self.starting.is_none();
        self.stopping = Some(if none { exit::FAILED } else { code });
        self.start_at = None;
        self.waiting = None;
        // The worker closes its own when it takes no more; ours would only let senders wait for nobody.
        self.sockets = Arc::default();
        let within = self.config.drain_deadline + MARGIN;
        for child in self.serving.iter_mut().chain(&mut self.starting) {
            child.signal(Signal::TERM);
            child.within(within);
        }
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
}
