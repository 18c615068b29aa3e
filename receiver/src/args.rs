//! The command line.

use crate::commands;
use clap::{Parser, Subcommand};
use penstock_otlp::Signal;
use penstock_settings::{Diagnostic, Settings, Source, UnservedSignal, load};
use std::path::PathBuf;

#[cfg(test)]
mod tests;

/// Takes OTLP from sidecars and hands it to exporters.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "penstock-receiver",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true
)]
pub struct Args {
    /// Something else than to receive.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// A configuration file of the Collector's format; several are merged, later ones win.
    #[arg(long = "config", required = true, value_name = "FILE")]
    pub configs: Vec<PathBuf>,
    /// Serve these signals only.
    #[arg(long, value_delimiter = ',', value_parser = signal, value_name = "traces,metrics,logs")]
    pub signals: Option<Vec<Signal>>,
}

/// What the program does when it is not told to receive.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Receives on the sockets that the supervisor gives; started by it alone.
    #[command(hide = true)]
    Worker,
    /// A tool for operators.
    #[command(flatten)]
    Tool(commands::Tool),
}

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsFault {
    /// Something is wrong in the files.
    #[error(transparent)]
    File(#[from] Diagnostic),
    /// A signal of `--signals` that no pipeline has.
    #[error("--signals: {0}")]
    Signal(#[from] UnservedSignal),
}

impl Args {
    /// The settings that the files and the command line give together.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn settings(&self) -> Result<Settings, SettingsFault> {
        settings(&self.sources(), self.signals.as_deref())
    }

    /// The files, in their order.
    pub(crate) fn sources(&self) -> Vec<Source> {
        self.configs.iter().cloned().map(Source::File).collect()
    }
}

/// The settings that the sources give, for the signals of the command line.
pub(crate) fn settings(
    sources: &[Source],
    signals: Option<&[Signal]>,
) -> Result<Settings, SettingsFault> {
    let mut settings = load(sources)?;
    if let Some(signals) = signals {
        settings.serve(signals)?;
    }
    Ok(settings)
}

fn signal(name: &str) -> Result<Signal, String> {
    Signal::from_name(name).ok_or_else(|| "not one of traces, metrics, logs".to_owned())
}
