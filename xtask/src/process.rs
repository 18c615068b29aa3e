//! Child processes of dev, e2e and bench: started with a name, read line by line, ended by pid.

use crate::fail::{Outcome, bail};
use crate::sh;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How long a process may take to say that it is ready, and to end after it was asked to.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// A running child. Dropping it kills it, so that nothing outlives the command that started it.
pub(crate) struct Process {
    name: String,
    child: Child,
    lines: Receiver<String>,
}

impl Process {
    /// Starts `command`; its standard error goes to `<folder>/<name>.log` and, line by line, to [`Process::ready`].
    pub(crate) fn start(name: &str, folder: &Path, command: &mut Command) -> Outcome<Self> {
        // A process group of its own: Ctrl-C reaches us alone, and we stop the children in the right order.
        let mut child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|err| format!("{name}: {}: {err}", command.get_program().display()))?;
        let mut log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(folder.join(format!("{name}.log")))?;
        let (sender, lines) = channel();
        let stderr: Box<dyn Read + Send> = match child.stderr.take() {
            Some(stderr) => Box::new(stderr),
            None => bail!("{name} has no standard error"),
        };
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let _written = writeln!(log, "{line}").is_ok();
                let _read = sender.send(line).is_ok();
            }
        });
        Ok(Self {
            name: name.to_owned(),
            child,
            lines,
        })
    }

    /// Starts one of our binaries.
    pub(crate) fn ours(name: &str, folder: &Path, binary: &str, words: &[&str]) -> Outcome<Self> {
        Self::ours_of("debug", name, folder, binary, words)
    }

    /// Starts one of our binaries from a profile's folder (`debug`, `release`).
    pub(crate) fn ours_of(
        profile: &str,
        name: &str,
        folder: &Path,
        binary: &str,
        words: &[&str],
    ) -> Outcome<Self> {
        let mut command = Command::new(binary_path(profile, binary));
        command.args(words).current_dir(sh::root());
        Self::start(name, folder, &mut command)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for a JSON log line with this message and gives it.
    pub(crate) fn ready(&mut self, message: &str) -> Outcome<Value> {
        self.wait_line(message, |line| {
            let value: Value = serde_json::from_str(line).ok()?;
            (value["message"] == message).then_some(value)
        })
    }

    /// Waits for a line in which `find` finds what it looks for.
    pub(crate) fn wait_line<T>(
        &mut self,
        what: &str,
        find: impl Fn(&str) -> Option<T>,
    ) -> Outcome<T> {
        let end = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        while let Ok(line) = self
            .lines
            .recv_timeout(end.saturating_duration_since(Instant::now()))
        {
            if let Some(found) = find(&line) {
                return Ok(found);
            }
            seen.push(line);
        }
        bail!(
            "{} did not say `{what}`; it said:\n{}",
            self.name,
            seen.join("\n")
        )
    }

    /// Asks the process to stop and waits for its end.
    pub(crate) fn stop(mut self) -> Outcome<ExitStatus> {
        self.signal("TERM")?;
        self.wait()
    }

    /// Ends the process at once.
    pub(crate) fn kill(mut self) -> Outcome {
        self.signal("KILL")?;
        self.wait().map(drop)
    }

    pub(crate) fn signal(&self, signal: &str) -> Outcome {
        let pid = self.child.id().to_string();
        if !Command::new("kill")
            .args(["-s", signal, &pid])
            .status()?
            .success()
        {
            bail!("{} (pid {pid}) is gone", self.name);
        }
        Ok(())
    }

    /// Waits for the end; a process that does not end is killed and that is an error.
    pub(crate) fn wait(&mut self) -> Outcome<ExitStatus> {
        let end = Instant::now() + PATIENCE;
        loop {
            match self
                .lines
                .recv_timeout(end.saturating_duration_since(Instant::now()))
            {
                Ok(_line) => {}
                // Standard error closes with the process.
                Err(RecvTimeoutError::Disconnected) => return Ok(self.child.wait()?),
                Err(RecvTimeoutError::Timeout) => break,
            }
        }
        self.child.kill()?;
        bail!("{} did not stop within {PATIENCE:?}", self.name)
    }

    /// `Some` once the process has ended by itself.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended().is_none() {
            let _killed = self.child.kill().is_ok();
            let _reaped = self.child.wait().is_ok();
        }
    }
}

/// Path of a binary that was built before.
pub(crate) fn binary_path(profile: &str, binary: &str) -> PathBuf {
    sh::target().join(profile).join(binary)
}

/// A new, empty folder below `target/<name>`.
pub(crate) fn fresh_folder(name: &str) -> Outcome<PathBuf> {
    let folder = sh::target().join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Asks `probe` again and again until it gives something.
pub(crate) fn wait_until<T>(
    what: &str,
    mut probe: impl FnMut() -> Outcome<Option<T>>,
) -> Outcome<T> {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = probe()? {
            return Ok(found);
        }
        if Instant::now() > end {
            bail!("{what} did not come about within {PATIENCE:?}");
        }
        pause(Duration::from_millis(50));
    }
}

/// Lets time pass between two looks at another process.
#[expect(
    clippy::disallowed_methods,
    reason = "other processes can only be polled"
)]
pub(crate) fn pause(time: Duration) {
    thread::sleep(time);
}

/// A loopback port that was free a moment ago.
pub(crate) fn free_port() -> Outcome<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port())
}
