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

/// A running child. Dropping it kills it and whatever is left of its process group, so that nothing outlives the command
/// that started it.
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

    pub(crate) fn signal(&self, name: &str) -> Outcome {
        signal(self.pid(), name).map_err(|err| format!("{}: {err}", self.name).into())
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
        let group = self.pid();
        if self.ended().is_none() {
            let _killed = self.child.kill().is_ok();
            let _reaped = self.child.wait().is_ok();
        }
        for pid in running(|stat| stat.group == group) {
            let _killed = signal(pid, "KILL").is_ok();
        }
    }
}

/// Sends a signal to a process that we started, or that one of ours did.
pub(crate) fn signal(pid: u32, signal: &str) -> Outcome {
    let words = ["-s", signal, &pid.to_string()];
    let mut kill = Command::new("kill");
    if !kill.args(words).stderr(Stdio::null()).status()?.success() {
        bail!("process {pid} is gone");
    }
    Ok(())
}

/// The children of a process.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    running(|stat| stat.parent == pid)
}

/// Resident memory of a process in bytes; nothing if it is gone.
pub(crate) fn resident(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|text| text.trim().trim_end_matches(" kB").parse::<f64>().ok());
    kib.unwrap_or(0.0) * 1024.0
}

struct Stat {
    parent: u32,
    group: u32,
}

/// Processes that are no zombies and that `choose` takes.
fn running(choose: impl Fn(&Stat) -> bool) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let chosen = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // Fields after the command's closing bracket: state, parent, group.
        let mut fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
        let alive = fields.next().is_some_and(|state| state != "Z");
        let mut number = || fields.next()?.parse().ok();
        let stat = number().zip(number());
        alive && stat.is_some_and(|(parent, group)| choose(&Stat { parent, group }))
    };
    pids.filter(chosen).collect()
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
pub(crate) fn wait_until<T>(what: &str, probe: impl FnMut() -> Outcome<Option<T>>) -> Outcome<T> {
    wait_within(PATIENCE, what, probe)
}

/// The same with another patience.
pub(crate) fn wait_within<T>(
    limit: Duration,
    what: &str,
    mut probe: impl FnMut() -> Outcome<Option<T>>,
) -> Outcome<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(found) = probe()? {
            return Ok(found);
        }
        if Instant::now() > end {
            bail!("{what} did not come about within {limit:?}");
        }
        pause(Duration::from_millis(20));
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

/// A loopback port that was free a moment ago and that no connection gets as its near end: who is killed can have it again.
pub(crate) fn fixed_port() -> Outcome<u16> {
    for _ in 0..1000 {
        let port = fastrand::u16(10_000..30_000);
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port below 30000")
}

/// A loopback port that was free a moment ago.
pub(crate) fn free_port() -> Outcome<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port())
}
