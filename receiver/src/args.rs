//! The command line.

use clap::Parser;
use penstock_otlp::Signal;
use penstock_settings::{Diagnostic, Settings, Source, UnservedSignal, load};
use std::path::PathBuf;

#[cfg(test)]
mod tests;

/// Takes OTLP from sidecars and hands it to exporters.
#[derive(Clone, Debug, Parser)]
#[command(name = "penstock-receiver", version)]
pub struct Args {
    /// A configuration file of the Collector's format; several are merged, later ones win.
    #[arg(long = "config", required = true, value_name = "FILE")]
    pub configs: Vec<PathBuf>,
    /// Serve these signals only.
    #[arg(long, value_delimiter = ',', value_parser = signal, value_name = "traces,metrics,logs")]
    pub signals: Option<Vec<Signal>>,
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
        let sources: Vec<_> = self.configs.iter().cloned().map(Source::File).collect();
        let mut settings = load(&sources)?;
        if let Some(signals) = &self.signals {
            settings.serve(signals)?;
        }
        Ok(settings)
    }
}

fn signal(name: &str) -> Result<Signal, String> {
    Signal::from_name(name).ok_or_else(|| "not one of traces, metrics, logs".to_owned())
}
