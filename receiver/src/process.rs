//! How many files this process may open.

use penstock_settings::{Settings, cpu_quota};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

#[cfg(test)]
mod tests;

/// Files beside connections: listeners, admin connections, what the runtime has.
const OWN_FILES: u64 = 64;
/// Files of a shard beside connections: its logs' files and its connections to exporters.
const SHARD_FILES: u64 = 64;

/// Raises the limit of open files to what this process is allowed at most, and warns where that is too few for
/// `penstock.max_connections`: what comes then is not held back but refused by the kernel.
pub(crate) fn allow_open_files(settings: &Settings) {
    let penstock = &settings.penstock;
    let shards = penstock.shards.unwrap_or_else(cpu_quota);
    let allowed = raise_open_files();
    let needed = files_needed(penstock.max_connections, shards);
    if let Some(open_files) = allowed.filter(|allowed| *allowed < needed) {
        tracing::warn!(
            open_files,
            needed,
            max_connections = penstock.max_connections,
            "limit of open files is too low: raise it (ulimit -Hn, LimitNOFILE) or lower penstock.max_connections"
        );
    }
}

/// The limit as it is then; `None` is no limit.
fn raise_open_files() -> Option<u64> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    }
}

fn files_needed(max_connections: usize, shards: usize) -> u64 {
    max_connections as u64 + OWN_FILES + SHARD_FILES * shards as u64
}
