//! An exporter's process, from the command line to its exit code.
//!
//! *Invariant:* 0 after a drain, 1 when something failed while running, 2 when the command line or the settings are
//! wrong, an address to listen on included.

use crate::args::{Args, pick};
use crate::{Exporter, Ledger, Options, health, serve};
use penstock_runtime::{Drain, Tasks, signals};
use penstock_settings::{ExporterHop, Settings};
use penstock_telemetry::admin::{Admin, Page};
use penstock_telemetry::{Process, Recorder, Repeats, logs, profile};
use penstock_tls::{ServerSide, Watched, watch};
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::net::TcpListener;

const FAILED: u8 = 1;
const WRONG: u8 = 2;

/// An exporter's `main`: reads the command line and the settings, builds the exporter, serves until told to stop.
///
/// `kinds` are the component types that this binary serves (`["otlp", "otlp_grpc", ...]`). `build` runs inside the
/// process's runtime; what it complains about is a mistake in the settings.
pub fn run<E, F>(name: &'static str, kinds: &'static [&'static str], build: F) -> ExitCode
where
    E: Exporter,
    F: FnOnce(&penstock_settings::Exporter, &Settings) -> Result<E, String>,
{
    let args = match Args::read(name, std::env::args_os()) {
        Ok(args) => args,
        Err(err) => {
            // Without standard output or error there is nobody to tell.
            let _told = err.print().is_ok();
            return ExitCode::from(u8::try_from(err.exit_code()).unwrap_or(WRONG));
        }
    };
    let settings = match penstock_settings::load(&[args.config, args.set].concat()) {
        Ok(settings) => settings,
        Err(faults) => {
            let why = format!("the configuration cannot be used\n\n{}", faults.report());
            return stop(name, WRONG, &why);
        }
    };
    let mut exporter = match pick(&settings, kinds, args.exporter.as_deref()) {
        Ok(exporter) => exporter.clone(),
        Err(mistake) => return stop(name, WRONG, &mistake),
    };
    exporter.hop.listen = args.listen.unwrap_or(exporter.hop.listen);
    exporter.hop.admin = args.admin.unwrap_or(exporter.hop.admin);
    let repeats = match logs::start(&settings.telemetry) {
        Ok(repeats) => repeats,
        Err(err) => return stop(name, WRONG, &err),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(err) => return stop(name, FAILED, &err),
    };
    let tells = match Tells::new(name, &settings, repeats) {
        Ok(tells) => tells,
        Err(err) => return stop(name, FAILED, &err),
    };
    runtime.block_on(async {
        let built = match build(&exporter, &settings) {
            Ok(built) => built,
            Err(mistake) => return stop(name, WRONG, &format!("{}: {mistake}", exporter.id)),
        };
        let tls = exporter.hop.tls.as_ref();
        let tls = tls.map(|tls| ServerSide::new(tls, &["h2"]).map(Arc::new));
        let tls = match tls.transpose() {
            Ok(tls) => tls,
            Err(mistake) => return stop(name, WRONG, &mistake),
        };
        // An address that cannot be had is a mistake in the settings too, as it is for the receiver.
        let listeners = match listeners(&exporter.hop).await {
            Ok(listeners) => listeners,
            Err(mistake) => return stop(name, WRONG, &mistake),
        };
        match process(
            name,
            Arc::new(built),
            listeners,
            tls,
            &exporter,
            &settings,
            tells,
        )
        .await
        {
            Ok(()) => ExitCode::SUCCESS,
            Err(reason) => stop(name, FAILED, &reason),
        }
    })
}

/// What tells of the process. It is there before the exporter is made, so that nothing is counted for nobody.
struct Tells {
    process: Process,
    recorder: Recorder,
    repeats: Repeats,
}

impl Tells {
    fn new(name: &'static str, settings: &Settings, repeats: Repeats) -> Result<Self, String> {
        let process = Process::new(name, &settings.telemetry.resource);
        let recorder = Recorder::install().map_err(|err| err.to_string())?;
        let recorder = recorder.spelled(process.spelling(&settings.penstock.telemetry));
        Ok(Self {
            process,
            recorder,
            repeats,
        })
    }
}

/// Says why on standard error: logs may not have been started, or be filtered.
fn stop(name: &str, code: u8, why: &dyn std::fmt::Display) -> ExitCode {
    eprintln!("{name}: {why}");
    ExitCode::from(code)
}

async fn process<E: Exporter>(
    name: &'static str,
    exporter: Arc<E>,
    [(hop, hop_address), (admin, admin_address)]: [(TcpListener, SocketAddr); 2],
    tls: Option<Arc<ServerSide>>,
    settings: &penstock_settings::Exporter,
    all: &Settings,
    tells: Tells,
) -> Result<(), String> {
    let Tells {
        process,
        recorder,
        repeats,
    } = tells;
    let id = settings.id.to_string();
    let (drain, tasks) = (Drain::new(), Tasks::new());
    let ledger = Arc::new(Ledger::new(&id));
    tasks.spawn_forever("metrics", recorder.clone().upkeep());
    let pages = pages(&drain, &ledger, process, recorder);
    let pages = if all.penstock.telemetry.profiles {
        profile::pages(pages)
    } else {
        pages
    };
    pages.serve(admin, &tasks);
    tasks.spawn_forever("repeated lines", repeats.clone().tell());
    let deadline = all.penstock.drain_deadline;
    let stopped = signals::stop_requested();
    let mut options = Options::new(settings.hop.max_concurrent_batches);
    let mut files = exporter.files();
    files.extend(tls.clone().map(|tls| tls as Arc<dyn Watched>));
    for watched in files {
        tasks.spawn("files", watch(watched));
    }
    options.tls = tls;
    let served = serve(hop, exporter, options, ledger, &drain, &tasks);
    tracing::info!(name, exporter = id, hop = %hop_address, admin = %admin_address, "exporter ready");
    let work = async {
        tokio::pin!(served);
        let signal = tokio::select! {
            signal = stopped => signal,
            _ = &mut served => return Err("the hop's server has ended".to_owned()),
        };
        let signal = signal.map_err(|err: io::Error| format!("no signal handlers: {err}"))?;
        tracing::info!(signal, "exporter stops");
        drain.begin(deadline);
        match served.await {
            0 => tracing::info!("exporter stopped"),
            batches => tracing::warn!(batches, "exporter stopped with batches in flight"),
        }
        Ok(())
    };
    let ended = tokio::select! {
        ended = work => ended,
        failure = tasks.failed() => Err(failure.to_string()),
    };
    repeats.tell_now();
    ended
}

/// Where batches come in, and the admin pages.
async fn listeners(hop: &ExporterHop) -> Result<[(TcpListener, SocketAddr); 2], String> {
    Ok([bind(&hop.listen).await?, bind(&hop.admin).await?])
}

async fn bind(address: &str) -> Result<(TcpListener, SocketAddr), String> {
    let bound = async {
        let listener = TcpListener::bind(address).await?;
        let bound = listener.local_addr()?;
        Ok::<_, io::Error>((listener, bound))
    };
    bound
        .await
        .map_err(|err| format!("cannot listen on {address}: {err}"))
}

fn pages(drain: &Drain, ledger: &Arc<Ledger>, process: Process, recorder: Recorder) -> Admin {
    Process::describe();
    let (ready, drain) = (drain.clone(), drain.clone());
    let (health, ledger) = (Arc::clone(ledger), Arc::clone(ledger));
    // The admin server runs where everything runs: when this process hangs there is no answer.
    Admin::new()
        .ready(move || health::ready(&ready))
        .page_for("/healthz", move |query| health.health(&drain, query))
        .page("/metrics", move || {
            process.publish();
            recorder.page()
        })
        .page("/ledger", move || Page::json(ledger.json()))
}
