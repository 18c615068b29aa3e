//! The receiver's process: what the command line asks for, and its exit code.

use clap::Parser;
use penstock_receiver::args::{Args, Command};
use penstock_receiver::{commands, supervisor, worker};
use std::process::ExitCode;

fn main() -> ExitCode {
    let args = Args::parse();
    match &args.command {
        None => supervisor::run(&args),
        Some(Command::Worker) => worker::run(),
        Some(Command::Tool(tool)) => commands::run(tool),
    }
}
