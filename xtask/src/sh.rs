//! Running other programs, visibly.

use crate::fail::{Outcome, bail};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("."))
        .to_path_buf()
}

/// Where build output and everything that automation makes goes.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// Prints and runs a command in the repository's root; fails when it does.
pub(crate) fn run<I, S>(program: &str, arguments: I) -> Outcome
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    run_in(&root(), program, arguments)
}

/// The same in another folder.
pub(crate) fn run_in<I, S>(folder: &Path, program: &str, arguments: I) -> Outcome
where
    I: IntoIterator<Item = S>,
    S: AsRef<OsStr>,
{
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null());
    eprintln!("$ {}", describe(&command));
    let status = command
        .status()
        .map_err(|err| format!("{program}: {err}"))?;
    if !status.success() {
        bail!("`{}` ended with {status}", describe(&command));
    }
    Ok(())
}

/// Prints and runs a command; what it says goes to a file and is given with its status.
pub(crate) fn logged(command: &mut Command, log: &Path) -> Outcome<(ExitStatus, String)> {
    eprintln!("$ {} > {}", describe(command), log.display());
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|err| format!("{}: {err}", command.get_program().display()))?;
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    std::fs::write(log, &text)?;
    Ok((output.status, text))
}

/// Whether a program can be started and exits with 0.
pub(crate) fn answers(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// `cargo` as the one that runs us, so that the pinned toolchain is used.
pub(crate) fn cargo(arguments: &[&str]) -> Outcome {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    run(&cargo.to_string_lossy(), arguments)
}

fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words
        .map(|word| word.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}
