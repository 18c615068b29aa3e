//! The process that receives: started by the supervisor with its sockets and its configuration, ended by it or with it.
//!
//! - SIGTERM: drains, and ends with the drain's exit code.
//! - SIGUSR2, which is also what the kernel sends when the supervisor has died: retires, because a successor is there or
//!   soon will be. So does a worker one of whose tasks has failed. SIGTERM meanwhile: drains after all, as there will be none.
//! - SIGINT, SIGHUP: nothing. A terminal sends them to supervisor and worker alike, and the supervisor knows what to do.
//!
//! *Invariant:* outlives its supervisor by no more than the drain's deadline, whatever hangs.

use crate::link::{self, Facts, Reader, Start, ToSupervisor, ToWorker};
use crate::receiver::{Receiver, StartError};
use crate::sockets::Sockets;
use crate::{args, exit, process};
use penstock_runtime::Tasks;
use penstock_runtime::signals::{Kind, Signals};
use penstock_settings::Settings;
use penstock_telemetry::{Recorder, logs};
use rustix::process::{Signal, set_parent_process_death_signal};
use std::fmt::Display;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// What a worker without a supervisor gets beyond the drain's deadline.
const MARGIN: Duration = Duration::from_secs(5);

/// Why a worker does not serve.
struct Fault {
    what: String,
    code: u8,
}

/// Runs as the worker of the process that started this one.
#[must_use]
pub fn run() -> ExitCode {
    let (link, reader, start) = match connect() {
        Ok(connected) => connected,
        Err(error) => {
            let what = format!("a worker is started by penstock-receiver itself: {error}");
            return exit::complain(&what, exit::BAD_SETTINGS);
        }
    };
    let code = work(&link, reader, start).unwrap_or_else(|fault| {
        // The supervisor knows whether this is worth an error or was a try.
        link::tell(&link, &ToSupervisor::Failed(fault.what));
        fault.code
    });
    ExitCode::from(code)
}

fn connect() -> io::Result<(UnixStream, Reader, Start)> {
    // Before the supervisor's end can be seen by reading, so that it is never missed.
    set_parent_process_death_signal(Some(Signal::USR2))?;
    let link = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let mut reader = Reader::new(link.try_clone()?);
    let start = reader.start()?;
    Ok((link, reader, start))
}

fn work(link: &UnixStream, reader: Reader, start: Start) -> Result<u8, Fault> {
    let settings = args::settings(&start.sources, start.signals.as_deref());
    let settings = settings.map_err(|fault| bad_settings(&fault))?;
    let repeats = logs::start(&settings.telemetry).map_err(|fault| bad_settings(&fault))?;
    process::allow_open_files(&settings);
    let patience = settings.penstock.drain_deadline + MARGIN;
    let supervisor = Supervisor {
        facts: watch::Sender::new(start.facts),
        gone: watch::Sender::new(false),
    };
    let (facts, gone) = (supervisor.facts.subscribe(), supervisor.gone.subscribe());
    thread::Builder::new()
        .name("supervisor".to_owned())
        .spawn(move || supervisor.listen(reader, patience))
        .map_err(|error| failed(&error))?;
    // Shards have runtimes of their own; this one accepts, and serves the admin pages.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| failed(&error))?;
    let code = runtime.block_on(async {
        Tasks::new().spawn_forever("repeated lines", repeats.clone().tell());
        serve(link, settings, start.sockets, facts, gone).await
    });
    repeats.tell_now();
    // What is still under way in a helper thread hangs, and must not keep the process.
    runtime.shutdown_background();
    code
}

async fn serve(
    link: &UnixStream,
    settings: Settings,
    sockets: Sockets,
    facts: watch::Receiver<Facts>,
    mut gone: watch::Receiver<bool>,
) -> Result<u8, Fault> {
    let recorder = Recorder::install().map_err(|error| failed(&error))?;
    // Before the logs are opened: what they hold is to be drained, also when the end comes while we start.
    let kinds = [Kind::Terminate, Kind::Retire, Kind::Interrupt, Kind::Hangup];
    let mut signals = Signals::take(&kinds).map_err(|error| failed(&error))?;
    let receiver = Receiver::start_under(settings, Some(recorder), sockets, Some(facts))
        .await
        .map_err(|error| not_started(&error))?;
    tracing::info!(
        grpc = %list(receiver.grpc()),
        http = %list(receiver.http()),
        admin = %receiver.admin(),
        pid = std::process::id(),
        "receiver ready"
    );
    link::tell(link, &ToSupervisor::Ready);

    let mut least = exit::WHOLE;
    let leaving = loop {
        tokio::select! {
            signal = signals.next() => match signal {
                Kind::Terminate => break None,
                Kind::Retire => break Some("asked to make room".to_owned()),
                _ => {}
            },
            _gone = gone.wait_for(|gone| *gone) => break Some("supervisor gone".to_owned()),
            failure = receiver.failed() => {
                least = exit::FAILED;
                break Some(failure.to_string());
            }
        }
    };
    let drained = match leaving {
        None => receiver.stop().await,
        Some(reason) => {
            tracing::info!(reason, "receiver retires");
            link::tell(link, &ToSupervisor::Leaving(reason));
            let told_to_stop = async { while signals.next().await != Kind::Terminate {} };
            receiver.retire_unless(told_to_stop).await
        }
    };
    tracing::info!(
        dropped_items = drained.dropped,
        kept_items = drained.kept,
        handed_over_items = drained.handed_over,
        "receiver stopped"
    );
    Ok(exit::of_drain(drained).max(least))
}

/// The supervisor as its worker sees it.
struct Supervisor {
    facts: watch::Sender<Facts>,
    gone: watch::Sender<bool>,
}

impl Supervisor {
    /// Takes in what it says until it is gone; then this process has to end, be it by force. A thread of its own, because
    /// a runtime may hang.
    fn listen(self, mut reader: Reader, patience: Duration) {
        while let Ok(Some(word)) = reader.next() {
            if let ToWorker::Facts(facts) = word {
                self.facts.send_replace(facts);
            }
        }
        self.gone.send_replace(true);
        let end = Instant::now() + patience;
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            thread::park_timeout(left);
        }
        // Not a word: with the supervisor gone there may be nobody at the other end of standard error, and this must not fail.
        std::process::exit(exit::FAILED.into());
    }
}

fn not_started(error: &StartError) -> Fault {
    if error.may_pass() {
        failed(error)
    } else {
        bad_settings(error)
    }
}

fn bad_settings(fault: &dyn Display) -> Fault {
    Fault {
        what: fault.to_string(),
        code: exit::BAD_SETTINGS,
    }
}

fn failed(fault: &dyn Display) -> Fault {
    Fault {
        what: fault.to_string(),
        code: exit::FAILED,
    }
}

fn list(addresses: impl Iterator<Item = SocketAddr>) -> String {
    addresses
        .map(|address| address.to_string())
        .collect::<Vec<_>>()
        .join(",")
}
