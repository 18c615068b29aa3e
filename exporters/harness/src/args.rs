//! The command line of an exporter, and which exporter of the file it means.
//!
//! *Invariant:* pure; says everything there is to say about a mistake, and starts nothing.

use clap::{CommandFactory, FromArgMatches, Parser};
use penstock_settings::{Exporter, Settings, Source};
use std::ffi::OsString;

#[cfg(test)]
mod tests;

/// Takes batches from receivers and hands them to one backend.
#[derive(Debug, Parser)]
pub(crate) struct Args {
    /// Configuration, the same as the receiver's: a file, `file:PATH`, `env:NAME` or `yaml:TEXT`; later ones win.
    #[arg(long, value_name = "FILE", required = true, value_parser = Source::from_uri)]
    pub(crate) config: Vec<Source>,
    /// Sets one key over what the configurations say, as in `--set exporters.otlp.endpoint=tempo:4317`.
    #[arg(long, value_name = "KEY=VALUE", value_parser = Source::from_set)]
    pub(crate) set: Vec<Source>,
    /// Which exporter of the configuration this process is, such as `otlp/tempo`; not needed when only one fits.
    #[arg(long, value_name = "ID")]
    pub(crate) exporter: Option<String>,
    /// Listen here for the hop, instead of where the configuration says.
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    /// Serve health and metrics here, instead of where the configuration says.
    #[arg(long, value_name = "ADDR")]
    pub(crate) admin: Option<String>,
}

impl Args {
    /// Reads the command line of the binary called `name`.
    ///
    /// # Errors
    /// A mistake, or a request for help or the version: both print themselves and know their exit code.
    pub(crate) fn read(
        name: &'static str,
        line: impl IntoIterator<Item = OsString>,
    ) -> Result<Self, clap::Error> {
        let command = Self::command()
            .name(name)
            .version(env!("CARGO_PKG_VERSION"));
        command
            .try_get_matches_from(line)
            .and_then(|matches| Self::from_arg_matches(&matches))
    }
}

/// The exporter that `wanted` names, or the only one of `kinds`.
///
/// # Errors
/// What is wrong and which ids would do.
pub(crate) fn pick<'a>(
    settings: &'a Settings,
    kinds: &[&str],
    wanted: Option<&str>,
) -> Result<&'a Exporter, String> {
    let is_ours = |exporter: &&Exporter| kinds.contains(&exporter.id.kind());
    let ours: Vec<&Exporter> = settings.exporters.values().filter(is_ours).collect();
    let ids = || {
        ours.iter()
            .map(|exporter| exporter.id.0.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    match wanted {
        Some(id) => {
            let exporter = settings.exporter(id).map_err(|err| err.to_string())?;
            Some(exporter).filter(is_ours).ok_or_else(|| {
                format!(
                    "exporter `{id}` has another binary; this one serves {}",
                    kinds.join(", ")
                )
            })
        }
        None => match ours.as_slice() {
            [one] => Ok(one),
            [] => Err(format!(
                "the configuration has no exporter of kind {}",
                kinds.join(", ")
            )),
            _ => Err(format!(
                "the configuration has several: say --exporter with one of {}",
                ids()
            )),
        },
    }
}
