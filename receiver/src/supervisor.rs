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
//! workers run: one that retires, one that serves, one that starts; beside them a few that end unasked.

mod backoff;
mod child;
mod files;
mod generations;

use crate::args::Args;
use crate::exit;
use crate::link::ToSupervisor;
use crate::sockets::Sockets;
use child::Update;
use files::{Config, Contents, Files, Found};
use generations::{Around, Generations};
use penstock_runtime::Tasks;
use penstock_runtime::signals::{Kind, Signals};
use penstock_telemetry::logs;
use rustix::process::Pid;
use std::process::ExitCode;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

/// What workers said and files hold, not yet looked at.
const EVENTS: usize = 64;
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
    /// The sockets of another configuration are there, or cannot be had.
    Bound(Result<Update, String>),
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
            // No peer reaches this process: what it repeats is little, and all of it is told.
            if let Err(error) = logs::start(&settings.telemetry) {
                return exit::complain(&error, exit::BAD_SETTINGS);
            }
            Config::new(sources, settings)
        }
        Err(fault) => return exit::complain(&fault.report(), exit::BAD_SETTINGS),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let code = match (config, runtime) {
        (Ok(config), Ok(runtime)) => {
            let code = runtime.block_on(supervise(files, contents, config));
            // A look at the files may hang in its thread, and must not keep the process.
            runtime.shutdown_background();
            code
        }
        (Err(error), _) => {
            tracing::error!(error, "receiver did not start");
            exit::BAD_SETTINGS
        }
        (_, Err(error)) => return exit::complain(&error, exit::FAILED),
    };
    ExitCode::from(code)
}

async fn supervise(files: Files, contents: Contents, config: Config) -> u8 {
    let kinds = [Kind::Terminate, Kind::Interrupt, Kind::Hangup, Kind::Child];
    let (mut signals, program) = match (Signals::take(&kinds), std::env::current_exe()) {
        (Ok(signals), Ok(program)) => (signals, program),
        (Err(error), _) | (_, Err(error)) => {
            tracing::error!(%error, "receiver did not start");
            return exit::FAILED;
        }
    };
    let none = Sockets::default();
    let bound = tokio::select! {
        bound = Sockets::bind_beside(&config.wanted, &none) => bound,
        () = stop_requested(&mut signals) => return exit::WHOLE,
    };
    let sockets = match bound {
        Ok(sockets) => sockets,
        Err(error) => {
            tracing::error!(%error, "receiver did not start");
            return if error.may_pass() {
                exit::FAILED
            } else {
                exit::BAD_SETTINGS
            };
        }
    };
    let (events, mut inbox) = mpsc::channel(EVENTS);
    let tasks = Tasks::new();
    let seen = watch::Sender::new(contents);
    let watching = files.clone().watch(seen.subscribe(), events.clone());
    tasks.spawn_forever("configuration watch", watching);
    let around = Around {
        program,
        files,
        tasks: tasks.clone(),
        events,
    };
    let mut generations = Generations::begin(around, seen, config, sockets);
    loop {
        let due = generations.due();
        let event = tokio::select! {
            kind = signals.next() => Event::Signal(kind),
            Some(event) = inbox.recv() => event,
            () = wait_for(due) => Event::Due,
            failure = tasks.failed(), if !generations.stopping() => Event::Broken(failure.to_string()),
        };
        if let Some(code) = generations.handle(event) {
            return code;
        }
    }
}

/// While there is nothing yet that the other signals could mean something to.
async fn stop_requested(signals: &mut Signals) {
    while !matches!(signals.next().await, Kind::Terminate | Kind::Interrupt) {}
}

async fn wait_for(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => std::future::pending().await,
    }
}
