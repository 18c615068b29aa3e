//! Logs on disk that the configuration does not serve: of receivers, signals or exporters that it had once.
//!
//! *Invariant:* they are left alone, and nobody has to find out by himself: each is told once, and a gauge has their items for
//! as long as they are there. A log that another process has is that one's business until it lets go.

use super::disk::{Disk, Files};
use super::feed::{handed_name, handed_root};
use super::folders::{Folder, FolderError};
use super::root;
use super::verify::{folders, inspect};
use crate::metrics;
use penstock_otlp::Signal;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

#[cfg(test)]
mod tests;

/// How often it is looked again: processes end, and operators move folders.
const PERIOD: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_secs(1);

/// What the configuration serves of one signal of one receiver.
#[derive(Clone, Debug)]
pub struct Served {
    /// The receiver's id.
    pub receiver: String,
    /// Which of its signals.
    pub signal: Signal,
    /// Pipeline and exporter of each cursor.
    pub cursors: Vec<(String, String)>,
}

/// Looks now and then for logs below `directory` that are not `served`, and tells of each. Never ends.
pub async fn watch(directory: PathBuf, served: Vec<Served>) {
    let mut known = BTreeMap::new();
    loop {
        let (directory, served, before) = (directory.clone(), served.clone(), known.clone());
        let look = move || look(&directory, &served, &before);
        match tokio::task::spawn_blocking(look).await {
            Ok(Ok(found)) => {
                for (path, items) in found.iter().filter(|(path, _)| !known.contains_key(*path)) {
                    tracing::warn!(items, path = %path.display(),
                        "log is served by no pipeline, what it holds is not delivered: put its receiver, signal or exporter \
                         back into the configuration, or remove the folder");
                }
                metrics::publish_unserved(found.values().sum());
                known = found;
            }
            // A log was taken over and removed meanwhile.
            Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => {
                sleep(SOON).await;
                continue;
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "logs that are not served are not looked for");
            }
            Err(_panicked) => return,
        }
        sleep(PERIOD).await;
    }
}

/// The folders that nobody serves, with the items that are held in each, once for every exporter that has not had them.
/// Those that are `known` have not changed, as nobody has them. Blocking.
fn look(
    directory: &Path,
    served: &[Served],
    known: &BTreeMap<PathBuf, u64>,
) -> io::Result<BTreeMap<PathBuf, u64>> {
    let logs = directory.join("log");
    if !logs.exists() {
        return Ok(BTreeMap::new());
    }
    let disk = Files::shared();
    let mut found = BTreeMap::new();
    for path in folders(&logs)? {
        if served.iter().any(|served| served.has(directory, &path)) || is_in_use(&path, &disk) {
            continue;
        }
        let items = known.get(&path).copied().or_else(|| held(&path));
        found.extend(items.map(|items| (path, items)));
    }
    Ok(found)
}

impl Served {
    /// Whether a log's folder is one of these, or is to be carried into one.
    fn has(&self, directory: &Path, path: &Path) -> bool {
        let root = root(directory, &self.receiver, self.signal);
        let handed = handed_root(&root);
        if path.starts_with(&handed) {
            let mut cursors = self.cursors.iter();
            return cursors.any(|(pipeline, exporter)| {
                path.starts_with(handed.join(handed_name(pipeline, exporter)))
            });
        }
        path.starts_with(root)
    }
}

fn is_in_use(path: &Path, disk: &Arc<dyn Disk>) -> bool {
    let locked = Folder::lock(path.to_owned(), Arc::clone(disk));
    matches!(locked, Err(FolderError::Held { .. }))
}

/// `None` when nothing is. A log that cannot be read holds nobody knows how much.
fn held(path: &Path) -> Option<u64> {
    let Ok(report) = inspect(path) else {
        return Some(0);
    };
    let items = match report.cursors {
        Some(cursors) => {
            let served = cursors.iter().filter(|cursor| !cursor.retired);
            served.map(|cursor| cursor.in_flight + cursor.unread).sum()
        }
        None => report.segments.iter().map(|segment| segment.items).sum(),
    };
    (items > 0).then_some(items)
}
