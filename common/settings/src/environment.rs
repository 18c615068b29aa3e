//! What the settings take from the process's surroundings: environment variables, memory and CPU limits.
//!
//! *Invariant:* a snapshot; nothing here is read again while settings are made from it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

#[cfg(test)]
mod tests;

/// A snapshot of the surroundings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// Environment variables that are valid UTF-8.
    pub variables: BTreeMap<String, String>,
    /// Memory that this process may use, in bytes.
    pub memory_bytes: u64,
    /// Whole CPUs that this process may use, as [`cpu_quota`] says; 0 counts as 1.
    pub cpus: usize,
}

impl Environment {
    /// The surroundings of this process.
    #[must_use]
    pub fn of_process() -> Self {
        Self {
            variables: variables(),
            memory_bytes: memory_limit(Path::new("/")),
            cpus: cpu_quota(),
        }
    }
}

/// The environment variables of this process that are valid UTF-8.
pub(crate) fn variables() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Whether expressions and sources may name a variable like this.
pub(crate) fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name
            .chars()
            .all(|rest| rest.is_ascii_alphanumeric() || rest == '_')
}

/// Whole CPUs that this process may use, at least 1: the cgroup's quota (v2 `cpu.max`, v1 CFS) rounded down, the CPU
/// affinity, or the machine's CPUs, whichever is least. Rounded down, since a shard too many is throttled.
#[must_use]
pub fn cpu_quota() -> usize {
    // The standard library reads the cgroup's files and the affinity mask itself.
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// The least of the machine's memory and every cgroup limit above the process, below `root`.
fn memory_limit(root: &Path) -> u64 {
    let machine = fs::read_to_string(root.join("proc/meminfo"))
        .ok()
        .and_then(|text| {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix("MemTotal:"))?;
            Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
        })
        // Where nothing can be read, 1 GiB is small enough to be safe and large enough to work.
        .unwrap_or(1 << 30);
    let groups = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mut limit = machine;
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(group)) = (fields.next(), fields.next()) else {
            continue;
        };
        let (mount, file) = match controllers {
            "" => (root.join("sys/fs/cgroup"), "memory.max"),
            "memory" => (root.join("sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
            _ => continue,
        };
        for directory in ancestors(&mount, group) {
            // An unlimited group says `max` in v2 and a number beyond any machine in v1.
            let text = fs::read_to_string(directory.join(file)).unwrap_or_default();
            if let Ok(bytes) = text.trim().parse::<u64>() {
                limit = limit.min(bytes);
            }
        }
    }
    limit
}

/// A group's directory and those above it up to the mount. In a container the path may be the host's and not be
/// there; the mount itself is then the container's group.
fn ancestors(mount: &Path, group: &str) -> Vec<PathBuf> {
    let group = mount.join(group.trim_start_matches('/'));
    group
        .ancestors()
        .take_while(|path| path.starts_with(mount))
        .map(Path::to_path_buf)
        .collect()
}
