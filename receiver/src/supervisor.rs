//! The process that owns the listening sockets and runs the worker that receives on them.
//!
//! ```text
//!            start ──ready──▶ serve ──SIGTERM──▶ drain
//!              ▲                │
//!     died, new configuration   └──SIGUSR2, when a successor is ready──▶ retire
//! ```
//!
//! Connections that come while there is no worker wait in the kernel's queues for the next one. A configuration takes
//! another's place only when a worker of it is ready; one whose worker does not get there changes nothing.
//!
//! *Invariant:* never reads or writes a byte of data, and does nothing that may block. At most three generations of
//! workers run: one that retires, one that serves, one that starts.

mod backoff;
mod child;
mod files;

use crate::args::Args;
use crate::exit;
use crate::link::{Facts, ToSupervisor};
use crate::sockets::Sockets;
use backoff::Backoff;
use child::{Child, Start, Update};
use files::{Config, Contents, Files, Found};
use penstock_runtime::Tasks;
use penstock_runtime::signals::{Kind, Signals};
use penstock_telemetry::logs;
use rustix::process::{Pid, Signal};
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

/// What workers said and files hold, not yet looked at.
const EVENTS: usize = 64;
/// What a worker gets beyond its drain's deadline before it is ended by force.
const MARGIN: Duration = Duration::from_secs(5);
/// For a worker with a new configuration to be ready, with the old one serving on. A worker without one to fall back on
/// gets all the time that it needs: its log may be large.
const PATIENCE: Duration = Duration::from_secs(120);
/// For the names in new endpoints to be resolved.
const RESOLVE: Duration = Duration::from_secs(2);

/// What happens to a supervisor.
#[derive(Debug)]
enum Event {
    Signal(Kind),
    /// A worker said something.
    Said(Pid, ToSupervisor),
    /// All that a worker said has been told.
    Heard(Pid),
    /// The configuration files were read.
    Found(Found),
    /// A time has come.
    Due,
    /// A task of our own has failed.
    Broken(String),
}

/// Runs as the supervisor of a receiver.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    let files = Files::new(args);
    let contents = files.read();
    let config = match files.settings(&contents) {
        Ok((sources, settings)) => {
            let telemetry = &settings.telemetry;
            if let Err(error) = logs::start(&telemetry.log_level, telemetry.log_json) {
                return exit::complain(&error, exit::BAD_SETTINGS);
            }
            Config::new(sources, settings)
        }
        Err(fault) => return exit::complain(&fault, exit::BAD_SETTINGS),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let code = match (config, runtime) {
        (Ok(config), Ok(runtime)) => runtime.block_on(supervise(files, contents, config)),
        (Err(error), _) => {
            tracing::error!(error, "receiver did not start");
            exit::BAD_SETTINGS
        }
        (_, Err(error)) => return exit::complain(&error, exit::FAILED),
    };
    ExitCode::from(code)
}

async fn supervise(files: Files, contents: Contents, config: Config) -> u8 {
    let sockets = match Sockets::bind_beside(&config.wanted, &Sockets::default()).await {
        Ok(sockets) => Arc::new(sockets),
        Err(error) => {
            tracing::error!(%error, "receiver did not start");
            return exit::BAD_SETTINGS;
        }
    };
    let kinds = [Kind::Terminate, Kind::Interrupt, Kind::Hangup, Kind::Child];
    let (mut signals, program) = match (Signals::take(&kinds), std::env::current_exe()) {
        (Ok(signals), Ok(program)) => (signals, program),
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(%error, "receiver did not start");
            return exit::FAILED;
        }
    };
    tell_warnings(&config);
    let (events, mut inbox) = mpsc::channel(EVENTS);
    let facts = Facts {
        pid: std::process::id(),
        ..Facts::default()
    };
    let mut supervisor = Supervisor {
        program,
        files: files.clone(),
        tried: contents.clone(),
        config,
        sockets,
        serving: None,
        starting: None,
        retiring: Vec::new(),
        waiting: None,
        start_at: None,
        backoff: Backoff::default(),
        served: false,
        stopping: None,
        facts: watch::Sender::new(facts),
        tasks: Tasks::new(),
        events: events.clone(),
    };
    supervisor.start(None);
    let tasks = supervisor.tasks.clone();
    tasks.spawn_forever("configuration watch", files.watch(contents, events));
    loop {
        let due = supervisor.due();
        let event = tokio::select! {
            kind = signals.next() => Event::Signal(kind),
            Some(event) = inbox.recv() => event,
            () = wait_for(due) => Event::Due,
            failure = tasks.failed(), if supervisor.stopping.is_none() => Event::Broken(failure.to_string()),
        };
        if let Some(code) = supervisor.handle(event).await {
            return code;
        }
    }
}

async fn wait_for(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}

fn tell_warnings(config: &Config) {
    for warning in &config.warnings {
        tracing::warn!(warning, "settings warning");
    }
}

/// The state of a supervisor; one event at a time changes it.
#[derive(Debug)]
struct Supervisor {
    program: PathBuf,
    files: Files,
    /// What was in the files when they were last judged.
    tried: Contents,
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
    tasks: Tasks,
    events: mpsc::Sender<Event>,
}

impl Supervisor {
    /// Takes in what has happened; gives the exit code when it is time to end.
    async fn handle(&mut self, event: Event) -> Option<u8> {
        match event {
            Event::Signal(Kind::Child) => self.reap(),
            Event::Signal(Kind::Hangup) => {
                let told = self.files.clone().tell(self.events.clone());
                self.tasks.spawn("configuration read", told);
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
        if self.stopping.is_some() && self.children().next().is_none() {
            return self.stopping;
        }
        if !self.busy()
            && let Some(found) = self.waiting.take()
        {
            self.found(found).await;
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

    fn due(&mut self) -> Option<Instant> {
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
            signals: self.files.signals.clone(),
            sockets: Arc::clone(sockets),
        };
        match Child::spawn(&self.program) {
            Ok((mut child, stream)) => {
                tracing::info!(pid = %child.pid, update = update.is_some(), "worker started");
                if update.is_some() && self.serving.is_some() {
                    child.within(PATIENCE);
                }
                child.update = update;
                let (facts, events) = (self.facts.subscribe(), self.events.clone());
                let speaks = child::speak(child.pid, stream, start, facts, events);
                self.tasks.spawn("worker link", speaks);
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
        if self.serving.is_none() && self.starting.is_none() && self.stopping.is_none() {
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
                if self.stopping.is_none()
                    && let Some(child) = self.starting.take_if(|child| child.pid == pid)
                {
                    self.ready(child);
                }
            }
            ToSupervisor::Leaving(reason) => {
                if self.stopping.is_none()
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
        let stopping = self.stopping.is_some();
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

    /// Judges what is in the files now.
    async fn found(&mut self, found: Found) {
        if self.stopping.is_some() || (!found.asked && found.contents == self.tried) {
            return;
        }
        let config = match found.config {
            Ok(config) if self.busy() => {
                let asked = found.asked || self.waiting.as_ref().is_some_and(|other| other.asked);
                tracing::info!("configuration waits for the one before it");
                self.waiting = Some(Found {
                    config: Ok(config),
                    asked,
                    ..found
                });
                return;
            }
            judged => {
                self.tried = found.contents;
                self.waiting = None;
                match judged {
                    Ok(config) => config,
                    Err(fault) => return self.refuse(&fault),
                }
            }
        };
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
        if self.stopping.is_some() {
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
