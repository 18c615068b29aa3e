//! The command line.

use crate::commands;
use clap::{Parser, Subcommand};
use penstock_otlp::Signal;
use penstock_settings::{Faults, Settings, Source, UnservedSignal, load};

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
    /// What configures it.
    #[command(flatten)]
    pub config: ConfigArgs,
    /// Serve these signals only.
    #[arg(long, value_delimiter = ',', value_parser = signal, value_name = "traces,metrics,logs")]
    pub signals: Option<Vec<Signal>>,
}

/// Where the configuration comes from, as the Collector's command line says it.
#[derive(Clone, Debug, clap::Args)]
pub struct ConfigArgs {
    /// Configuration in the Collector's format: a file, `file:PATH`, `env:NAME` or `yaml:TEXT`; several are merged, later ones win.
    #[arg(long = "config", required = true, value_name = "FILE", value_parser = Source::from_uri)]
    pub configs: Vec<Source>,
    /// Sets one key over what the configurations say, as in `--set processors.batch.timeout=2s`.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = Source::from_set)]
    pub sets: Vec<Source>,
}

impl ConfigArgs {
    /// All of it, in the order in which it is merged.
    #[must_use]
    pub fn sources(&self) -> Vec<Source> {
        [self.configs.as_slice(), &self.sets].concat()
    }
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
    /// Something is wrong in the configuration.
    #[error(transparent)]
    Configuration(#[from] Faults),
    /// A signal of `--signals` that no pipeline has.
    #[error("--signals: {0}")]
    Signal(#[from] UnservedSignal),
}

impl Args {
    /// The settings that the files and the command line give together.
    ///
    /// # Errors
    /// Everything that is wrong.
    pub fn settings(&self) -> Result<Settings, SettingsFault> {
        settings(&self.config.sources(), self.signals.as_deref())
    }
}

impl SettingsFault {
    /// For people, with the lines that it is about.
    #[must_use]
    pub fn report(&self) -> String {
        match self {
            Self::Configuration(faults) => {
                format!("the configuration cannot be used\n\n{}", faults.report())
            }
            Self::Signal(_) => self.to_string(),
        }
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
