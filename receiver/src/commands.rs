//! Tools for operators, beside receiving: each reads or replays files or configuration and ends.
//!
//! Exit code 0 when there is nothing to do about what was found, 1 when there is, 2 when it could not be found out.
//!
//! *Invariant:* safe beside a running receiver. Only a replay changes anything, and only what it has sent.

mod configuration;
mod dead_letters;
mod logs;

use crate::args::ConfigArgs;
use crate::outward::Towards;
use clap::{Subcommand, ValueEnum};
use penstock_batcher::log::verify::{inspect, verify};
use penstock_settings::{Source, load};
use std::fmt::Display;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

/// Somebody has to look at what was found.
const FOUND: u8 = 1;
/// Nothing could be found out.
const FAILED: u8 = 2;

/// What an operator may ask for.
#[derive(Clone, Debug, Subcommand)]
pub enum Tool {
    /// A configuration that nothing is to be started with.
    #[command(flatten)]
    Config(ConfigTool),
    /// The logs of a receiver on disk.
    #[command(subcommand)]
    Log(LogTool),
    /// Rejected items that a receiver has kept.
    #[command(subcommand, name = "deadletter")]
    DeadLetters(DeadLetterTool),
}

/// What may be done with a configuration.
#[derive(Clone, Debug, Subcommand)]
pub enum ConfigTool {
    /// Says everything that is wrong with a configuration, has no effect, or means something else than in the Collector.
    ///
    /// Ends with 0 when it can be used, 1 when it cannot, 2 when the command line is wrong. Opens no file that the
    /// configuration names but those of `${file:...}`.
    Validate {
        /// The configuration.
        #[command(flatten)]
        config: ConfigArgs,
        /// How to say it.
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
        /// Ends with 1 for warnings, too.
        #[arg(long)]
        strict: bool,
    },
    /// Prints all sources merged into one, with every expression replaced and secrets hidden.
    ///
    /// Ends with 0 when it can be used, 1 when it cannot.
    PrintConfig {
        /// The configuration.
        #[command(flatten)]
        config: ConfigArgs,
    },
}

/// For whom something is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// What may be done with logs.
#[derive(Clone, Debug, Subcommand)]
pub enum LogTool {
    /// Tells what each log holds and where its exporters are, from headers and books.
    Inspect(LogArgs),
    /// The same after it has read every byte and checked every sum.
    Verify(LogArgs),
}

/// Which logs.
#[derive(Clone, Debug, clap::Args)]
pub struct LogArgs {
    /// A folder with logs in it or below it: `penstock.log.directory`.
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// A JSON object a line for each log.
    #[arg(long)]
    pub json: bool,
}

/// What may be done with dead letters.
#[derive(Clone, Debug, Subcommand)]
pub enum DeadLetterTool {
    /// Lists every rejected request in a folder of dead letters, the oldest first.
    List {
        /// The folder: `penstock.dead_letter.directory`.
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        /// A JSON object a line, with the request as OTLP JSON.
        #[arg(long)]
        json: bool,
    },
    /// Sends every rejected request to its exporter again, by way of a receiver. Removes the files of which all was taken.
    ///
    /// May be interrupted and repeated.
    Replay {
        /// The folder: `penstock.dead_letter.directory`.
        #[arg(value_name = "DIR")]
        directory: PathBuf,
        /// OTLP/gRPC port of a receiver that serves the same pipelines and exporters.
        #[arg(long, value_name = "HOST:PORT")]
        to: String,
        /// Replay only what this exporter has rejected.
        #[arg(long, value_name = "ID")]
        exporter: Option<String>,
        /// Configuration whose `penstock.drain.hand_over` says by which TLS and credentials; plaintext and none without it.
        #[arg(long = "config", value_name = "FILE", value_parser = Source::from_uri)]
        configs: Vec<Source>,
    },
}

/// Does what was asked for.
#[must_use]
pub fn run(tool: &Tool) -> ExitCode {
    match perform(tool) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FOUND),
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            say(&error);
            ExitCode::from(FAILED)
        }
    }
}

/// The same without the end of the process: true when there is nothing to do about what was found.
///
/// # Errors
/// It could not be found out.
pub fn perform(tool: &Tool) -> io::Result<bool> {
    match tool {
        Tool::Config(tool) => configuration::tell(tool),
        Tool::Log(LogTool::Inspect(args)) => logs::tell(args, inspect),
        Tool::Log(LogTool::Verify(args)) => logs::tell(args, verify),
        Tool::DeadLetters(DeadLetterTool::List { directory, json }) => {
            dead_letters::list(directory, *json)
        }
        Tool::DeadLetters(DeadLetterTool::Replay {
            directory,
            to,
            exporter,
            configs,
        }) => {
            let towards = towards(configs)?;
            dead_letters::replay(directory, (to, &towards), exporter.as_deref())
        }
    }
}

/// TLS and credentials of a configuration's hand-over.
fn towards(configs: &[Source]) -> io::Result<Towards> {
    if configs.is_empty() {
        return Ok(Towards::default());
    }
    let settings = load(configs).map_err(|faults| io::Error::other(faults.report()))?;
    let Some(hand_over) = &settings.penstock.hand_over else {
        let message = "--config: there is no penstock.drain.hand_over in it";
        return Err(io::Error::other(message));
    };
    Towards::new(hand_over).map_err(io::Error::other)
}

/// Tells people, beside the output for programs.
fn say(what: &dyn Display) {
    // Nobody is left to tell when standard error is gone.
    _ = writeln!(io::stderr(), "penstock-receiver: {what}");
}

/// An error that names what it is about.
fn of(path: &std::path::Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
