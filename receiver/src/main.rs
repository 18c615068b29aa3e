//! The receiver's process: settings, logs, metrics, run until asked to stop, drain.
//!
//! Exit code 0 after a drain that lost nothing, 1 when something was lost or failed, 2 for settings that cannot be used.

use clap::Parser;
use penstock_receiver::args::Args;
use penstock_receiver::{Receiver, StartError};
use penstock_runtime::signals;
use penstock_settings::Settings;
use penstock_telemetry::{Recorder, logs};
use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;

const FAILED: u8 = 1;
const BAD_SETTINGS: u8 = 2;

fn main() -> ExitCode {
    let settings = match Args::parse().settings() {
        Ok(settings) => settings,
        Err(diagnostic) => return complain(&diagnostic, BAD_SETTINGS),
    };
    let telemetry = &settings.telemetry;
    if let Err(error) = logs::start(&telemetry.log_level, telemetry.log_json) {
        return complain(&error, BAD_SETTINGS);
    }
    for warning in &settings.warnings {
        tracing::warn!(%warning, "settings warning");
    }
    // Shards have runtimes of their own; this one accepts, and serves the admin pages.
    match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime.block_on(run(settings)),
        Err(error) => complain(&error, FAILED),
    }
}

async fn run(settings: Settings) -> ExitCode {
    let recorder = match Recorder::install() {
        Ok(recorder) => recorder,
        Err(error) => return complain(&error, FAILED),
    };
    let receiver = match Receiver::start(settings, Some(recorder)).await {
        Ok(receiver) => receiver,
        Err(error) => {
            tracing::error!(%error, "receiver did not start");
            let of_settings = !matches!(error, StartError::Shard(_));
            return ExitCode::from(if of_settings { BAD_SETTINGS } else { FAILED });
        }
    };
    tracing::info!(
        grpc = %list(receiver.grpc()),
        http = %list(receiver.http()),
        admin = %receiver.admin(),
        "receiver ready"
    );
    let asked = tokio::select! {
        stop = signals::stop_requested() => match stop {
            Ok(signal) => {
                tracing::info!(signal, "stop requested");
                true
            }
            Err(error) => {
                tracing::error!(%error, "no signal handlers");
                false
            }
        },
        failure = receiver.failed() => {
            tracing::error!(%failure, "receiver failed");
            false
        }
    };
    // After a failure too: what was acked is delivered as far as it can be.
    let drained = receiver.stop().await;
    tracing::info!(dropped_items = drained.dropped, "receiver stopped");
    if asked && drained.dropped == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FAILED)
    }
}

fn list(addresses: impl Iterator<Item = SocketAddr>) -> String {
    addresses
        .map(|address| address.to_string())
        .collect::<Vec<_>>()
        .join(",")
}

/// For faults before there is a log.
fn complain(error: &dyn std::fmt::Display, code: u8) -> ExitCode {
    // Nobody is left to tell when standard error is gone.
    _ = writeln!(std::io::stderr(), "penstock-receiver: {error}");
    ExitCode::from(code)
}
