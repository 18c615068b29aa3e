//! Which cores a process may use, and what the OS says that it used.

use super::rig::Core;
use crate::fail::Outcome;
use crate::process::{Process, children};
use crate::sh;
use std::fs;
use std::path::Path;
use std::process::Command;

/// What a report has to say of where it was made.
pub(super) fn describe() -> String {
    let model = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = model
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown", |line| line.trim_start_matches([' ', '\t', ':']));
    let first_line = |program: &str, words: &[&str]| {
        let mut command = Command::new(program);
        let output = command.args(words).current_dir(sh::root()).output();
        let output = output.map(|output| output.stdout);
        let text = String::from_utf8_lossy(&output.unwrap_or_default()).into_owned();
        text.lines().next().unwrap_or("unknown").to_owned()
    };
    format!(
        "CPU {model}; {}; {}; commit {}.",
        first_line("uname", &["-sr"]),
        first_line("rustc", &["-V"]),
        first_line("git", &["describe", "--always", "--dirty"]),
    )
}

/// Cores for the system under test and for everything around it; `None` where there is nothing to choose.
pub(crate) struct Cores {
    pub(crate) server: Option<String>,
    pub(crate) others: Option<String>,
}

/// Puts all that this process starts before other work of the machine, where the system lets it: beside a compiler, figures
/// tell of the compiler. Nice values alone do not, because Linux weighs whole sessions (`autogroup`) against each other.
pub(super) fn take_precedence() {
    if fs::write("/proc/self/autogroup", "-15").is_err() {
        eprintln!("bench: at the same priority as everything else on this machine");
    }
}

impl Cores {
    /// One core for the server, the others for the rest.
    pub(crate) fn choose() -> Outcome<Self> {
        let status = fs::read_to_string("/proc/self/status")?;
        let allowed = status
            .lines()
            .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        let allowed = cores(allowed.unwrap_or_default().trim());
        let chosen = match allowed.as_slice() {
            [server, others @ ..] if !others.is_empty() && sh::answers("taskset", &["-V"]) => {
                let others: Vec<_> = others.iter().map(u32::to_string).collect();
                (Some(server.to_string()), Some(others.join(",")))
            }
            _ => (None, None),
        };
        let (server, others) = chosen;
        Ok(Self { server, others })
    }

    /// Those that a process is put on.
    pub(super) fn of(&self, core: Core) -> Option<&str> {
        match core {
            Core::Server => self.server.as_deref(),
            Core::Others => self.others.as_deref(),
            Core::Any => None,
        }
    }

    /// For the report.
    pub(crate) fn describe(&self) -> String {
        match (&self.server, &self.others) {
            (Some(server), Some(others)) => {
                format!("System under test on core {server}, all else on core {others}.")
            }
            _ => "Nothing is pinned: one core only, or no `taskset`.".to_owned(),
        }
    }
}

/// The numbers of a list such as `0,2-3`.
fn cores(list: &str) -> Vec<u32> {
    let ranges = list.split(',').filter_map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some(first.parse().ok()?..=last.parse().ok()?)
    });
    ranges.flatten().collect()
}

/// A program on given cores, with as many open files as the system lets it have.
pub(crate) fn command(cores: Option<&str>, program: &Path, words: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -n \"$(ulimit -H -n)\"; exec \"$@\"", "sh"]);
    if let Some(cores) = cores {
        command.args(["taskset", "-c", cores]);
    }
    command.arg(program).args(words);
    command.current_dir(sh::root());
    command
}

/// What a running process and its children have used: the receiver's supervisor is small, its worker does the work.
pub(crate) struct Usage {
    pub(crate) cpu_seconds: f64,
    /// Memory of their own.
    anonymous_bytes: f64,
    /// Pages of files, above all of the binary. All run the same one, so those of the process with most stand for all.
    file_bytes: f64,
    pub(crate) peak_bytes: f64,
}

impl Usage {
    pub(crate) fn of(process: &Process) -> Outcome<Self> {
        let mut usage = Self::of_pid(process.pid())?;
        for child in children(process.pid()) {
            let child = Self::of_pid(child)?;
            usage.cpu_seconds += child.cpu_seconds;
            usage.anonymous_bytes += child.anonymous_bytes;
            usage.file_bytes = usage.file_bytes.max(child.file_bytes);
            usage.peak_bytes += child.peak_bytes;
        }
        Ok(usage)
    }

    /// In memory now, each page once.
    pub(crate) fn resident_bytes(&self) -> f64 {
        self.anonymous_bytes + self.file_bytes
    }

    fn of_pid(pid: u32) -> Outcome<Self> {
        /// `USER_HZ`: fixed at 100 for what Linux shows to programs.
        const TICKS_A_SECOND: f64 = 100.0;
        let folder = Path::new("/proc").join(pid.to_string());
        let stat = fs::read_to_string(folder.join("stat"))?;
        // Fields after the command's closing bracket: state is the first, utime the 12th, stime the 13th.
        let fields: Vec<&str> = stat
            .rsplit(") ")
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .collect();
        let ticks = |n: usize| {
            let field = fields.get(n).and_then(|field| field.parse::<f64>().ok());
            field.unwrap_or(0.0)
        };
        let status = fs::read_to_string(folder.join("status"))?;
        let bytes = |key: &str| {
            let value = status.lines().find_map(|line| line.strip_prefix(key));
            let kib = value.and_then(|text| text.trim().trim_end_matches(" kB").parse().ok());
            kib.unwrap_or(0.0) * 1024.0
        };
        Ok(Self {
            cpu_seconds: (ticks(11) + ticks(12)) / TICKS_A_SECOND,
            anonymous_bytes: bytes("RssAnon:") + bytes("RssShmem:"),
            file_bytes: bytes("RssFile:"),
            peak_bytes: bytes("VmHWM:"),
        })
    }
}

pub(crate) fn mib(bytes: f64) -> f64 {
    bytes / f64::from(1 << 20)
}
